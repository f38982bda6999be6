#include "engine/training/recipe.h"

#include <fstream>
#include <initializer_list>
#include <sstream>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/base/toml_read.h"

namespace safelight {
namespace {

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
  if (json.is_null()) return s;
  std::string precision = "float32";
  Table t(json, where);
  t.take("samples", s.samples);
  t.take("batch", s.batch);
  t.take("learning_rate", s.learning_rate);
  t.take("warmup_steps", s.warmup_steps);
  t.take("cooldown", s.cooldown);
  t.take("ema_decay", s.ema_decay);
  t.take("precision", precision);
  t.finish();
  if (precision != "float32" && precision != "bfloat16")
    throw Error(ErrorCode::invalid_argument, where + ": precision '" + precision + "' is unknown; known: float32, bfloat16");
  s.bfloat16 = precision == "bfloat16";
  if (s.samples < 1 || s.batch < 1 || !(s.learning_rate > 0) || !(s.cooldown > 0 && s.cooldown <= 1))
    throw Error(ErrorCode::invalid_argument, where + ": samples, batch and learning_rate must be positive, cooldown in (0, 1]");
  return s;
}

SceneOptions scenes_of(const Json& json, const std::string& where) {
  SceneOptions s;
  Table t(json, where);
  t.take("shapes", s.shapes);
  t.take("colours", s.colours);
  t.take("patterns", s.patterns);
  t.take("share", s.share);
  t.finish();
  double total = 0;
  for (const double part : s.share) total += part < 0 ? -1e9 : part;
  if (s.shapes < 2 || s.shapes > kShapes || s.colours < 2 || s.colours > kColours || s.patterns < 1 || s.patterns > kPatterns || !(total > 0))
    throw Error(ErrorCode::invalid_argument, where + ": shapes 2 to " + std::to_string(kShapes) + ", colours 2 to " + std::to_string(kColours) +
                                                 ", patterns 1 to " + std::to_string(kPatterns) + ", six shares of which none is negative");
  return s;
}

QuotedText quoted_of(const std::string& text) {
  if (text == "none") return QuotedText::none;
  if (text == "merged") return QuotedText::merged;
  if (text == "spelled") return QuotedText::spelled;
  throw Error(ErrorCode::invalid_argument, "recipe: quoted '" + text + "' is unknown; known: none, merged, spelled");
}

void take_stages(Table& t, Recipe& r) {
  Json autoencoder, text, denoiser, distillation, latent_upscaler, cascade;
  t.take("train_autoencoder", autoencoder);
  t.take("train_text", text);
  t.take("train_denoiser", denoiser);
  t.take("train_distillation", distillation);
  t.take("train_latent_upscaler", latent_upscaler);
  t.take("train_cascade", cascade);
  r.autoencoder = stage(autoencoder, "[train_autoencoder]");
  r.text = stage(text, "[train_text]");
  r.denoiser = stage(denoiser, "[train_denoiser]");
  r.distillation = stage(distillation, "[train_distillation]");
  r.latent_upscaler = stage(latent_upscaler, "[train_latent_upscaler]");
  r.cascade = stage(cascade, "[train_cascade]");
}

std::string name_of(const std::filesystem::path& file) { return "recipe '" + file.string() + "'"; }

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw Error(ErrorCode::not_found, "recipe '" + file.string() + "' cannot be read");
  std::stringstream buffer;
  buffer << in.rdbuf();
  return buffer.str();
}

void lay_over(toml::table& base, const toml::table& own) {
  for (const auto& [key, value] : own) {
    toml::table* below = base[key.str()].as_table();
    if (below && value.is_table()) lay_over(*below, *value.as_table());
    else base.insert_or_assign(key, value);
  }
}

// The recipe as one table, and in `text` the same as TOML.
toml::table whole(const std::filesystem::path& file, std::string& text) {
  text = text_of(file);
  toml::table own = parse_toml(text, name_of(file));
  if (!own.contains("extends")) return own;
  const auto name = own["extends"].value<std::string>();
  if (!name || std::filesystem::path(*name).has_parent_path())
    throw Error(ErrorCode::invalid_argument, "recipe '" + file.string() + "': 'extends' is the name of a recipe in the same folder");
  const auto below = file.parent_path() / *name;
  toml::table base = parse_toml(text_of(below), name_of(below));
  if (base.contains("extends")) throw Error(ErrorCode::invalid_argument, "recipe '" + file.string() + "' extends '" + *name + "', which extends another; extend that one");
  own.erase("extends");
  lay_over(base, own);
  std::stringstream merged;
  merged << base << '\n';
  text = merged.str();
  return base;
}

}  // namespace

Json to_json(const SceneOptions& s) {
  return {{"shapes", s.shapes}, {"colours", s.colours}, {"patterns", s.patterns}, {"share", s.share}};
}

SceneOptions scene_options_from_json(const Json& json) {
  try {
    return scenes_of(json, "scenes");
  } catch (const Error& e) {
    throw Error(ErrorCode::corrupt_file, std::string("safelight.json: ") + e.what());
  }
}

SceneOptions world_of(const std::filesystem::path& model) {
  const auto file = model / "safelight.json";
  if (!std::filesystem::exists(file)) return {};
  const Json json = read_json(file);
  return json.contains("scenes") ? scene_options_from_json(json["scenes"]) : SceneOptions{};
}

Recipe Recipe::read(const std::filesystem::path& file) {
  Recipe r;
  Table t(json_of(whole(file, r.text_of_file), name_of(file)), name_of(file));
  Json scenes = Json::object();
  std::string quoted = "none";
  t.take("name", r.name);
  t.take("summary", r.summary);
  t.take("seed", r.seed);
  t.take("image_px", r.image_px);
  t.take("text_length", r.text_length);
  t.take("scenes", scenes);
  t.take("quoted", quoted);
  t.take("crop_px", r.crop_px);
  t.take("kl_weight", r.kl_weight);
  t.take("spelling", r.spelling);
  t.take("text_drop", r.text_drop);
  t.take("min_snr_gamma", r.min_snr_gamma);
  t.take("min_snr_floor", r.min_snr_floor);
  t.take("attention_weight", r.attention_weight);
  t.take("pool", r.pool);
  t.take("student_steps", r.student_steps);
  t.take("teacher_steps", r.teacher_steps);
  t.take("adapter_rank", r.adapter_rank);
  t.take("pixel_weight", r.pixel_weight);
  t.take("low_px", r.low_px);
  t.take("text_encoder", r.text_encoder);
  t.take("unet", r.unet);
  t.take("vae", r.vae);
  t.take("scheduler", r.scheduler);
  t.take("latent_transformer", r.latent_transformer);
  t.take("low_res_scheduler", r.low_res_scheduler);
  t.take("recommended", r.recommended);
  take_stages(t, r);
  t.finish();
  r.scenes = scenes_of(scenes, "[scenes]");
  r.scenes.image_px = static_cast<int>(r.image_px);
  r.quoted = quoted_of(quoted);
  if (r.pool < 1 || r.student_steps < 1 || r.teacher_steps < 1 || r.adapter_rank < 1)
    throw Error(ErrorCode::invalid_argument, "recipe '" + file.string() + "': pool, student_steps, teacher_steps and adapter_rank must be positive");
  if (!(r.min_snr_floor >= 0) || !(r.min_snr_gamma > r.min_snr_floor))
    throw Error(ErrorCode::invalid_argument, "recipe '" + file.string() + "': min_snr_floor must not be negative, min_snr_gamma larger than it");
  if (r.low_px < 1 || !(r.pixel_weight >= 0)) throw Error(ErrorCode::invalid_argument, "recipe '" + file.string() + "': low_px must be positive, pixel_weight not negative");
  return r;
}

}  // namespace safelight
