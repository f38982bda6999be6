#include "apps/lab/bench_ceiling.h"

#include <ATen/ATen.h>

#include <chrono>

namespace safelight::app {
namespace {

constexpr int64_t kSide = 2048, kChannels = 320, kMap = 64, kCopied = int64_t{1} << 28;

template <class F>
double seconds(F&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Ceiling::Ceiling(at::ScalarType dtype) {
  a_ = at::randn({kSide, kSide}).to(dtype);
  b_ = at::randn({kSide, kSide}).to(dtype);
  x_ = at::randn({2, kChannels, kMap, kMap}).to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  w_ = at::randn({kChannels, kChannels, 3, 3}).to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  from_ = at::ones({kCopied}, at::kByte);
  to_ = at::zeros({kCopied}, at::kByte);
}

double Ceiling::product() const { return 2.0 * kSide * kSide * kSide / seconds([&] { at::linear(a_, b_); }); }

double Ceiling::convolution() const { return 2.0 * 2 * kMap * kMap * 9 * kChannels * kChannels / seconds([&] { at::conv2d(x_, w_, {}, 1, 1); }); }

double Ceiling::copy() const { return 2.0 * kCopied / seconds([&] { to_.copy_(from_); }); }

}  // namespace safelight::app
