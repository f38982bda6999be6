#include "apps/lab/bench_ceiling.h"

#include <ATen/ATen.h>

#include <chrono>

#include "engine/tensor/device.h"

namespace safelight::app {
namespace {

constexpr int64_t kChannels = 320, kMap = 64, kCopied = int64_t{1} << 28;

template <class F>
double seconds(at::Device device, F&& work) {
  wait_for(device);
  const auto start = std::chrono::steady_clock::now();
  work();
  wait_for(device);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Ceiling::Ceiling(at::ScalarType dtype, at::Device device) : device_(device) {
  const int64_t side = device.is_cpu() ? 2048 : 8192, pictures = device.is_cpu() ? 2 : 32;   // small ones do not fill a GPU
  const auto made = [&](at::IntArrayRef sizes) { return at::randn(sizes).to(device, dtype); };
  a_ = made({side, side});
  b_ = made({side, side});
  x_ = made({pictures, kChannels, kMap, kMap}).contiguous(at::MemoryFormat::ChannelsLast);
  w_ = made({kChannels, kChannels, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
  from_ = at::ones({kCopied}, at::TensorOptions(at::kByte).device(device));
  to_ = at::zeros({kCopied}, at::TensorOptions(at::kByte).device(device));
}

double Ceiling::product() const {
  const auto side = static_cast<double>(a_.size(0));
  return 2.0 * side * side * side / seconds(device_, [&] { at::linear(a_, b_); });
}

double Ceiling::convolution() const {
  return 2.0 * static_cast<double>(x_.size(0)) * kMap * kMap * 9 * kChannels * kChannels / seconds(device_, [&] { at::conv2d(x_, w_, {}, 1, 1); });
}

double Ceiling::copy() const { return 2.0 * kCopied / seconds(device_, [&] { to_.copy_(from_); }); }

}  // namespace safelight::app
