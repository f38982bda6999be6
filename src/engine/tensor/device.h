// Where networks are computed. Everything round them (solver, guidance, probes, pictures) works on the processor: its tensors are small.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace safelight {

// "cpu", "cuda" (the first) or "cuda:N". Throws Error(invalid_argument) for other names and devices that are not there, Error(unsupported)
// where this libtorch was built without CUDA.
c10::Device device_named(const std::string& name);

// Returns when everything that was asked of the device is done. For timing: reading a result waits by itself.
void wait_for(c10::Device device);

}  // namespace safelight
