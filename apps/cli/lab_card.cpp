// The card of an embedded model: written from what training and evaluation left behind, never by hand.
#include <fmt/format.h>

#include "apps/cli/context.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "common/formats/safetensors.h"

namespace safelight::app {
namespace {

std::string rate(const Json& r) {
  if (r.is_null()) return "–";  // no such prompts
  return fmt::format("{:.3f} ({:.3f} to {:.3f}; {} of {})", r["rate"].get<double>(), r["low"].get<double>(), r["high"].get<double>(), r["right"].get<int>(), r["of"].get<int>());
}

std::string parts_table(const Components& c) {
  std::string out = "| part | parameters | bytes |\n|---|---|---|\n";
  for (const WeightFile& w : c.weights) {
    std::uint64_t count = 0;
    const SafetensorsFile file = SafetensorsFile::open(w.file);
    for (const auto& [key, tensor] : file.entries()) {
      std::uint64_t n = 1;
      for (const int64_t d : tensor.shape) n *= static_cast<std::uint64_t>(d);
      count += n;
    }
    out += fmt::format("| {} | {} | {} |\n", w.component, count, std::filesystem::file_size(w.file));
  }
  return out;
}

std::string scores_table(const Json& board) {
  std::string out = fmt::format("Made by `safelight lab eval`: {} prompts a task, {} seeds each; {} steps, guidance {}, {}. A picture counts when every claim of its prompt "
                                "holds; in brackets the 95 % Wilson interval.\n\n| task | seen in training | held out | well made |\n|---|---|---|---|\n",
                                board.value("prompts_per_task", 0), board.value("seeds", 0), board["settings"].value("steps", 0), board["settings"].value("guidance", 0.0),
                                board["settings"].contains("scheduler") ? board["settings"]["scheduler"].value("solver", "its own scheduler") : "its own scheduler");
  for (const auto& [task, s] : board.at("tasks").items())
    out += fmt::format("| {} | {} | {} | {} |\n", task, rate(s.at("right_seen")), rate(s.at("right_held_out")), rate(s.at("well_made")));
  return out;
}

// One row a stage, the weights' earlier lives first.
std::string training_rows(const Json& record) {
  std::string out = record.contains("continues") ? training_rows(record["continues"]) : "";
  const Json& hardware = record.at("hardware");
  for (const auto& [stage, s] : record.at("stages").items())
    out += fmt::format("| {} | {} | {:.2f} | {}, {} thread{} | {} |\n", stage, s.value("samples", 0), s.value("seconds", 0.0) / 3600, hardware.value("processor", "?"), hardware.value("threads", 0),
                       hardware.value("threads", 0) == 1 ? "" : "s", record.value("revision", "?"));
  return out;
}

std::string curve_rows(const Json& record) {
  std::string out = record.contains("continues") ? curve_rows(record["continues"]) : "";
  for (const Json& e : record.value("evaluations", Json::array())) {
    int right = 0, of = 0;
    std::string tasks;
    for (const auto& [task, s] : e.at("scores").items()) {
      right += s.value("right", 0);
      of += s.value("of", 0);
      tasks += fmt::format("{}{} {}/{}", tasks.empty() ? "" : ", ", task, s.value("right", 0), s.value("of", 0));
    }
    out += fmt::format("| {} | {} | {} of {} | {} |\n", e.value("stage", "?"), e.value("samples", 0), right, of, tasks);
  }
  return out;
}

std::string card(const std::filesystem::path& model, const Components& c) {
  const Json about = read_json(model / "safelight.json"), record = read_json(model / "training.json");
  std::string out = fmt::format("# {}\n\n{}\n\nThis page is written by `safelight lab card {}`. Recipe: `recipe.toml`; loss and evaluation curves: `training.json`; "
                                "every score: `board.json`.\n\n",
                                c.name, about.value("summary", ""), c.name);
  out += fmt::format("Pictures of {0} x {0} pixels; latents of {1} channels, one cell for {2} x {2} pixels. Recommended: {3} steps, guidance {4}, {5}.\n\n", c.default_side_px,
                     c.denoiser->latent_channels(), c.autoencoder->downscale(), c.recommended.steps, c.recommended.guidance, c.recommended.solver);
  out += parts_table(c) + "\n## Scores\n\n";
  const auto board = model / "board.json";
  out += std::filesystem::exists(board) ? scores_table(read_json(board)) : "Not scored yet.\n";
  out += "\n## Training\n\n| stage | samples | hours | on | revision |\n|---|---|---|---|---|\n" + training_rows(record);
  if (const std::string rows = curve_rows(record); !rows.empty())
    out += "\nWhile it was trained, five prompts a task (right of all):\n\n| stage | samples | right | by task |\n|---|---|---|---|\n" + rows;
  if (std::filesystem::exists(model / "sheet.png")) out += "\n## Sixty-four pictures, unselected\n\nThe first seed of the first prompts of every task.\n\n![sheet](sheet.png)\n";
  return out;
}

}  // namespace

Command lab_card(CLI::App& lab, Context& context) {
  struct Arguments {
    std::string model, scores;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = lab.add_subcommand("card", "Write a trained model's README from its training record and its scores");
  c->add_option("model", a->model, "name or directory")->required();
  c->add_option("--scores", a->scores, "what `lab eval --out` wrote: board.json and sheet.png are taken into the model");
  return {c, [a, &context] {
            const auto model = context.engine().find_model(a->model);
            for (const char* file : {"safelight.json", "training.json"})
              if (!std::filesystem::exists(model / file)) throw Error(ErrorCode::not_found, "'" + (model / file).string() + "' is not there; only models of `safelight lab train` have a card");
            for (const char* file : {"board.json", "sheet.png"})
              if (!a->scores.empty()) write_file_atomic(model / file, read_file(std::filesystem::path(a->scores) / file));
            write_file_atomic(model / "README.md", card(model, *context.engine().open(a->model, "float32")));
            if (context.common.json) print_json({{"card", (model / "README.md").string()}});
            else print_line((model / "README.md").string());
            return 0;
          }};
}

}  // namespace safelight::app
