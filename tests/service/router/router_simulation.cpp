// The whole simulation, by itself: `router_simulation [REQUESTS] [SEED] [--hours]`. Prints the figures; fails when a promise of them is broken.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/service/router/simulation.h"

int main(int argc, char** argv) {
  using namespace safelight::simulation;
  const int requests = argc > 1 ? std::atoi(argv[1]) : 100'000, seed = argc > 2 ? std::atoi(argv[2]) : 1;
  if (requests < 1 || seed < 1) return std::fputs("usage: router_simulation [REQUESTS] [SEED] [--hours]\n", stderr), 2;
  const Figures f = simulate({.requests = requests}, static_cast<std::uint64_t>(seed));
  std::fputs(report(f).c_str(), stdout);
  if (argc > 3 && std::string(argv[3]) == "--hours")
    for (const auto& [hour, loss] : f.by_hour)
      if (loss > 0.5) std::printf("  hour %s: regret %.2f\n", hour.c_str(), loss);
  const bool kept = f.expected.share() <= 0.02 && f.realised.share() <= 0.02 && f.avoidable_hours == 0 && f.calls_while_open == 0 && f.shut_down_calls == 0 && f.most_usd_a_day_of_cap <= 1;
  std::puts(kept ? "kept" : "NOT KEPT");
  return kept ? 0 : 1;
}
