#include "service/router/ladder.h"

#include <array>
#include <cmath>

namespace safelight {
namespace {

std::vector<Descent> fewer_steps(const LadderStep& step, const ModelRow& first, const LadderContext&) {
  if (!first.can.steps) return {};
  return {{.row = &first, .option = first.id + "+fewer-steps", .work = step.share, .steps_share = step.share, .upscaler = {}}};
}

std::vector<Descent> other_row(const LadderStep& step, const ModelRow& first, const LadderContext& context) {
  const ModelRow* row = context.catalogue.find(step.model);
  if (!row || row == &first) return {};
  return {{.row = row, .option = row->id, .upscaler = {}}};
}

std::vector<Descent> text_encoder(const LadderStep& step, const ModelRow& first, const LadderContext& context) {
  return context.profile.quoted.empty() ? std::vector<Descent>() : other_row(step, first, context);
}

std::vector<Descent> smaller_size(const LadderStep& step, const ModelRow& first, const LadderContext& context) {
  const auto whole = size_for(first, context.image.width_px, context.image.height_px);
  if (!whole) return {};
  const auto shrunk = [&](int side_px) { return static_cast<int>(std::lround(side_px * step.share)); };
  const SizeOption small = nearest_size(first, shrunk(whole->width_px), shrunk(whole->height_px));
  const double work = static_cast<double>(small.width_px) * small.height_px / (static_cast<double>(whole->width_px) * whole->height_px);
  if (!(work < 1)) return {};
  return {{.row = &first, .option = first.id + "+smaller-size", .work = work, .width_px = small.width_px, .height_px = small.height_px, .upscaler = step.upscaler}};
}

std::vector<Descent> preview(const LadderStep&, const ModelRow&, const LadderContext& context) {
  return context.has_preview ? std::vector<Descent>{{.row = nullptr, .option = "preview", .upscaler = {}}} : std::vector<Descent>();
}

std::vector<Descent> next_provider(const LadderStep&, const ModelRow&, const LadderContext& context) {
  std::vector<Descent> out;
  for (const ModelRow* row : context.others) out.push_back({.row = row, .option = row->id, .upscaler = {}});
  return out;
}

constexpr std::array<RungTraits, 6> kLadder = {{{"next-provider", "the next best of the other eligible rows, at full size and steps", false, false, next_provider},
                                                {"fewer-steps", "the same model with a share of its steps", false, true, fewer_steps},
                                                {"distilled-model", "a faster model that the SLO names", true, true, other_row},
                                                {"smaller-size", "a smaller picture, enlarged afterwards", false, true, smaller_size},
                                                {"text-encoder", "for prompts with quoted text: a model with another text encoder", true, true, text_encoder},
                                                {"preview", "a cached or smaller picture of the same request that exists already", false, true, preview}}};

}  // namespace

std::span<const RungTraits> ladder_table() { return kLadder; }

const RungTraits* find_rung(std::string_view name) {
  for (const RungTraits& r : kLadder)
    if (r.name == name) return &r;
  return nullptr;
}

std::string known_rungs() {
  std::string out;
  for (const RungTraits& r : kLadder) out += (out.empty() ? "" : ", ") + std::string(r.name);
  return out;
}

}  // namespace safelight
