// The card of an embedded model: written from what training and evaluation left behind, never by hand.
#include <fmt/format.h>

#include <map>
#include <set>

#include "apps/cli/context.h"
#include "apps/cli/enlarger.h"
#include "apps/cli/lab/eval_autoencoder.h"
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

// Every folder of the model with weights in it, and weights beside them.
std::string parts_table(const std::filesystem::path& model) {
  struct Part {
    std::uint64_t parameters = 0, bytes = 0;
  };
  std::map<std::string, Part> parts;
  const auto add = [&](const std::string& part, const std::filesystem::path& file) {
    if (file.extension() != ".safetensors") return;
    parts[part].parameters += SafetensorsFile::open(file).numbers();
    parts[part].bytes += std::filesystem::file_size(file);
  };
  for (const auto& entry : std::filesystem::directory_iterator(model)) {
    add(entry.path().stem(), entry.path());
    if (entry.is_directory())
      for (const auto& inner : std::filesystem::directory_iterator(entry.path())) add(entry.path().filename(), inner.path());
  }
  std::string out = "| part | parameters | bytes |\n|---|---|---|\n";
  for (const auto& [name, part] : parts) out += fmt::format("| {} | {} | {} |\n", name, part.parameters, part.bytes);
  return out;
}

std::string mean_of(const Json& m, int decimals) {
  if (m.is_null()) return "–";
  return fmt::format("{:.{}f} ({:.{}f} to {:.{}f})", m["mean"].get<double>(), decimals, m["low"].get<double>(), decimals, m["high"].get<double>(), decimals);
}

// Beside plain resampling of what the upscaler sees, of the exact small picture, and what the autoencoder alone gives back.
std::string upscaler_scores(const Json& board) {
  std::string out = fmt::format("Made by `safelight lab eval`: {} scenes a group that training never showed, {} to {} pixels a side; in brackets 95 % intervals. \"lanczos\" resamples what "
                                "the upscaler sees, \"lanczos_exact\" the small picture itself; \"autoencoder\" is the large picture through the autoencoder and back.\n\n"
                                "| scenes | way | PSNR, dB | gradient difference | signs read exactly |\n|---|---|---|---|---|\n",
                                board.value("scenes_per_group", 0), board.value("low_px", 0), board.value("low_px", 0) * board.value("factor", 1));
  for (const auto& [group, ways] : board.at("groups").items())
    for (const auto& [way, s] : ways.items())
      if (s.contains("psnr_db") && s.contains("signs_read")) out += fmt::format("| {} | {} | {} | {} | {} |\n", group, way, mean_of(s["psnr_db"], 2), mean_of(s["gradient_difference"], 4), rate(s["signs_read"]));
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

// A log that was taken along into a longer training says its lines again: each is told once.
std::string curve_rows(const Json& record, std::set<std::string>& told) {
  std::string out = record.contains("continues") ? curve_rows(record["continues"], told) : "";
  for (const Json& e : record.value("evaluations", Json::array())) {
    if (!told.insert(e.dump()).second) continue;
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

std::string opening(const std::string& name, const Json& about) {
  return fmt::format("# {}\n\n{}\n\nThis page is written by `safelight lab card {}`. Recipe: `recipe.toml`; loss and evaluation curves: `training.json`; "
                     "every score: `board.json`.\n\n",
                     name, about.value("summary", ""), name);
}

std::string scores(const std::filesystem::path& model, std::string (*table)(const Json& board)) {
  const auto board = model / "board.json";
  return "\n## Scores\n\n" + (std::filesystem::exists(board) ? table(read_json(board)) : "Not scored yet.\n");
}

constexpr const char* kTrainingHead = "\n## Training\n\n| stage | samples | hours | on | revision |\n|---|---|---|---|---|\n";

std::string sheet(const std::filesystem::path& model, const std::string& text) {
  return std::filesystem::exists(model / "sheet.png") ? text + "\n\n![sheet](sheet.png)\n" : "";
}

std::string card(const std::filesystem::path& model, const Components& c) {
  const Json record = read_json(model / "training.json");
  std::string out = opening(c.name, read_json(model / "safelight.json"));
  out += fmt::format("Pictures of {0} x {0} pixels; latents of {1} channels, one cell for {2} x {2} pixels. Recommended: {3} steps, guidance {4}, {5}.\n\n", c.default_side_px,
                     c.denoiser->latent_channels(), c.autoencoder->downscale(), c.recommended.steps, c.recommended.guidance, c.recommended.solver);
  out += parts_table(model) + scores(model, scores_table) + kTrainingHead + training_rows(record);
  if (record.contains("shares_denoiser_of"))
    out += fmt::format("\nDenoiser and autoencoder are those of {}, whose last {} samples were shared between its text encoder and this one.\n",
                       record["shares_denoiser_of"].value("name", "?"), record["shares_denoiser_of"].value("samples", 0));
  std::set<std::string> told;
  if (const std::string rows = curve_rows(record, told); !rows.empty())
    out += "\nWhile it was trained, five prompts a task (right of all):\n\n| stage | samples | right | by task |\n|---|---|---|---|\n" + rows;
  return out + sheet(model, "\n## Sixty-four pictures, unselected\n\nThe first seed of the first prompts of every task.");
}

// Of an upscaler only its own training is told; its autoencoder's is on the card of the model that it is from.
std::string upscaler_card(const std::filesystem::path& model) {
  const UpscalerKind kind = upscaler_kind(model);
  const Json about = read_json(model / "safelight.json");
  Json record = read_json(model / "training.json");
  record.erase("continues");
  std::string out = opening(about.value("name", model.filename().string()), about);
  out += fmt::format("An upscaler of kind {}: {} times the side in one pass.\n\n", kind.kind, kind.factor);
  out += parts_table(model) + scores(model, upscaler_scores) + kTrainingHead + training_rows(record);
  return out + sheet(model, "\n## Pictures, unselected\n\nThe first scenes of each group, as `safelight lab eval` lays them out.");
}

std::string autoencoder_scores_table(const Json& board) {
  const int side = board.at("image_px").get<int>() / board.at("downscale").get<int>();
  return fmt::format("Made by `safelight lab eval`: {} scenes that training never showed, half of them with signs, through the autoencoder and back; in brackets 95 % intervals.\n\n"
                     "| latent | colour values for each number | PSNR, dB | gradient difference | aliasing, pixels | of the scenes themselves | signs read exactly |\n|---|---|---|---|---|---|---|\n"
                     "| {} x {} x {} | {:.0f} | {} | {} | {} | {} | {} |\n",
                     board.at("scenes").get<int>(), side, side, board.at("latent_channels").get<int>(), board.at("pixels_per_number").get<double>(), mean_of(board.at("psnr_db"), 2),
                     mean_of(board.at("gradient_difference"), 4), mean_of(board.at("aliasing_px"), 3), mean_of(board.at("aliasing_of_truth_px"), 3), rate(board.at("signs_read")));
}

std::string autoencoder_card(const std::filesystem::path& model) {
  const Json about = read_json(model / "safelight.json");
  return opening(about.value("name", model.filename().string()), about) + "An autoencoder alone: no denoiser was trained behind it yet.\n\n" + parts_table(model) + scores(model, autoencoder_scores_table) +
         kTrainingHead + training_rows(read_json(model / "training.json")) + sheet(model, "\n## Pictures, unselected\n\nThe first scenes, each beside what is decoded of it.");
}

// By what the directory holds.
std::string card_of(const std::filesystem::path& model, const std::string& named, Context& context) {
  if (is_upscaler(model)) return upscaler_card(model);
  if (is_autoencoder(model)) return autoencoder_card(model);
  return card(model, *context.engine().open(named, "float32"));
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
            write_file_atomic(model / "README.md", card_of(model, a->model, context));
            if (context.common.json) print_json({{"card", (model / "README.md").string()}});
            else print_line((model / "README.md").string());
            return 0;
          }};
}

}  // namespace safelight::app
