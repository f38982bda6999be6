#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "common/formats/safetensors.h"
#include "common/trace/half.h"
#include "common/trace/run_record.h"
#include "common/trace/trace.h"
#ifndef SAFELIGHT_NO_PNG
#include "common/formats/png.h"
#endif

namespace safelight {
namespace {

constexpr std::uint64_t kMaxStepsFile = std::uint64_t{512} << 20;

double number(const Json& j) { return j.is_number() ? j.get<double>() : std::numeric_limits<double>::quiet_NaN(); }

std::size_t product(const std::vector<int64_t>& shape) {
  std::size_t n = 1;
  for (const int64_t d : shape) n *= static_cast<std::size_t>(std::max<int64_t>(d, 0));
  return n;
}

// Values of one row of a rows file; empty when it is not there.
std::vector<float> row_of(const std::filesystem::path& file, const std::string& name, int64_t row, std::vector<int64_t>* shape) {
  if (!std::filesystem::exists(file)) return {};
  const SafetensorsFile opened = SafetensorsFile::open(file);
  const auto it = opened.entries().find(name);
  if (it == opened.entries().end() || it->second.shape.empty() || row < 0 || row >= it->second.shape[0]) return {};
  const SafeTensor& t = it->second;
  const std::size_t count = product({t.shape.begin() + 1, t.shape.end()}), size = byte_size(t.dtype);
  const std::byte* data = t.bytes.data() + static_cast<std::size_t>(row) * count * size;
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (t.dtype == SafeDtype::f16) {
      std::uint16_t half = 0;
      std::memcpy(&half, data + 2 * i, 2);
      out[i] = from_half(half);
    } else if (t.dtype == SafeDtype::f32) {
      std::memcpy(&out[i], data + 4 * i, 4);
    } else {
      return {};
    }
  }
  if (shape) shape->assign(t.shape.begin() + 1, t.shape.end());
  return out;
}

}  // namespace

bool is_run_record(const Json& record) {
  return record.is_object() && record.contains("format") && record["format"].is_string() && record["format"].get<std::string>().rfind("safelight-trace/1", 0) == 0;
}

TraceReader::TraceReader(std::filesystem::path directory) : directory_(std::move(directory)) {
  if (!std::filesystem::exists(directory_ / "run.json"))
    throw Error(ErrorCode::not_found, "'" + directory_.string() + "' is not a run: it has no run.json; see `safelight runs list`");
  run_ = read_json(directory_ / "run.json");
  if (!is_run_record(run_))
    throw Error(ErrorCode::corrupt_file, "'" + (directory_ / "run.json").string() + "' is not a trace of this version");
  if (std::filesystem::exists(directory_ / "steps.jsonl")) read_steps();
}

void TraceReader::read_steps() {
  std::istringstream in(read_file(directory_ / "steps.jsonl", kMaxStepsFile));
  const std::string where = "'" + (directory_ / "steps.jsonl").string() + "'";
  std::string line;
  if (!std::getline(in, line) || in.eof()) return;  // killed while the header was written
  try {
    const Json header = parse_json(line, where);
    for (const Json& s : header.at("series"))
      series_.push_back({s.at("name"), s.at("unit"), s.at("shape"), s.at("probe"), s.at("meaning"), s.at("labels")});
    for (const Json& m : header.at("maps")) maps_.push_back({m.at("name"), m.at("rows"), m.at("shape"), m.at("labels"), m.at("meaning")});
    while (std::getline(in, line) && !in.eof()) {  // a last line without its end was cut off
      const Json step = parse_json(line, where);
      const Json& node = step.at("node");
      nodes_.push_back({number(node.at("alpha")), number(node.at("sigma")), number(node.at("timestep"))});
      step_lines_.push_back(step);
    }
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, where + ": " + e.what());
  }
  for (const SeriesInfo& s : series_) {
    auto& rows = values_[s.name];
    for (const Json& step : step_lines_) {
      std::vector<double> row(std::max<std::size_t>(product(s.shape), 1), std::numeric_limits<double>::quiet_NaN());
      const auto it = step["values"].find(s.name);
      if (it != step["values"].end()) {
        if (it->is_array())
          for (std::size_t i = 0; i < std::min(row.size(), it->size()); ++i) row[i] = number((*it)[i]);
        else row[0] = number(*it);
      }
      rows.push_back(std::move(row));
    }
  }
}

int TraceReader::first_step() const { return step_lines_.empty() ? 0 : step_lines_.front().value("step", 0); }

bool TraceReader::has(const std::string& series) const { return values_.contains(series); }

const std::vector<std::vector<double>>& TraceReader::values(const std::string& series) const {
  const auto it = values_.find(series);
  if (it != values_.end()) return it->second;
  std::string known;
  for (const auto& [name, rows] : values_) known += (known.empty() ? "" : ", ") + name;
  throw Error(ErrorCode::not_found, "the run has no series '" + series + "'; it has: " + known);
}

std::vector<double> TraceReader::scalar(const std::string& series) const {
  std::vector<double> out;
  for (const auto& row : values(series)) out.push_back(row.front());
  return out;
}

std::vector<float> TraceReader::map_row(const std::string& map, int64_t row) const {
  return row_of(directory_ / "maps.safetensors", map, row, nullptr);
}

std::vector<int> TraceReader::restart_steps() const {
  std::vector<int> out;
  if (run_.contains("restart_0")) out.push_back(0);
  for (const Json& step : step_lines_)
    if (step.contains("restart") && step["restart"].is_object()) out.push_back(step["restart"].at("steps_done").get<int>());
  return out;
}

StoredRestart TraceReader::restart(int steps_done) const {
  const Json* note = nullptr;
  if (steps_done == 0 && run_.contains("restart_0")) note = &run_["restart_0"];
  for (const Json& step : step_lines_)
    if (step.contains("restart") && step["restart"].is_object() && step["restart"].value("steps_done", -1) == steps_done) note = &step["restart"];
  if (!note) {
    std::string known;
    for (const int s : restart_steps()) known += (known.empty() ? "" : ", ") + std::to_string(s);
    throw Error(ErrorCode::not_found, "'" + directory_.string() + "' has no restart point after " + std::to_string(steps_done) +
                                          " steps; it has: " + (known.empty() ? "none" : known));
  }
  StoredRestart out;
  out.steps_done = steps_done;
  out.scalars = note->at("scalars").get<std::vector<double>>();
  out.draws = note->at("draws").get<int64_t>();
  for (const Json& name : note->at("tensors")) {
    StoredTensor t;
    t.values = row_of(directory_ / "latents.safetensors", name.get<std::string>(), note->at("row").get<int64_t>(), &t.shape);
    out.tensors[name.get<std::string>()] = std::move(t);
  }
  return out;
}

StoredTensor TraceReader::final_latent() const {
  StoredTensor t;
  if (run_.contains("final_latent")) t.values = row_of(directory_ / "latents.safetensors", "final", 0, &t.shape);
  return t;
}

StoredTensor TraceReader::partial_latents() const {
  const auto file = directory_ / "partial.safetensors";
  if (!std::filesystem::exists(file))
    throw Error(ErrorCode::not_found, "'" + directory_.string() + "' holds no unfinished latents; make it with --stop-at, for example 0.8");
  const SafetensorsFile source = SafetensorsFile::open(file);
  const SafeTensor& t = source.at("latents");
  if (t.dtype != SafeDtype::f32) throw Error(ErrorCode::corrupt_file, "'" + file.string() + "': latents must be F32");
  StoredTensor out{.shape = t.shape, .values = std::vector<float>(t.bytes.size() / sizeof(float))};
  std::memcpy(out.values.data(), t.bytes.data(), t.bytes.size());
  return out;
}

std::vector<std::string> TraceReader::image_names() const {
  std::vector<std::string> out;
  if (run_.contains("images") && run_["images"].is_array())
    for (const Json& image : run_["images"])
      if (image.contains("file") && image["file"].is_string()) out.push_back(image["file"].get<std::string>());
  return out;
}

#ifndef SAFELIGHT_NO_PNG
std::optional<Image> TraceReader::image(int index) const {
  const auto file = directory_ / ("image-" + std::to_string(index) + ".png");
  if (!std::filesystem::exists(file)) return std::nullopt;
  return decode_png(read_file(file), "'" + file.string() + "'");
}

std::optional<Image> TraceReader::preview(int step) const {
  const auto file = directory_ / ("preview-" + std::to_string(step) + ".png");
  if (!std::filesystem::exists(file)) return std::nullopt;
  return decode_png(read_file(file), "'" + file.string() + "'");
}
#else
std::optional<Image> TraceReader::image(int) const { return std::nullopt; }
std::optional<Image> TraceReader::preview(int) const { return std::nullopt; }
#endif

}  // namespace safelight
