#include "engine/tensor/device.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <charconv>

#include "common/base/error.h"

namespace safelight {

c10::Device device_named(const std::string& name) {
  constexpr std::string_view kProcessor = "cpu", kCuda = "cuda", kNumbered = "cuda:";
  if (name == kProcessor) return c10::Device(c10::kCPU);
  int index = 0;
  if (name != kCuda) {
    const char *begin = name.data() + std::min(name.size(), kNumbered.size()), *end = name.data() + name.size();
    const auto read = std::from_chars(begin, end, index);
    if (name.rfind(kNumbered, 0) != 0 || read.ec != std::errc() || read.ptr != end || index < 0)
      throw Error(ErrorCode::invalid_argument, "device '" + name + "' is unknown; known: cpu, cuda, cuda:N");
  }
  if (!at::globalContext().hasCUDA())
    throw Error(ErrorCode::unsupported, "device '" + name + "': this libtorch has no CUDA, or finds no GPU; use cpu, or build with CMAKE_PREFIX_PATH at a libtorch that has it");
  const int there = c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount();
  if (index >= there) throw Error(ErrorCode::invalid_argument, "device '" + name + "' is not there; there are " + std::to_string(there) + ", counted from cuda:0");
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

void wait_for(c10::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeStream(guard.getStream(device));
}

}  // namespace safelight
