#include <fmt/format.h>

#include "apps/cli/context.h"
#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/formats/safetensors.h"
#include "engine/facade/convert.h"
#include "insight/diagnosis/baseline.h"

namespace safelight::app {
namespace {

int list(Context& context) {
  Json models = Json::array();
  for (const auto& path : context.engine().list_models()) models.push_back({{"name", path.filename().string()}, {"path", path.string()}});
  if (context.common.json) print_json({{"models", models}});
  else
    for (const Json& m : models) print_line(fmt::format("{:<20} {}", m["name"].get<std::string>(), m["path"].get<std::string>()));
  return 0;
}

int inspect(const std::string& name, Context& context) {
  const auto path = context.engine().find_model(name);
  const auto c = context.engine().open(name, "float32");
  Json files = Json::array();
  std::uint64_t bytes = 0, numbers = 0;
  for (const WeightFile& w : c->weights) {
    const SafetensorsFile file = SafetensorsFile::open(w.file);
    const std::uint64_t count = file.numbers();
    numbers += count;
    bytes += std::filesystem::file_size(w.file);
    files.push_back({{"component", w.component}, {"file", w.file.string()}, {"tensors", file.entries().size()}, {"parameters", count}});
  }
  const auto baseline = read_baseline(path);
  const Json json = {{"name", c->name}, {"path", path.string()}, {"family", c->family}, {"files", files}, {"bytes", bytes},
                     {"memory_needed_bytes", numbers * 4}, {"default_side_px", c->default_side_px}, {"max_text_tokens", c->max_text_tokens},
                     {"recommended", {{"steps", c->recommended.steps}, {"guidance", c->recommended.guidance}, {"scheduler", c->recommended.solver}}},
                     {"scheduler_config", c->scheduler_config}, {"non_finite_weights", 0},
                     {"baseline", baseline ? Json{{"runs", baseline->runs}, {"false_alarm_rate", baseline->false_alarm_rate}, {"false_alarm_runs", baseline->false_alarm_runs}} : Json(nullptr)}};
  print_json(json);
  return 0;
}

int convert(const ConvertRequest& request, Context& context) {
  ProgressBar bar(true);
  const Json report = convert_model(request, [&](const std::string& what, double share) { bar.show("converting", share, 0, what + ","); });
  if (context.common.json) {
    print_json(report);
    return 0;
  }
  for (const Json& row : report["tensors"])
    print_line(fmt::format("{:<8} {} -> {}", row["action"].get<std::string>(), row["from"].get<std::string>(),
                           row["to"].is_null() ? row["why"].get<std::string>() : row["to"].get<std::string>() + " " + row["new_type"].get<std::string>()));
  const Json& n = report["counts"];
  print_line(fmt::format("{}: {} kept, {} cast, {} renamed, {} left out", request.target.string(), n["kept"].get<int>(), n["cast"].get<int>(), n["renamed"].get<int>(), n["left out"].get<int>()));
  return 0;
}

}  // namespace

Command models_command(CLI::App& app, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* c = app.add_subcommand("models", "The models at hand");
  c->require_subcommand(1);
  c->add_subcommand("list", "Models found by name");
  CLI::App* one = c->add_subcommand("inspect", "Load a model, check its configuration and weights, say what it needs");
  one->add_option("model", *name, "name or directory")->required();
  auto request = std::make_shared<ConvertRequest>();
  request->vocabulary = SAFELIGHT_VOCABULARY;
  CLI::App* other = c->add_subcommand("convert", "Write a model in another layout, with a report of every tensor");
  other->add_option("source", request->source, "directory, single-file checkpoint or GGUF file")->required();
  other->add_option("target", request->target, "what to write; it must not be there yet")->required();
  other->add_option("--to", request->to, "directory, single-file or gguf");
  other->add_option("--type", request->type, "keep, float32, float16, bfloat16; for gguf also q8_0, q5_0, q4_0");
  other->add_option("--base", request->base, "directory that lends what a checkpoint does not hold");
  return {c, [name, one, other, request, &context] { return other->parsed() ? convert(*request, context) : one->parsed() ? inspect(*name, context) : list(context); }};
}

}  // namespace safelight::app
