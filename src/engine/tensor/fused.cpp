#include "engine/tensor/fused.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "common/base/error.h"
#include "engine/tensor/fused_rows.h"
#include "engine/tensor/plain.h"

namespace safelight {
namespace {

using rows::Bf16;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kGrain = 1 << 14;  // values that are worth a thread
constexpr int64_t kFewPixels = 32;   // up to here a weight for every value is faster than a loop for every channel
constexpr int64_t kMaxChunk = 512;   // batch items whose weight gradients are summed in float32

struct Norm {
  rows::NormShape shape;
  double eps = 0;
  bool silu = false;
};

template <class T>
T* data(const at::Tensor& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}

// Calls f with a null pointer of the type that x is stored in.
template <class F>
void by_type(const at::Tensor& x, const F& f) {
  if (x.scalar_type() == at::kBFloat16)
    f(static_cast<Bf16*>(nullptr));
  else
    f(static_cast<float*>(nullptr));
}

bool computed_here(const at::Tensor& x) {
  return !PlainKernels::wanted() && x.is_cpu() && x.layout() == at::kStrided && x.numel() > 0 &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

bool fits(const at::Tensor& parameter, const at::Tensor& x, int64_t channels) {
  return parameter.defined() && parameter.is_cpu() && parameter.scalar_type() == x.scalar_type() &&
         parameter.dim() == 1 && parameter.numel() == channels;
}

bool needs_gradient(const at::Tensor& x, const at::Tensor& weight = {}, const at::Tensor& bias = {}) {
  return at::GradMode::is_enabled() && (x.requires_grad() || (weight.defined() && weight.requires_grad()) ||
                                        (bias.defined() && bias.requires_grad()));
}

void forbid_second_order() {
  if (at::GradMode::is_enabled())
    throw Error(ErrorCode::unsupported,
                "normalisation and GEGLU have no second derivative in float32 and bfloat16 on the CPU: use float64");
}

// With kFewPixels a channel or fewer, every pixel is treated as a channel of its own.
rows::NormShape merged(const rows::NormShape& s) {
  if (s.pixels > kFewPixels) return s;
  return {.batch = s.batch, .groups = s.groups, .channels = s.channels * s.pixels, .pixels = 1};
}

// A parameter in float32, every value `times` times.
std::vector<float> repeated(const at::Tensor& parameter, int64_t times) {
  const at::Tensor wide = parameter.detach().to(at::kFloat).contiguous();
  const float* from = data<float>(wide);
  std::vector<float> out(static_cast<std::size_t>(wide.numel() * times));
  for (int64_t i = 0; i < wide.numel(); ++i) std::fill_n(out.begin() + i * times, times, from[i]);
  return out;
}

int64_t grain(int64_t values_per_task) { return std::max<int64_t>(1, kGrain / values_per_task); }

// `stats` [2, rows]: the mean and the reciprocal deviation of every row, written where given.
at::Tensor normalised(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Norm& n,
                      const at::Tensor& stats) {
  const rows::NormShape s = merged(n.shape);
  const std::vector<float> w = repeated(weight, s.channels / n.shape.channels);
  const std::vector<float> b = repeated(bias, s.channels / n.shape.channels);
  const at::Tensor y = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::Contiguous));
  by_type(x, [&]<class T>(T*) {
    const rows::NormForward<T> f{.call = {.shape = s, .weight = w.data(), .bias = b.data(), .silu = n.silu},
                                 .eps = n.eps,
                                 .x = data<T>(x),
                                 .y = data<T>(y),
                                 .mean = data<float>(stats),
                                 .rstd = stats.defined() ? data<float>(stats) + s.rows() : nullptr};
    at::parallel_for(0, s.rows(), grain(s.row_length()),
                     [&](int64_t begin, int64_t end) { rows::norm_forward(f, begin, end); });
  });
  return y;
}

// The gradient of a parameter from its partial sums [count, width].
at::Tensor parameter_gradient(const at::Tensor& partial, const at::Tensor& like) {
  const int64_t width = partial.size(1), times = width / like.numel();
  std::vector<double> sums(static_cast<std::size_t>(width));
  rows::sum_partials(data<float>(partial), partial.size(0), width, sums.data());
  const at::Tensor out = at::empty(like.sizes(), like.options().dtype(at::kFloat));
  for (int64_t c = 0; c < like.numel(); ++c) {
    double sum = 0;
    for (int64_t i = 0; i < times; ++i) sum += sums[static_cast<std::size_t>(c * times + i)];
    data<float>(out)[c] = static_cast<float>(sum);
  }
  return out.to(like.scalar_type());
}

class NormFunction : public torch::autograd::Function<NormFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const Norm& n) {
    const at::Tensor stats = at::empty({2, n.shape.rows()}, x.options().dtype(at::kFloat));
    const at::Tensor y = normalised(x, weight, bias, n, stats);
    ctx->save_for_backward({x, weight, bias, stats});
    ctx->saved_data["groups"] = n.shape.groups;
    ctx->saved_data["pixels"] = n.shape.pixels;
    ctx->saved_data["silu"] = n.silu;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    forbid_second_order();
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &bias = saved[2], &stats = saved[3];
    const int64_t groups = ctx->saved_data["groups"].toInt(), pixels = ctx->saved_data["pixels"].toInt();
    const rows::NormShape given{stats.size(1) / groups, groups, weight.numel() / groups, pixels}, s = merged(given);
    const int64_t times = s.channels / given.channels, width = s.groups * s.channels;
    const std::vector<float> w = repeated(weight, times), b = repeated(bias, times);
    const at::Tensor slopes = dy[0].contiguous();
    const at::Tensor dx = ctx->needs_input_grad(0) ? at::empty(x.sizes(), x.options()) : at::Tensor();
    // Fixed by the shape alone: the order of every sum is too.
    const int64_t parts = width <= 1024 ? 64 : 16;
    const int64_t chunk = std::clamp<int64_t>((s.batch + parts - 1) / parts, 1, kMaxChunk);
    const at::Tensor dweight = at::empty({(s.batch + chunk - 1) / chunk, width}, stats.options());
    const at::Tensor dbias = at::empty_like(dweight);
    by_type(x, [&]<class T>(T*) {
      const rows::NormBackward<T> r{
          .call = {.shape = s, .weight = w.data(), .bias = b.data(), .silu = ctx->saved_data["silu"].toBool()},
          .chunk = chunk,
          .x = data<T>(x),
          .dy = data<T>(slopes),
          .mean = data<float>(stats),
          .rstd = data<float>(stats) + s.rows(),
          .dx = data<T>(dx),
          .dweight = data<float>(dweight),
          .dbias = data<float>(dbias)};
      at::parallel_for(0, r.tasks(), grain(s.row_length() * chunk), [&](int64_t begin, int64_t end) {
        std::vector<float> scratch(static_cast<std::size_t>(2 * s.row_length()));
        rows::norm_backward(r, begin, end, scratch.data());
      });
    });
    return {dx, ctx->needs_input_grad(1) ? parameter_gradient(dweight, weight) : at::Tensor(),
            ctx->needs_input_grad(2) ? parameter_gradient(dbias, bias) : at::Tensor(), at::Tensor()};
  }
};

at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Norm& n) {
  if (needs_gradient(x, weight, bias)) return NormFunction::apply(x.contiguous(), weight, bias, n);
  return normalised(x.contiguous(), weight, bias, n, {});
}

bool is_group_norm_here(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias) {
  return computed_here(x) && x.dim() >= 2 && groups > 0 && x.size(1) % groups == 0 && fits(weight, x, x.size(1)) &&
         fits(bias, x, x.size(1));
}

Norm group_norm_of(const at::Tensor& x, int64_t groups, double eps, bool silu) {
  const int64_t n = x.size(0), c = x.size(1);
  return {.shape = {.batch = n, .groups = groups, .channels = c / groups, .pixels = x.numel() / (n * c)},
          .eps = eps,
          .silu = silu};
}

at::Tensor gated(const at::Tensor& x) {
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() /= 2;
  const at::Tensor y = at::empty(sizes, x.options().memory_format(at::MemoryFormat::Contiguous));
  by_type(x, [&]<class T>(T*) {
    const rows::Geglu<T> g{.half = sizes.back(), .x = data<T>(x), .y = data<T>(y), .dy = nullptr, .dx = nullptr};
    at::parallel_for(0, y.numel() / g.half, grain(g.half),
                     [&](int64_t begin, int64_t end) { rows::geglu_forward(g, begin, end); });
  });
  return y;
}

class GegluFunction : public torch::autograd::Function<GegluFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return gated(x);
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    forbid_second_order();
    const at::Tensor x = ctx->get_saved_variables()[0], slopes = dy[0].contiguous();
    const at::Tensor dx = at::empty(x.sizes(), x.options());
    by_type(x, [&]<class T>(T*) {
      const rows::Geglu<T> g{
          .half = x.size(-1) / 2, .x = data<T>(x), .y = nullptr, .dy = data<T>(slopes), .dx = data<T>(dx)};
      at::parallel_for(0, slopes.numel() / g.half, grain(g.half),
                       [&](int64_t begin, int64_t end) { rows::geglu_backward(g, begin, end); });
    });
    return {dx};
  }
};

constexpr int64_t kValuesPerTask = 1 << 14;

at::Tensor quick_gelu_of(const at::Tensor& x) {
  const at::Tensor y = at::empty(x.sizes(), x.options());
  by_type(x, [&]<class T>(T*) {
    at::parallel_for(0, x.numel(), kValuesPerTask, [&](int64_t begin, int64_t end) { rows::quick_gelu_forward(data<T>(x), data<T>(y), begin, end); });
  });
  return y;
}

class QuickGeluFunction : public torch::autograd::Function<QuickGeluFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return quick_gelu_of(x);
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    forbid_second_order();
    const at::Tensor x = ctx->get_saved_variables()[0], slopes = dy[0].contiguous();
    const at::Tensor dx = at::empty(x.sizes(), x.options());
    by_type(x, [&]<class T>(T*) {
      at::parallel_for(0, x.numel(), kValuesPerTask, [&](int64_t begin, int64_t end) {
        rows::quick_gelu_backward(data<T>(x), data<T>(slopes), data<T>(dx), begin, end);
      });
    });
    return {dx};
  }
};

}  // namespace

at::Tensor group_norm(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias,
                      double eps) {
  if (!is_group_norm_here(x, groups, weight, bias)) return at::group_norm(x, groups, weight, bias, eps);
  return norm(x, weight, bias, group_norm_of(x, groups, eps, false));
}

at::Tensor group_norm_silu(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias,
                           double eps) {
  if (!is_group_norm_here(x, groups, weight, bias)) return at::silu(at::group_norm(x, groups, weight, bias, eps));
  return norm(x, weight, bias, group_norm_of(x, groups, eps, true));
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  if (!computed_here(x) || x.dim() < 1 || !fits(weight, x, x.size(-1)) || !fits(bias, x, x.size(-1)))
    return at::layer_norm(x, {x.size(-1)}, weight, bias, eps);
  const int64_t width = x.size(-1);
  return norm(x, weight, bias, {.shape = {.batch = x.numel() / width, .channels = width}, .eps = eps});
}

at::Tensor geglu(const at::Tensor& x) {
  if (!computed_here(x) || x.dim() < 1 || x.size(-1) % 2 != 0) {
    const std::vector<at::Tensor> halves = x.chunk(2, -1);
    return halves[0] * at::gelu(halves[1]);
  }
  return needs_gradient(x) ? GegluFunction::apply(x.contiguous()) : gated(x.contiguous());
}

at::Tensor quick_gelu(const at::Tensor& x) {
  if (!computed_here(x)) return x * at::sigmoid(1.702 * x);
  return needs_gradient(x) ? QuickGeluFunction::apply(x.contiguous()) : quick_gelu_of(x.contiguous());
}

}  // namespace safelight
