// Counts the arithmetic of a forward pass, and the time each kind of layer takes, while someone wants to know.
#pragma once

#include <chrono>
#include <cstdint>

namespace safelight {

enum class Work { convolution, linear, attention };
inline constexpr const char* kWorkNames[] = {"convolution", "linear", "attention"};

struct WorkTally {
  double flops[3] = {};     // 2 per multiplication and addition; norms and activations are left out
  double seconds[3] = {};
  int64_t calls[3] = {};
  double all_flops() const { return flops[0] + flops[1] + flops[2]; }
};

// Tallies what its own thread runs while it lives. They nest; the innermost counts.
class WorkMeter {
 public:
  WorkMeter();
  ~WorkMeter();
  WorkMeter(const WorkMeter&) = delete;
  WorkMeter& operator=(const WorkMeter&) = delete;
  const WorkTally& tally() const { return tally_; }

 private:
  friend class WorkSpan;
  static thread_local WorkMeter* current_;
  WorkMeter* before_;
  WorkTally tally_;
};

// Round the work of one layer. Costs a comparison where nobody counts.
class WorkSpan {
 public:
  WorkSpan(Work kind, double flops) : meter_(WorkMeter::current_), kind_(kind) {
    if (meter_) begin(flops);
  }
  ~WorkSpan() {
    if (meter_) end();
  }
  WorkSpan(const WorkSpan&) = delete;
  WorkSpan& operator=(const WorkSpan&) = delete;

 private:
  void begin(double flops);
  void end();
  WorkMeter* meter_;
  Work kind_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace safelight
