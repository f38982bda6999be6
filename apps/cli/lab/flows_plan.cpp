#include "apps/cli/lab/flows_plan.h"

#include <algorithm>
#include <charconv>

#include "apps/cli/enlarger.h"
#include "apps/cli/lab/knobs_plan.h"
#include "common/base/error.h"
#include "engine/training/recipe.h"
#include "finish/typography/text_fix.h"

namespace safelight::app {
namespace {

constexpr int kMostSteps = 1000, kMostSide_px = 4096;

// Takes a number off the end of `text`, where nothing but digits follows the last `mark`; 0 where none does.
int number_off(std::string& text, char mark) {
  const std::size_t at = text.rfind(mark);
  if (at == std::string::npos || at + 1 == text.size()) return 0;
  int number = 0;
  const char *begin = text.data() + at + 1, *end = text.data() + text.size();
  const auto read = std::from_chars(begin, end, number);
  if (read.ptr != end) return 0;
  if (read.ec != std::errc() || number < 1) number = -1;   // refused by whoever asked
  text.resize(at);
  return number;
}

// The upscaler named after the last plus sign, if one is.
std::filesystem::path upscaler_off(std::string& text, Context& context) {
  const std::size_t at = text.rfind('+');
  if (at == std::string::npos || at + 1 == text.size()) return {};
  const std::filesystem::path found = context.engine().find_model(text.substr(at + 1));
  if (!is_upscaler(found)) throw Error(ErrorCode::unsupported, "'" + found.string() + "' does not enlarge pictures; what stands after a plus sign must");
  text.resize(at);
  return found;
}

// MODEL[:STEPS][@SIDE][+UPSCALER].
Flow flow_of(const std::string& text, const char* option, Context& context) {
  std::string model = text;
  Flow flow{.name = text, .model = {}, .upscaler = upscaler_off(model, context), .fingerprint = {}, .filter = {}, .fix_text = {}};
  flow.side_px = number_off(model, '@');
  flow.steps = number_off(model, ':');
  if (flow.steps < 0 || flow.steps > kMostSteps) throw Error(ErrorCode::invalid_argument, std::string(option) + " " + text + ": a picture is drawn in 1 to 1000 steps");
  if (flow.side_px < 0 || flow.side_px > kMostSide_px) throw Error(ErrorCode::invalid_argument, std::string(option) + " " + text + ": a side has 1 to 4096 pixels");
  flow.model = context.engine().find_model(model);
  if (is_upscaler(flow.model)) throw Error(ErrorCode::unsupported, "'" + flow.model.string() + "' enlarges pictures; the modes draw from a prompt, and may end with +" + model);
  flow.fingerprint = fingerprint_of(flow.model) + (flow.upscaler.empty() ? "" : " + " + fingerprint_of(flow.upscaler));
  return flow;
}

// The first prompts of every task by turns, so that any beginning holds all tasks.
std::vector<EvalPrompt> by_turns(const std::vector<std::string>& tasks, const SceneOptions& world, int count) {
  std::vector<std::vector<EvalPrompt>> each;
  for (const std::string& task : tasks) each.push_back(eval_prompts(task, world, count));
  std::vector<EvalPrompt> out;
  for (std::size_t i = 0; static_cast<int>(out.size()) < count; ++i) {
    const std::size_t before = out.size();
    for (const auto& prompts : each)
      if (i < prompts.size() && static_cast<int>(out.size()) < count) out.push_back(prompts[i]);
    if (out.size() == before)
      throw Error(ErrorCode::invalid_argument, "--count " + std::to_string(count) + ": these tasks have " + std::to_string(before) + " prompts; use fewer, or more tasks");
  }
  return out;
}

}  // namespace

FlowPlan plan_flows(const FlowOptions& options, Context& context) {
  FlowPlan plan{.options = options, .flows = {flow_of(options.fast, "--fast", context), flow_of(options.faithful, "--faithful", context)}, .prompts = {}};
  plan.flows[kFast].filter = options.filter;
  plan.flows[kFast].fix_text = options.fix_text;
  if (!options.fix_text.empty()) fix_limit_named(options.fix_text);
  const SceneOptions world = world_of(plan.flows[kFaithful].model);
  if (!same_world(world, world_of(plan.flows[kFast].model)))
    throw Error(ErrorCode::conflict, "'" + plan.flows[kFast].model.string() + "' knows another world than '" + plan.flows[kFaithful].model.string() + "': other shapes, colours, patterns or tasks");
  post_filtered({1, 1, 3, {0, 0, 0}}, options.filter);   // refuses values out of range before anything is drawn
  plan.prompts = by_turns(options.tasks.empty() ? eval_tasks(world) : options.tasks, world, options.count);
  return plan;
}

}  // namespace safelight::app
