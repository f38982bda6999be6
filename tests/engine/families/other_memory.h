// A device that is none: tensors of libtorch's kXPU, for which it has no kernels of its own, lie in this process's memory and are computed by the
// processor's kernels. What it is for: an operation that mixes its tensors with the processor's fails here as it would on a GPU.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace other_memory {

inline const c10::Device kDevice(c10::kXPU, 0);

// The same memory as a tensor of the processor.
inline at::Tensor seen_here(const at::Tensor& t) {
  if (t.numel() == 0) return at::empty_strided(t.sizes(), t.strides(), at::TensorOptions(t.scalar_type()));
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(), [t](void*) {}, at::TensorOptions(t.scalar_type()));
}

// The same memory as a tensor of the device.
inline at::Tensor laid_there(const at::Tensor& t) {
  const std::size_t bytes = t.storage().nbytes() - static_cast<std::size_t>(t.storage_offset()) * t.element_size();
  c10::DataPtr data(t.data_ptr(), new at::Tensor(t), [](void* held) { delete static_cast<at::Tensor*>(held); }, kDevice);
  at::Tensor out = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(c10::Storage::use_byte_size_t(), bytes, std::move(data), nullptr, false),
                                                            c10::DispatchKeySet(c10::DispatchKey::XPU), t.dtype());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides());
  return out;
}

// Everything but copies: tensors of the processor are refused, but for single numbers, as CUDA refuses them.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack& stack, bool copies) : op_(op), stack_(stack), copies_(copies) {}

  void run() {
    const auto arguments = static_cast<std::ptrdiff_t>(op_.schema().arguments().size());
    for (auto it = stack_.end() - arguments; it != stack_.end(); ++it) *it = here(*it);
    op_.callBoxed(stack_);
    const auto results = static_cast<std::ptrdiff_t>(op_.schema().returns().size());
    for (auto it = stack_.end() - results; it != stack_.end(); ++it) *it = there(*it);
  }

 private:
  at::Tensor here(const at::Tensor& t) {
    if (!t.defined()) return t;
    if (t.device() == kDevice) {
      at::Tensor seen = seen_here(t);
      given_[seen.unsafeGetTensorImpl()] = t;
      return seen;
    }
    if (!copies_ && t.dim() > 0) throw std::runtime_error(toString(op_.operator_name()) + " mixes devices");
    return t;
  }
  c10::IValue here(const c10::IValue& v) {
    if (v.isTensor()) return here(v.toTensor());
    if (v.isDevice() && v.toDevice().type() == kDevice.type()) return c10::Device(c10::kCPU);
    if (v.isTensorList()) {
      std::vector<at::Tensor> out;
      for (const at::Tensor& t : v.toTensorVector()) out.push_back(here(t));
      return out;
    }
    return v;
  }
  at::Tensor there(const at::Tensor& t) {
    if (!t.defined()) return t;
    const auto given = given_.find(t.unsafeGetTensorImpl());   // what was written into is given back as it came
    if (given != given_.end()) {
      if (given->second.sizes() != t.sizes()) given->second.unsafeGetTensorImpl()->shallow_copy_from(laid_there(t).getIntrusivePtr());   // an empty result that was filled
      return given->second;
    }
    return copies_ ? t : laid_there(t);   // a copy to the processor stays there
  }
  c10::IValue there(const c10::IValue& v) {
    if (v.isTensor()) return there(v.toTensor());
    if (!v.isTensorList()) return v;
    std::vector<at::Tensor> out;
    for (const at::Tensor& t : v.toTensorVector()) out.push_back(there(t));
    return out;
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack& stack_;
  bool copies_;
  std::map<c10::TensorImpl*, at::Tensor> given_;
};

inline void compute(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, *stack, false).run(); }
inline void copy(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, *stack, true).run(); }

}  // namespace other_memory

namespace c10::impl {
C10_REGISTER_GUARD_IMPL(XPU, NoOpDeviceGuardImpl<DeviceType::XPU>);
}  // namespace c10::impl

TORCH_LIBRARY_IMPL(_, XPU, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&other_memory::compute>()); }
TORCH_LIBRARY_IMPL(aten, XPU, m) {
  m.impl("copy_", torch::CppFunction::makeFromBoxedFunction<&other_memory::copy>());
  // Of these libtorch has a path for any device that ends in a refusal.
  for (const char* name : {"convolution", "empty.memory_format", "empty_strided"}) m.impl(name, torch::CppFunction::makeFromBoxedFunction<&other_memory::compute>());
}
