#include <algorithm>
#include <set>

#include "apps/lab/golden_case.h"
#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/formats/gzip.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/text/textual_inversion.h"
#include "engine/weights/component_files.h"
#include "engine/weights/lora.h"
#include "engine/weights/mapped_source.h"
#include "engine/weights/weight_file.h"

namespace safelight::app {
namespace {

// Exactly equal, NaN included; counts how many tensors are not.
void require_equal(Case& c, const std::string& name, const at::Tensor& got, const at::Tensor& want) {
  ++c.compared;
  c.out.tensors.emplace_back(name, got.contiguous());
  if (got.scalar_type() == want.scalar_type() && got.sizes() == want.sizes() && at::equal(got, want)) return;
  c.out.error += 1;
  c.out.what += name + " ";
}

void fail(Case& c, const std::string& what) {
  c.out.error += 1;
  if (c.out.what.size() < 400) c.out.what += what + "; ";
}

void gguf_case(Case& c) {
  const Json& files = c.golden.at("files");
  const auto source = gguf_source(c.root / files.at("input").get<std::string>());
  const auto want = read_tensors(c.root / files.at("expected").get<std::string>());
  for (const auto& [key, tensor] : want) require_equal(c, key, source->read(key).to(at::kFloat), tensor);
  if (source->shapes().size() != want.size()) fail(c, std::to_string(source->shapes().size()) + " tensors instead of " + std::to_string(want.size()));
}

Json read_map(const Case& c) {
  const auto file = c.root / c.golden.at("files").at("map").get<std::string>();
  return parse_json(read_gzip(file), "'" + file.string() + "'");
}

// The recorded rows of a map and ours, as text; both ways.
void compare_maps(Case& c, const SingleFileMap& map, const Json& record, const TensorShapes& shapes) {
  std::set<std::string> want, got;
  std::set<std::string> ignored(map.ignored.begin(), map.ignored.end());
  for (const Json& row : record.at("map")) {
    const std::string source = row[0].is_null() ? "" : row[0].get<std::string>(), op = row[3];
    const std::string place = source + " -> " + row[1].get<std::string>() + ":" + row[2].get<std::string>() + " ";
    long a = 0, b = 0, n = 0;
    if (op == "dropped_by_model") {
      if (!ignored.contains(source)) fail(c, source + " is not ignored");
      continue;
    }
    if (std::sscanf(op.c_str(), "rows [%ld,%ld) of %ld", &a, &b, &n) == 3) want.insert(place + std::to_string(a) + "+" + std::to_string(b - a));
    else if (std::sscanf(op.c_str(), "chunk %ld of %ld dim0", &a, &n) == 2) want.insert(place + std::to_string(a * shapes.at(source)[0] / n) + "+" + std::to_string(shapes.at(source)[0] / n));
    else want.insert(place + op);
  }
  static const std::map<MappedTensor::Op, std::string> kNames = {{MappedTensor::Op::none, "none"}, {MappedTensor::Op::reshape, "reshape"}, {MappedTensor::Op::transpose, "transpose"},
                                                                 {MappedTensor::Op::swap_halves, "swap_halves_dim0"}, {MappedTensor::Op::identity, "identity_matrix"}};
  for (const MappedTensor& t : map.tensors)
    got.insert(t.source + " -> " + t.component + ":" + t.key + " " + (t.op == MappedTensor::Op::rows ? std::to_string(t.first_row) + "+" + std::to_string(t.rows) : kNames.at(t.op)));
  for (const std::string& row : want)
    if (!got.contains(row)) fail(c, "missing " + row);
  for (const std::string& row : got)
    if (!want.contains(row)) fail(c, "too much: " + row);
  for (const Json& key : record.value("ignored", Json::array()))
    if (!ignored.contains(key.get<std::string>())) fail(c, key.get<std::string>() + " is not ignored");
  c.compared += static_cast<int>(want.size());
}

// Names alone are recorded: shapes that fit the operations stand in for the real ones.
void key_map_case(Case& c) {
  const Json record = read_map(c);
  TensorShapes shapes;
  for (const Json& row : record.at("map")) {
    if (row[0].is_null()) continue;
    const std::string op = row[3];
    long a = 0, b = 0, n = 0;
    std::vector<int64_t>& shape = shapes[row[0].get<std::string>()];
    if (std::sscanf(op.c_str(), "rows [%ld,%ld) of %ld", &a, &b, &n) == 3) {
      if (a == 0) shape = {n, b};
    } else {
      shape = op == "reshape" ? std::vector<int64_t>{6, 6, 1, 1} : std::vector<int64_t>{6, 6};
    }
  }
  for (const Json& key : record.value("ignored", Json::array())) shapes[key.get<std::string>()] = {1};
  compare_maps(c, map_single_file(shapes, c.golden.at("name")), record, shapes);
}

void single_file_case(Case& c) {
  const Json& files = c.golden.at("files");
  const auto path = c.root / files.at("input").get<std::string>();
  const auto whole = weight_source(path);
  const auto map = std::make_shared<const SingleFileMap>(map_single_file(whole->shapes(), path.string()));
  compare_maps(c, *map, read_map(c), whole->shapes());
  for (const auto& [component, file] : files.at("expected").items()) {
    const auto part = mapped_source(whole, map, component);
    const auto want = read_tensors(c.root / file.get<std::string>());
    for (const auto& [key, tensor] : want) {
      if (!part->shapes().contains(key)) fail(c, component + ":" + key + " is missing");
      else require_equal(c, component + "/" + key, part->read(key).to(tensor.scalar_type()), tensor);
    }
  }
}

void lora_case(Case& c) {
  const Json& files = c.golden.at("files");
  std::map<std::string, std::shared_ptr<const WeightSource>> sources;
  std::map<std::string, WeightSource::Shapes> shapes;
  for (const char* name : {"unet", "text_encoder", "text_encoder_2"}) {
    const auto folder = c.root / files.at("base").get<std::string>() / name;
    if (!std::filesystem::is_directory(folder)) continue;
    sources[name] = safetensors_source(component_files(folder, std::string(name) == "unet" ? "diffusion_pytorch_model" : "model"));
    shapes[name] = sources[name]->shapes();
  }
  for (const auto& [scale, file] : files.at("expected").items()) {
    const auto deltas = resolve_loras({{c.root / files.at("lora").get<std::string>(), std::stod(scale)}}, shapes);
    c.want = read_tensors(c.root / file.get<std::string>());
    std::size_t changed = 0;
    for (const auto& [component, of] : deltas) {
      const auto merged = with_loras(sources.at(component), of);
      for (const auto& [key, list] : of) {
        ++changed;
        c.give(component + "." + key, merged->read(key));
        c.out.tensors.back().first = scale + "/" + component + "." + key;
        if (!c.want.contains(component + "." + key)) fail(c, component + "." + key + " should not change");
      }
    }
    if (changed != c.want.size()) fail(c, std::to_string(changed) + " tensors change instead of " + std::to_string(c.want.size()));
  }
}

void textual_inversion_case(Case& c) {
  const Json& files = c.golden.at("files");
  const std::string table_name = files.at("base_table"), key = table_name.substr(table_name.find('#') + 1);
  const auto input = c.root / files.at("input").get<std::string>();
  std::vector<LearnedWord> words;
  try {
    words = read_learned_words(input, c.golden.value("token", std::string()), key == "clip_g" ? 1 : 0);
  } catch (const Error& e) {
    // A pickle is there to be refused, with the way out.
    c.compared = 1;
    if (e.code() != ErrorCode::unsupported || input.extension() != ".pt") throw;
    return;
  }
  const at::Tensor table = at::cat({read_tensor(c.root / table_name.substr(0, table_name.find('#')), key), words.front().rows}, 0);
  ClipTokenizer tokenizer = ClipTokenizer::open(c.root / files.at("tokenizer").get<std::string>());
  tokenizer.add_word(words.front().token, words.front().rows.size(0));
  const Json record = read_json(c.root / files.at("expected_tokens").get<std::string>());
  const auto want = read_tensors(c.root / files.at("expected").get<std::string>());
  require_equal(c, "new_rows", words.front().rows, want.at("new_rows"));
  for (std::size_t i = 0; i < record.at("prompts").size(); ++i) {
    const Json& prompt = record["prompts"][i];
    const std::vector<int64_t> ids = tokenizer.encode(prompt.at("prompt").get<std::string>(), 77).ids;
    if (ids != prompt.at("ids").get<std::vector<int64_t>>()) fail(c, "ids of '" + prompt["prompt"].get<std::string>() + "'");
    require_equal(c, "prompt_" + std::to_string(i) + "_token_embeddings", table.index_select(0, at::tensor(ids, at::kLong)), want.at("prompt_" + std::to_string(i) + "_token_embeddings"));
  }
}

constexpr Kind kFormats[] = {{"gguf", gguf_case}, {"single_file", single_file_case}, {"key_map", key_map_case}, {"lora", lora_case}, {"textual_inversion", textual_inversion_case}};

}  // namespace

std::span<const Kind> format_kinds() { return kFormats; }

}  // namespace safelight::app
