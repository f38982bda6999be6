#include "common/trace/trace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/sha256.h"
#include "common/trace/half.h"

namespace safelight {
namespace {

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

void append_number(std::string& out, double v) {
  const auto rounded = static_cast<float>(v);
  if (!std::isfinite(rounded)) {
    out += "null";
    return;
  }
  std::array<char, 32> text;
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), rounded).ptr);
}

std::vector<int64_t> with_rows(int64_t rows, std::vector<int64_t> shape) {
  shape.insert(shape.begin(), rows);
  return shape;
}

}  // namespace

TraceFile::TraceFile(std::filesystem::path directory, Json run, Encoder encoder)
    : directory_(std::move(directory)), run_(std::move(run)), encoder_(std::move(encoder)) {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) throw Error(ErrorCode::io, "'" + directory_.string() + "' cannot be created: " + error.message());
  if (std::filesystem::exists(directory_ / "run.json"))
    throw Error(ErrorCode::conflict, "'" + directory_.string() + "' already holds a run; name another directory with --out");
  run_["status"] = "running";
  run_["facts"] = Json::object();
  update();
}

TraceFile::~TraceFile() {
  if (steps_descriptor_ >= 0) ::close(steps_descriptor_);
}

void TraceFile::update() { write_file_atomic(directory_ / "run.json", run_.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"); }

void TraceFile::declare(const SeriesInfo& s) { series_.push_back(s); }
void TraceFile::declare_map(const MapInfo& m) { maps_.push_back(m); }

// Written as text at once: a run records thousands of numbers, and each is a measurement with a float's precision.
void TraceFile::series(const std::string& name, std::span<const double> v) {
  values_ += values_.empty() ? "\"" : ",\"";
  values_ += name;
  values_ += v.size() == 1 ? "\":" : "\":[";
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (i > 0) values_ += ',';
    append_number(values_, v[i]);
  }
  if (v.size() != 1) values_ += ']';
}

void TraceFile::map(const std::string& name, int64_t row, std::span<const float> v) {
  std::vector<std::uint16_t> half(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) half[i] = to_half(v[i]);
  map_rows_->write_row(name, row, std::as_bytes(std::span(half)));
  maps_written_.push_back(name);
}

void TraceFile::fact(const std::string& probe, const std::string& key, Json value) {
  run_["facts"][probe][key] = std::move(value);
}

// The step's line in steps.jsonl follows, and nobody reads a preview without it.
void TraceFile::preview(int step, const Image& image) {
  if (encoder_) write_file_once(directory_ / ("preview-" + std::to_string(step) + ".png"), encoder_(image, ""));
}

void TraceFile::start_steps(const RestartLayout& layout) {
  Json series = Json::array(), maps = Json::array();
  for (const SeriesInfo& s : series_)
    series.push_back({{"name", s.name}, {"unit", s.unit}, {"shape", s.shape}, {"probe", s.probe}, {"meaning", s.meaning}, {"labels", s.labels}});
  std::vector<SafetensorsRows::Tensor> tensors;
  for (const MapInfo& m : maps_) {
    maps.push_back({{"name", m.name}, {"rows", m.rows}, {"shape", m.shape}, {"labels", m.labels}, {"meaning", m.meaning}});
    tensors.push_back({m.name, SafeDtype::f16, with_rows(m.rows, m.shape)});
  }
  if (!tensors.empty()) map_rows_ = std::make_unique<SafetensorsRows>(directory_ / "maps.safetensors", tensors);
  tensors.clear();
  for (const auto& [name, shape] : layout.tensors)
    tensors.push_back({name, SafeDtype::f32, with_rows(name == "final" ? 1 : layout.rows, shape)});
  if (!tensors.empty()) latent_rows_ = std::make_unique<SafetensorsRows>(directory_ / "latents.safetensors", tensors);
  const auto file = directory_ / "steps.jsonl";
  steps_descriptor_ = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  const std::string header = Json{{"series", series}, {"maps", maps}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (steps_descriptor_ < 0 || ::write(steps_descriptor_, header.data(), header.size()) != static_cast<ssize_t>(header.size()))
    throw Error(ErrorCode::io, "'" + file.string() + "' cannot be written: " + std::strerror(errno));
}

void TraceFile::store_restart(const StoredRestart& r) {
  Json names = Json::array();
  for (const auto& [name, tensor] : r.tensors) {
    latent_rows_->write_row(name, restart_row_, std::as_bytes(std::span(tensor.values)));
    names.push_back(name);
  }
  restart_note_ = {{"row", restart_row_++}, {"steps_done", r.steps_done}, {"tensors", names}, {"scalars", r.scalars}, {"draws", r.draws}};
  if (r.steps_done == 0) {
    run_["restart_0"] = restart_note_;  // there is no finished step yet to carry it
    restart_note_ = nullptr;
  }
}

void TraceFile::end_step(int step, const NodeInfo& node) {
  const Json place = {{"alpha", node.alpha}, {"sigma", number(node.sigma)}, {"timestep", node.timestep}};
  const std::string text = "{\"step\":" + std::to_string(step) + ",\"node\":" + place.dump() + ",\"values\":{" + values_ +
                           "},\"maps\":" + Json(maps_written_).dump() + ",\"restart\":" + restart_note_.dump() + "}\n";
  if (::write(steps_descriptor_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw Error(ErrorCode::io, "'" + (directory_ / "steps.jsonl").string() + "' cannot be written: " + std::strerror(errno));
  values_.clear();
  maps_written_.clear();
  restart_note_ = nullptr;
}

void TraceFile::final_latent(const StoredTensor& latent) {
  latent_rows_->write_row("final", 0, std::as_bytes(std::span(latent.values)));
  run_["final_latent"] = true;
}

void TraceFile::partial_latents(const StoredTensor& latents) {
  write_safetensors(directory_ / "partial.safetensors", {{.name = "latents", .dtype = SafeDtype::f32, .shape = latents.shape, .bytes = std::as_bytes(std::span(latents.values))}}, {});
}

void TraceFile::image(int index, const Image& image, const std::string& parameters, std::uint64_t seed) {
  const std::string name = "image-" + std::to_string(index) + (encoder_ ? ".png" : ".ppm");
  std::string bytes;
  if (encoder_) bytes = encoder_(image, parameters);
  else bytes = "P6\n" + std::to_string(image.width) + " " + std::to_string(image.height) + "\n255\n" + std::string(image.pixels.begin(), image.pixels.end());
  write_file_atomic(directory_ / name, bytes);
  run_["images"].push_back({{"file", name}, {"sha256", sha256_hex(bytes)}, {"seed", seed}});
}

void TraceFile::finish(const std::string& status) {
  run_["status"] = status;
  if (!maps_written_.empty()) run_["maps_at_end"] = maps_written_;
  update();
}

std::uint64_t TraceFile::bytes() const {
  std::uint64_t total = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_))
    if (entry.is_regular_file()) total += entry.file_size();
  return total;
}

}  // namespace safelight
