#include "engine/weights/parameters.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr std::size_t kMostParameters = 1 << 16;

}  // namespace

at::Tensor Parameters::create(const std::string& name, std::vector<int64_t> shape, Init init) {
  if (!names_.insert(name).second) throw Error(ErrorCode::internal, "parameter '" + name + "' was declared twice");
  if (all_.size() >= kMostParameters)
    throw Error(ErrorCode::unsupported, "the config asks for more than " + std::to_string(kMostParameters) + " tensors (at '" + name + "'); no model has as many");
  all_.push_back({name, std::move(shape), at::empty({0}, at::kFloat), init, nullptr});
  return all_.back().tensor;
}

std::shared_ptr<const PackedForm> Parameters::may_stay_packed() {
  all_.back().packed = std::make_shared<PackedForm>();
  return all_.back().packed;
}

int64_t Parameters::count() const {
  int64_t total = 0;
  for (const Parameter& p : all_) {
    int64_t n = 1;
    for (int64_t d : p.shape) n *= d;
    total += n;
  }
  return total;
}

std::uint64_t Parameters::bytes() const {
  std::uint64_t total = 0;
  for (const Parameter& p : all_) total += p.tensor.nbytes();
  return total;
}

void Parameters::initialise(uint64_t seed) {
  at::NoGradGuard no_grad;
  at::Generator generator = at::detail::createCPUGenerator(seed);
  for (Parameter& p : all_) {
    at::Tensor t = at::empty(p.shape, at::kFloat);
    switch (p.init) {
      case Init::zeros: t.zero_(); break;
      case Init::ones: t.fill_(1); break;
      case Init::normal_002: t.normal_(0.0, 0.02, generator); break;
      case Init::fan_in: {
        const int64_t fan_in = t.dim() > 1 ? t.numel() / t.size(0) : std::max<int64_t>(t.numel(), 1);
        const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
        t.uniform_(-bound, bound, generator);
        break;
      }
    }
    p.tensor.set_data(t);
  }
}

void Parameters::require_grad(bool on) {
  for (Parameter& p : all_) p.tensor.set_requires_grad(on);
}

void Parameters::adopt(const Parameters& other, const std::string& prefix) {
  for (const Parameter& p : other.all_) all_.push_back({prefix + p.name, p.shape, p.tensor, p.init, p.packed});
}

}  // namespace safelight
