#include "engine/facade/thread_choice.h"

#include "common/base/processors.h"
#include "engine/facade/engine.h"

namespace safelight {
namespace {

constexpr std::uint64_t kSmallModelBytes = std::uint64_t{256} << 20;

}  // namespace

ThreadChoice thread_choice(std::uint64_t weight_bytes, int asked) {
  if (asked > 0) return {.of_a_run = asked, .runs_at_once = 1};
  const int all = processors();
  return weight_bytes < kSmallModelBytes ? ThreadChoice{.of_a_run = 1, .runs_at_once = all} : ThreadChoice{.of_a_run = all, .runs_at_once = 1};
}

ThreadChoice thread_choice(Engine& engine, const GenerateRequest& request) {
  ThreadChoice choice = thread_choice(engine.open(request)->weight_bytes, engine.settings().threads);
  if (!engine.settings().device.is_cpu()) choice.runs_at_once = 1;   // one run fills the device
  return choice;
}

}  // namespace safelight
