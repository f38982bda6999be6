#include "engine/tensor/fused.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr double kEps = 1e-5;
constexpr double kFloatTolerance = 1e-5;      // of the largest value
constexpr double kBf16Tolerance = 1.0 / 250;  // one rounding is at most 1/257

using Tensors = std::vector<at::Tensor>;
using Layer = std::function<at::Tensor(const Tensors&)>;

struct Case {
  std::string name;
  Tensors in;  // float32
  Layer fused, plain;
};

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  EXPECT_EQ(got.sizes(), want.sizes());
  const at::Tensor w = want.to(at::kDouble);
  return ((got.to(at::kDouble) - w).abs().max() / w.abs().max().clamp_min(1e-3)).item<double>();
}

Tensors as(const Tensors& from, at::ScalarType type, bool gradients) {
  Tensors out;
  for (const at::Tensor& t : from) out.push_back(t.to(type).detach().requires_grad_(gradients));
  return out;
}

// The output, then the gradient of every input for a fixed random slope.
Tensors output_and_gradients(const Layer& layer, const Tensors& in, const at::Tensor& slope) {
  const at::Tensor y = layer(in);
  y.backward(slope.to(y.scalar_type()));
  Tensors out{y.detach()};
  for (const at::Tensor& t : in) out.push_back(t.grad());
  return out;
}

Case norm_case(const std::vector<int64_t>& sizes, int64_t groups, bool silu) {
  const int64_t c = sizes[1];
  Case k{.name = "group_norm",
         .in = {at::randn(sizes) * 2 + 0.7, at::randn({c}) + 1, at::randn({c})},
         .fused = {},
         .plain = {}};
  for (const int64_t n : sizes) k.name += " " + std::to_string(n);
  k.name += (silu ? " silu, groups " : ", groups ") + std::to_string(groups);
  k.fused = [groups, silu](const Tensors& t) {
    return silu ? group_norm_silu(t[0], groups, t[1], t[2], kEps) : group_norm(t[0], groups, t[1], t[2], kEps);
  };
  k.plain = [groups, silu](const Tensors& t) {
    const at::Tensor y = at::group_norm(t[0], groups, t[1], t[2], kEps);
    return silu ? at::silu(y) : y;
  };
  return k;
}

Case layer_norm_case(std::vector<int64_t> sizes) {
  const int64_t c = sizes.back();
  Case k{.name = "layer_norm",
         .in = {at::randn(sizes) * 3 - 1, at::randn({c}) + 1, at::randn({c})},
         .fused = {},
         .plain = {}};
  for (const int64_t n : sizes) k.name += " " + std::to_string(n);
  k.fused = [](const Tensors& t) { return layer_norm(t[0], t[1], t[2], kEps); };
  k.plain = [c](const Tensors& t) { return at::layer_norm(t[0], {c}, t[1], t[2], kEps); };
  return k;
}

Case geglu_case(const std::vector<int64_t>& sizes) {
  Case k{.name = "geglu", .in = {at::randn(sizes) * 2}, .fused = {}, .plain = {}};
  for (const int64_t n : sizes) k.name += " " + std::to_string(n);
  k.fused = [](const Tensors& t) { return geglu(t[0]); };
  k.plain = [](const Tensors& t) {
    const Tensors halves = t[0].chunk(2, -1);
    return halves[0] * at::gelu(halves[1]);
  };
  return k;
}

std::vector<Case> cases() {
  at::manual_seed(11);
  std::vector<Case> out;
  for (const bool silu : {false, true}) {
    out.push_back(norm_case({2, 64, 16, 16}, 32, silu));
    out.push_back(norm_case({3, 30, 7, 5}, 5, silu));  // odd rows of few and many pixels
    out.push_back(norm_case({2, 6, 11, 13}, 3, silu));
    out.push_back(norm_case({5, 8, 1, 1}, 2, silu));  // one pixel
    out.push_back(norm_case({4, 12, 1, 1}, 1, silu));
    out.push_back(norm_case({2, 10, 9, 9}, 10, silu));  // groups = channels
    out.push_back(norm_case({1, 4, 70, 90}, 2, silu));  // rows of several blocks
    out.push_back(norm_case({70, 8, 3, 3}, 4, silu));   // several items a chunk
    out.push_back(norm_case({70, 4, 6, 7}, 2, silu));
    out.push_back(norm_case({2, 8, 33}, 4, silu));  // other ranks
    out.push_back(norm_case({6, 9}, 3, silu));
    out.push_back(norm_case({2, 4, 3, 4, 5}, 2, silu));
  }
  for (const auto& sizes :
       {std::vector<int64_t>{2, 5, 64}, {3, 7}, {129}, {600, 17}, {2, 3, 2, 5000}, {9, 2}, {1500, 8}})
    out.push_back(layer_norm_case(sizes));
  for (const auto& sizes : {std::vector<int64_t>{2, 5, 64}, {3, 14}, {2}, {7, 1, 2050}})
    out.push_back(geglu_case(sizes));
  at::manual_seed(12);
  const auto random = [](int64_t low, int64_t high) { return at::randint(low, high, {1}).item<int64_t>(); };
  for (int i = 0; i < 40; ++i) {
    const int64_t groups = random(1, 9);
    out.push_back(norm_case({random(1, 10), groups * random(1, 6), random(1, 20), random(1, 20)}, groups, i % 2 == 0));
    out.push_back(layer_norm_case({random(1, 40), random(1, 300)}));
    out.push_back(geglu_case({random(1, 40), 2 * random(1, 100)}));
  }
  return out;
}

void compare(at::ScalarType type, double tolerance) {
  for (const Case& k : cases()) {
    SCOPED_TRACE(k.name);
    const Tensors given = as(k.in, type, true);  // rounded before the reference sees them
    const at::Tensor slope = at::randn(k.plain(k.in).sizes()).to(type);
    const Tensors got = output_and_gradients(k.fused, given, slope);
    const Tensors want = output_and_gradients(k.plain, as(given, at::kDouble, true), slope);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].scalar_type(), type);
      EXPECT_TRUE(got[i].is_contiguous());
      // A row of one or two values has no gradient to speak of: what is left is rounding over a tiny deviation.
      const bool flat = i == 1 && want[1].abs().max().item<double>() < 1e-2;
      if (flat) continue;
      EXPECT_LE(relative_error(got[i], want[i]), tolerance) << "of output or gradient " << i;
    }
    at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(k.fused(given), got[0])) << "with gradients off";
  }
}

TEST(Fused, AgreesWithPlainLayersInFloat32) { compare(at::kFloat, kFloatTolerance); }

TEST(Fused, AgreesWithPlainLayersInBfloat16) { compare(at::kBFloat16, kBf16Tolerance); }

TEST(Fused, AgreesWithLibtorchInFloat32) {
  at::NoGradGuard no_grad;
  for (const Case& k : cases()) {
    SCOPED_TRACE(k.name);
    EXPECT_LE(relative_error(k.fused(k.in), k.plain(k.in)), kFloatTolerance);
  }
}

TEST(Fused, TakesAnyMemoryLayout) {
  at::manual_seed(3);
  const Case norm = norm_case({3, 12, 10, 8}, 4, true), gate = geglu_case({6, 20});
  const std::vector<std::pair<const Case*, at::Tensor>> inputs = {
      {&norm, at::randn({3, 12, 10, 8}).contiguous(at::MemoryFormat::ChannelsLast)},
      {&norm, at::randn({12, 3, 8, 10}).permute({1, 0, 3, 2})},
      {&norm, at::randn({3, 24, 10, 8}).narrow(1, 5, 12)},
      {&norm, at::randn({1, 12, 10, 8}).expand({3, 12, 10, 8})},
      {&gate, at::randn({20, 6}).t()}};
  for (const auto& [k, x] : inputs) {
    Tensors fused = as(k->in, at::kFloat, true), plain = as(k->in, at::kDouble, true);
    fused[0] = x.detach().requires_grad_(true);
    plain[0] = x.detach().contiguous().to(at::kDouble).requires_grad_(true);
    const at::Tensor y = k->fused(fused), want = k->plain(plain);
    const at::Tensor slope = at::randn(y.sizes().vec()).transpose(0, 1).contiguous().transpose(0, 1);  // not contiguous
    y.backward(slope);
    want.backward(slope.to(at::kDouble));
    EXPECT_TRUE(y.is_contiguous());
    EXPECT_LE(relative_error(y, want), kFloatTolerance);
    for (std::size_t i = 0; i < fused.size(); ++i)
      EXPECT_LE(relative_error(fused[i].grad(), plain[i].grad()), kFloatTolerance);
  }
}

TEST(Fused, DoesNotDependOnTheNumberOfThreads) {
  at::manual_seed(4);
  const int threads = at::get_num_threads();
  for (const Case& k : {norm_case({17, 64, 16, 16}, 32, true), norm_case({33, 64, 5, 5}, 8, false),
                        norm_case({1, 32, 64, 64}, 8, true), layer_norm_case({40, 99, 64}), geglu_case({33, 50, 128})})
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      SCOPED_TRACE(k.name);
      const at::Tensor slope = at::randn(k.plain(k.in).sizes());
      at::set_num_threads(1);
      const Tensors one = output_and_gradients(k.fused, as(k.in, type, true), slope);
      for (const int n : {2, 3}) {
        at::set_num_threads(n);
        const Tensors many = output_and_gradients(k.fused, as(k.in, type, true), slope);
        for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], many[i])) << i;
      }
    }
  at::set_num_threads(threads);
}

TEST(Fused, SurvivesALargeMean) {
  at::manual_seed(5);
  const at::Tensor x = at::randn({4, 8, 50, 60}) + 300, one = at::ones({8}), zero = at::zeros({8});
  const at::Tensor want = at::group_norm(x.to(at::kDouble), 2, one.to(at::kDouble), zero.to(at::kDouble), kEps);
  EXPECT_LE(relative_error(group_norm(x, 2, one, zero, kEps), want), 3e-5);
  at::Tensor outlier = at::randn({1, 2, 30, 30});  // the first value is what the sums are taken around
  outlier.view({-1})[0] = 1e3;
  const at::Tensor expected = at::group_norm(outlier.to(at::kDouble), 1, one.narrow(0, 0, 2).to(at::kDouble),
                                             zero.narrow(0, 0, 2).to(at::kDouble), kEps);
  EXPECT_LE(relative_error(group_norm(outlier, 1, one.narrow(0, 0, 2), zero.narrow(0, 0, 2), kEps), expected),
            kFloatTolerance);
}

TEST(Fused, GeluIsRightInItsTails) {
  const int64_t n = 40001;
  const at::Tensor b = at::linspace(-12, 12, n);
  const at::Tensor y = geglu(at::stack({at::ones({n}), b}, 1)).flatten();
  double worst_near = 0, worst_far = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double v = b[i].item<float>(), want = 0.5 * v * std::erfc(-v / std::sqrt(2.0));
    if (v == 0) continue;
    double& worst = std::abs(v) < 4 ? worst_near : worst_far;
    worst = std::max(worst, std::abs(y[i].item<float>() / want - 1));
  }
  EXPECT_LE(worst_near, 1e-6);
  EXPECT_LE(worst_far, 1e-5);
}

TEST(Fused, NonFiniteValuesSpreadAsInPlainLayers) {
  const float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (const auto type : {at::kFloat, at::kBFloat16})
    for (const float bad : {kInf, -kInf, kNan})
      for (const Case& k : {norm_case({2, 8, 9, 9}, 4, true), norm_case({2, 8, 3, 3}, 4, false),
                            layer_norm_case({4, 40}), geglu_case({4, 40})})
        for (const int64_t at_value : {0, 25}) {
          SCOPED_TRACE(k.name);
          at::NoGradGuard no_grad;
          Tensors in = as(k.in, at::kFloat, false);
          in[0].view({-1})[at_value] = bad;
          const at::Tensor got = k.fused(as(in, type, false)).to(at::kFloat), want = k.plain(in);
          EXPECT_TRUE(at::equal(got.isnan(), want.isnan()));
          EXPECT_TRUE(at::equal(got.isinf(), want.isinf()));
        }
  // Past what exp can hold.
  const at::Tensor x = at::tensor({-200.0f, 200.0f}).view({1, 2, 1, 1}), w = at::tensor({1.0f, 1.0f}),
                   b = at::tensor({-1e4f, 1e4f});
  const at::Tensor y = group_norm_silu(x, 1, w, b, kEps).flatten();
  EXPECT_EQ(y[0].item<float>(), 0.0f);
  EXPECT_NEAR(y[1].item<float>(), 1e4f, 10);
}

TEST(Fused, OtherTypesGoToLibtorch) {
  at::manual_seed(6);
  const Case norm = norm_case({2, 8, 5, 5}, 4, true), layer = layer_norm_case({3, 20}), gate = geglu_case({3, 20});
  for (const Case& k : {norm, layer, gate}) {
    const Tensors wide = as(k.in, at::kDouble, true), same = as(k.in, at::kDouble, true);
    const at::Tensor slope = at::randn(k.plain(k.in).sizes(), at::kDouble);
    const Tensors got = output_and_gradients(k.fused, wide, slope), want = output_and_gradients(k.plain, same, slope);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(at::equal(got[i], want[i]));
  }
  EXPECT_TRUE(at::equal(layer_norm(layer.in[0], {}, {}, kEps), at::layer_norm(layer.in[0], {20}, {}, {}, kEps)));
  EXPECT_EQ(group_norm_silu(at::zeros({0, 8, 5, 5}), 4, norm.in[1], norm.in[2], kEps).size(0), 0);
  EXPECT_ANY_THROW(group_norm(norm.in[0], 3, norm.in[1], norm.in[2], kEps));
  EXPECT_ANY_THROW(layer_norm(layer.in[0], norm.in[1], norm.in[2], kEps));
}

TEST(Fused, GivesGradientsOnlyWhereAsked) {
  at::manual_seed(7);
  const Case k = norm_case({2, 8, 9, 9}, 4, true);
  for (int asked = 1; asked < 8; ++asked) {
    Tensors in = as(k.in, at::kFloat, false), all = as(k.in, at::kFloat, true);
    for (std::size_t i = 0; i < in.size(); ++i) in[i].requires_grad_((asked >> i & 1) != 0);
    k.fused(in).sum().backward();
    k.fused(all).sum().backward();
    for (std::size_t i = 0; i < in.size(); ++i) {
      EXPECT_EQ(in[i].grad().defined(), (asked >> i & 1) != 0);
      if (!in[i].grad().defined()) continue;
      EXPECT_TRUE(at::equal(in[i].grad(), all[i].grad()));
    }
  }
  EXPECT_FALSE(k.fused(as(k.in, at::kFloat, false)).requires_grad());
}

TEST(Fused, RefusesGradientsOfGradients) {
  const Case k = layer_norm_case({3, 20});
  const Tensors in = as(k.in, at::kFloat, true);
  EXPECT_THROW(k.fused(in).sum().backward({}, true, true), Error);
}

}  // namespace
}  // namespace safelight
