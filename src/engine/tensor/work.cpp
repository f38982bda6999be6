#include "engine/tensor/work.h"

namespace safelight {

thread_local WorkMeter* WorkMeter::current_ = nullptr;

WorkMeter::WorkMeter() : before_(current_) { current_ = this; }
WorkMeter::~WorkMeter() { current_ = before_; }

void WorkSpan::begin(double flops) {
  const auto k = static_cast<std::size_t>(kind_);
  meter_->tally_.flops[k] += flops;
  ++meter_->tally_.calls[k];
  start_ = std::chrono::steady_clock::now();
}

void WorkSpan::end() { meter_->tally_.seconds[static_cast<std::size_t>(kind_)] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

}  // namespace safelight
