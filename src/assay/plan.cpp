#include "assay/plan.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <utility>

#include "engine/training/checker/eval_tasks.h"
#include "engine/training/checker/scene_claims.h"
#include "engine/training/scenes/captions.h"

namespace safelight {
namespace {

constexpr int kMostTries = 64;

// The first of `draw(0)`, `draw(1)` ... that the model can be asked for: a word that it does not know would be a fault of its own.
template <class Draw>
std::string first_that_fits(const PromptSource& source, Draw draw) {
  std::string text = draw(0);
  for (int i = 1; i < kMostTries && source.fits && !source.fits(text); ++i) text = draw(i);
  return text;
}

std::string caption_of(const PromptSource& source, std::uint64_t seed, int number) {
  return first_that_fits(source, [&](int i) {
    const std::uint64_t index = static_cast<std::uint64_t>(number) * kMostTries + static_cast<std::uint64_t>(i);
    return caption(make_scene(source.world, seed, index), index).text;
  });
}

// What is left of a caption when articles and commas go: how people in a hurry write.
std::string terse(std::string text) {
  for (const char* word : {"a ", "the ", ",", "."})
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
      const bool begins = at == 0 || text[at - 1] == ' ' || *word == ',' || *word == '.';
      if (begins) text.erase(at, std::string_view(word).size());
      else at += 1;
    }
  return text;
}

using MakeClean = void (*)(GenerateRequest&, const PromptSource&, std::uint64_t seed, int number);

void plain(GenerateRequest&, const PromptSource&, std::uint64_t, int) {}
void never_shown(GenerateRequest& r, const PromptSource& source, std::uint64_t seed, int number) {
  PromptSource wider = source;
  wider.world.include_held_out = true;
  r.prompt = caption_of(wider, seed + 1, number);
}
// The tasks that the model is scored with: several objects, relations, and text where its world has it.
void task(GenerateRequest& r, const PromptSource& source, std::uint64_t, int number) {
  const std::vector<std::string> tasks = eval_tasks(source.world);
  const std::vector<EvalPrompt> prompts = eval_prompts(tasks[static_cast<std::size_t>(number) % tasks.size()], source.world, 100);
  r.prompt = first_that_fits(source, [&](int i) { return prompts[static_cast<std::size_t>(number * 7 + i) % prompts.size()].text; });
}
void in_few_words(GenerateRequest& r, const PromptSource&, std::uint64_t, int) { r.prompt = terse(r.prompt); }
void no_prompt(GenerateRequest& r, const PromptSource&, std::uint64_t, int) { r.prompt.clear(); }
// Of other objects: a negative prompt that says what the prompt says is a fault of the request.
void with_negative(GenerateRequest& r, const PromptSource& source, std::uint64_t seed, int number) {
  const auto objects = [](const std::string& prompt) {
    std::set<std::pair<std::optional<Shape>, std::optional<Colour>>> out;
    for (const ObjectClaim& o : parse_prompt(prompt).objects) out.insert({o.shape, o.colour});
    return out;
  };
  PromptSource others = source;
  others.fits = [&, own = objects(r.prompt)](const std::string& text) { return (!source.fits || source.fits(text)) && objects(text) != own; };
  r.negative = caption_of(others, seed + 2, number);
}
void more_steps(GenerateRequest& r, const PromptSource&, std::uint64_t, int) { r.steps = 40; }

struct CleanKind {
  const char* name;
  MakeClean make;
  int share;            // relative frequency
};
constexpr CleanKind kCleanKinds[] = {{"plain", plain, 5},           {"task", task, 3},          {"never-shown", never_shown, 2}, {"few-words", in_few_words, 2},
                                     {"negative", with_negative, 1}, {"more-steps", more_steps, 1}, {"no-prompt", no_prompt, 1}};

const CleanKind& kind_of(int number) {
  int all = 0;
  for (const CleanKind& k : kCleanKinds) all += k.share;
  int place = number * 4 % all;  // 4 has no factor of 15: every place is met, kinds mixed
  for (const CleanKind& k : kCleanKinds)
    if ((place -= k.share) < 0) return k;
  return kCleanKinds[0];
}

GenerateRequest request_for(const PromptSource& source, std::uint64_t seed, int number) {
  GenerateRequest request;
  request.prompt = caption_of(source, seed, number);
  request.seed = SceneRandom(seed, static_cast<std::uint64_t>(number)).next() % 1'000'000;
  return request;
}

// The table's rows in an order drawn anew for each round through it.
std::vector<std::size_t> order_of_round(std::uint64_t seed, int round) {
  std::vector<std::size_t> order(fault_table().size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  SceneRandom random(seed + 3, static_cast<std::uint64_t>(round));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[static_cast<std::size_t>(random.below(static_cast<int>(i)))]);
  return order;
}

}  // namespace

std::vector<std::string> clean_kinds() {
  std::vector<std::string> out;
  for (const CleanKind& k : kCleanKinds) out.emplace_back(k.name);
  return out;
}

CleanCase clean_case(int number, const PromptSource& source, std::uint64_t seed) {
  const CleanKind& kind = kind_of(number);
  CleanCase out{.kind = kind.name, .request = request_for(source, seed + 4, number)};
  kind.make(out.request, source, seed, number);
  return out;
}

std::vector<PlannedRun> plan_runs(const AssayPlan& plan, const PromptSource& source) {
  const auto rows = static_cast<int>(fault_table().size());
  std::vector<PlannedRun> out;
  std::vector<std::size_t> order;
  for (int i = 0; i < plan.count; ++i) {
    if (i % rows == 0) order = order_of_round(plan.seed, i / rows);
    if (i % plan.shards != plan.shard - 1) continue;
    const std::size_t row = order[static_cast<std::size_t>(i % rows)];
    const FaultEntry& fault = fault_table()[row];
    const auto number = static_cast<std::uint64_t>(i);
    out.push_back({.id = fmt::format("{:06}-fault", i), .fault = &fault, .dose = (static_cast<std::size_t>(i / rows) + row) % fault.doses.size(), .clean_kind = "",
                   .request = request_for(source, plan.seed, i), .seed = SceneRandom(plan.seed + 5, number).next() >> 1});
    CleanCase clean = clean_case(i, source, plan.seed);
    out.push_back({.id = fmt::format("{:06}-clean", i), .fault = nullptr, .dose = 0, .clean_kind = clean.kind, .request = std::move(clean.request), .seed = 0});
  }
  return out;
}

}  // namespace safelight
