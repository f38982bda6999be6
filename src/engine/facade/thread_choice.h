// How runs are spread over the processors.
#pragma once

#include <cstdint>

namespace safelight {

class Engine;
struct GenerateRequest;

struct ThreadChoice {
  int of_a_run = 1;       // threads that one run computes with
  int runs_at_once = 1;   // runs that are best done side by side, each with that many
};

// Small models are done sooner by one thread: what waking another costs at every layer is more than it computes (measured on two
// cores: signs-nano 204 ms against 408 ms), and many pictures by a run a processor. asked: threads that the user wants; 0: as is best.
ThreadChoice thread_choice(std::uint64_t weight_bytes, int asked);
// For runs of this request's model, which is opened; `asked` is the engine's setting. Throws what opening it throws.
ThreadChoice thread_choice(Engine& engine, const GenerateRequest& request);

}  // namespace safelight
