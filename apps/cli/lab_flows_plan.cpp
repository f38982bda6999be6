#include "apps/cli/lab_flows_plan.h"

#include <algorithm>
#include <charconv>

#include "apps/cli/enlarger.h"
#include "apps/cli/lab_knobs_plan.h"
#include "common/base/error.h"
#include "engine/training/recipe.h"

namespace safelight::app {
namespace {

constexpr int kMostSteps = 1000;

// MODEL:STEPS; what follows the last colon is a number of steps only if it is nothing but digits.
Flow flow_of(const std::string& text, const char* option, Context& context) {
  Flow flow{.name = text, .model = {}, .fingerprint = {}, .steps = 0, .filter = {}};
  std::string model = text;
  const std::size_t colon = text.rfind(':');
  if (colon != std::string::npos) {
    const char *begin = text.data() + colon + 1, *end = text.data() + text.size();
    const auto read = std::from_chars(begin, end, flow.steps);
    const bool number = begin != end && read.ptr == end;
    if (number && (read.ec != std::errc() || flow.steps < 1 || flow.steps > kMostSteps)) throw Error(ErrorCode::invalid_argument, std::string(option) + " " + text + ": a picture is drawn in 1 to 1000 steps");
    if (number) model = text.substr(0, colon);
    else flow.steps = 0;
  }
  flow.model = context.engine().find_model(model);
  if (is_upscaler(flow.model)) throw Error(ErrorCode::unsupported, "'" + flow.model.string() + "' enlarges pictures; the modes draw from a prompt");
  flow.fingerprint = fingerprint_of(flow.model);
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
  const SceneOptions world = world_of(plan.flows[kFaithful].model);
  if (!same_world(world, world_of(plan.flows[kFast].model)))
    throw Error(ErrorCode::conflict, "'" + plan.flows[kFast].model.string() + "' knows another world than '" + plan.flows[kFaithful].model.string() + "': other shapes, colours, patterns or tasks");
  post_filtered({1, 1, 3, {0, 0, 0}}, options.filter);   // refuses values out of range before anything is drawn
  plan.prompts = by_turns(options.tasks.empty() ? eval_tasks(world) : options.tasks, world, options.count);
  return plan;
}

}  // namespace safelight::app
