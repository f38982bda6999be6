#include "engine/training/recipe.h"

#include <toml++/toml.h>

#include <fstream>
#include <initializer_list>
#include <sstream>

#include "common/base/error.h"

namespace safelight {
namespace {

Json to_json(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    Json out = Json::object();
    for (const auto& [key, value] : *table) out[std::string(key.str())] = to_json(value);
    return out;
  }
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const auto& value : *array) out.push_back(to_json(value));
    return out;
  }
  if (const auto v = node.as_integer()) return v->get();
  if (const auto v = node.as_floating_point()) return v->get();
  if (const auto v = node.as_boolean()) return v->get();
  if (const auto v = node.as_string()) return v->get();
  throw Error(ErrorCode::invalid_argument, "recipe: dates are not used here");
}

// Takes known keys out of a table; what remains at the end is unknown.
class Table {
 public:
  Table(Json json, std::string where) : json_(std::move(json)), where_(std::move(where)) {
    if (!json_.is_object()) throw Error(ErrorCode::invalid_argument, where_ + ": expected a table");
  }
  template <class T>
  void take(const char* key, T& value) {
    known_ += (known_.empty() ? "" : ", ") + std::string(key);
    const auto it = json_.find(key);
    if (it == json_.end()) return;
    try {
      value = it->template get<T>();
    } catch (const Json::exception&) {
      throw Error(ErrorCode::invalid_argument, where_ + ": '" + key + "' has the wrong type");
    }
    json_.erase(it);
  }
  void finish() const {
    if (!json_.empty())
      throw Error(ErrorCode::invalid_argument,
                  where_ + ": unknown key '" + json_.begin().key() + "'; known keys: " + known_);
  }

 private:
  Json json_;
  std::string where_, known_;
};

StageRecipe stage(const Json& json, const std::string& where) {
  StageRecipe s;
  Table t(json, where);
  t.take("samples", s.samples);
  t.take("batch", s.batch);
  t.take("learning_rate", s.learning_rate);
  t.take("warmup_steps", s.warmup_steps);
  t.take("ema_decay", s.ema_decay);
  t.finish();
  if (s.samples < 1 || s.batch < 1 || !(s.learning_rate > 0))
    throw Error(ErrorCode::invalid_argument, where + ": samples, batch and learning_rate must be positive");
  return s;
}

}  // namespace

Recipe Recipe::read(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw Error(ErrorCode::not_found, "recipe '" + file.string() + "' cannot be read");
  std::stringstream buffer;
  buffer << in.rdbuf();
  Recipe r;
  r.text = buffer.str();
  Json json;
  try {
    json = to_json(toml::parse(r.text));
  } catch (const toml::parse_error& e) {
    throw Error(ErrorCode::corrupt_file, "recipe '" + file.string() + "', line " +
                                             std::to_string(e.source().begin.line) + ": " + std::string(e.description()));
  }
  Table t(json, "recipe '" + file.string() + "'");
  Json autoencoder, denoiser;
  t.take("name", r.name);
  t.take("seed", r.seed);
  t.take("image_px", r.image_px);
  t.take("max_objects", r.max_objects);
  t.take("text_length", r.text_length);
  t.take("kl_weight", r.kl_weight);
  t.take("text_drop", r.text_drop);
  t.take("min_snr_gamma", r.min_snr_gamma);
  t.take("pool", r.pool);
  t.take("text_encoder", r.text_encoder);
  t.take("unet", r.unet);
  t.take("vae", r.vae);
  t.take("scheduler", r.scheduler);
  t.take("recommended", r.recommended);
  t.take("train_autoencoder", autoencoder);
  t.take("train_denoiser", denoiser);
  t.finish();
  r.autoencoder = stage(autoencoder, "[train_autoencoder]");
  r.denoiser = stage(denoiser, "[train_denoiser]");
  return r;
}

}  // namespace safelight
