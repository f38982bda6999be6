#include "engine/pipelines/watch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

namespace safelight {
namespace {

constexpr std::size_t kLanes = 16;

class Stopwatch {
 public:
  explicit Stopwatch(double& ms) : ms_(ms), start_(std::chrono::steady_clock::now()) {}
  ~Stopwatch() { ms_ += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  double& ms_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace

BlockSummary summarise(const float* x, std::size_t n) {
  std::array<float, kLanes> sum2{}, sum4{}, top{}, bad{};
  const std::size_t whole = n / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t k = 0; k < kLanes; ++k) {
      const float v = x[i + k], s = v * v, a = std::abs(v);
      sum2[k] += s;
      sum4[k] += s * s;
      top[k] = a > top[k] ? a : top[k];
      bad[k] += a <= 3.4e38f ? 0.0f : 1.0f;
    }
  double s2 = 0, s4 = 0, highest = 0, wrong = 0;
  for (std::size_t k = 0; k < kLanes; ++k) {
    s2 += sum2[k];
    s4 += sum4[k];
    highest = std::max<double>(highest, top[k]);
    wrong += bad[k];
  }
  for (std::size_t i = whole; i < n; ++i) {
    const double v = x[i];
    s2 += v * v;
    s4 += v * v * v * v;
    highest = std::max(highest, std::abs(v));
    wrong += std::isfinite(v) ? 0 : 1;
  }
  const auto count = static_cast<double>(std::max<std::size_t>(n, 1));
  BlockSummary out;
  out.rms = std::sqrt(s2 / count);
  out.kurtosis = s2 > 0 ? s4 / count / (s2 / count * (s2 / count)) : 0;
  out.max_abs = highest;
  out.non_finite = static_cast<int64_t>(wrong);
  const auto limit = static_cast<float>(6 * out.rms);
  if (highest > limit) {  // otherwise there is nothing to count
    std::size_t above = 0;
    for (std::size_t i = 0; i < n; ++i) above += std::abs(x[i]) > limit;
    out.outliers = static_cast<double>(above) / count;
  }
  return out;
}

void ForwardWatch::begin() {
  attention_ = {};
  blocks_.clear();
  layers_ = 0;
}

bool ForwardWatch::wants_attention(std::string_view, bool cross) const {
  return plan_.attention && cross && layers_ < plan_.max_layers;
}

void ForwardWatch::on_attention(const AttentionCall& call) {
  if (call.q.size(2) != plan_.height * plan_.width) return;
  const Stopwatch stopwatch(spent_ms_);
  const int64_t heads = call.q.size(1), queries = call.q.size(2), dim = call.q.size(3), tokens = call.k.size(2);
  if (layers_++ == 0) {
    attention_.height = plan_.height;
    attention_.width = plan_.width;
    attention_.tokens = tokens;
    attention_.map.assign(static_cast<std::size_t>(queries * tokens), 0.0f);
  }
  const bool direct = call.q.scalar_type() == at::kFloat && call.q.is_cpu() && call.q.stride(3) == 1 && call.k.stride(3) == 1;
  const at::Tensor q = direct ? call.q : call.q.to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor k = direct ? call.k : call.k.to(at::kCPU, at::kFloat).contiguous();
  std::vector<float> keys(static_cast<std::size_t>(dim * tokens)), logits(static_cast<std::size_t>(tokens));
  double spread = 0;
  for (int64_t h = 0; h < heads; ++h) {
    const float* kh = k.data_ptr<float>() + plan_.image * k.stride(0) + h * k.stride(1);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t d = 0; d < dim; ++d) keys[static_cast<std::size_t>(d * tokens + t)] = kh[t * k.stride(2) + d];
    const float* qh = q.data_ptr<float>() + plan_.image * q.stride(0) + h * q.stride(1);
    for (int64_t i = 0; i < queries; ++i) {
      std::fill(logits.begin(), logits.end(), 0.0f);
      float* l = logits.data();
      for (int64_t d = 0; d < dim; ++d) {
        const float value = qh[i * q.stride(2) + d] * static_cast<float>(call.scale);
        const float* row = keys.data() + d * tokens;
        for (int64_t t = 0; t < tokens; ++t) l[t] += value * row[t];
      }
      float highest = l[0], sum = 0, square = 0, total = 0;
      for (int64_t t = 0; t < tokens; ++t) {
        highest = std::max(highest, l[t]);
        sum += l[t];
        square += l[t] * l[t];
      }
      const float mean = sum / static_cast<float>(tokens);
      spread += std::sqrt(std::max(0.0f, square / static_cast<float>(tokens) - mean * mean));
      for (int64_t t = 0; t < tokens; ++t) total += l[t] = std::exp(l[t] - highest);
      float* out = attention_.map.data() + i * tokens;
      for (int64_t t = 0; t < tokens; ++t) out[t] += l[t] / total;
    }
  }
  attention_.logit_std += spread / static_cast<double>(heads * queries);
}

const AttentionSummary* ForwardWatch::attention() {
  if (layers_ == 0) return nullptr;
  if (attention_.tokens > 0 && attention_.height > 0) {
    float total = 0;
    for (int64_t t = 0; t < attention_.tokens; ++t) total += attention_.map[static_cast<std::size_t>(t)];
    const float scale = total > 0 ? 1.0f / total : 0.0f;  // every row sums to heads * layers
    for (float& v : attention_.map) v *= scale;
    attention_.logit_std /= static_cast<double>(layers_);
  }
  return &attention_;
}

void ForwardWatch::on_block(std::string_view, const at::Tensor& x) {
  const Stopwatch stopwatch(spent_ms_);
  const at::Tensor one = x.select(0, std::min(plan_.image, x.size(0) - 1)).to(at::kCPU, at::kFloat).contiguous();
  blocks_.push_back(summarise(one.data_ptr<float>(), static_cast<std::size_t>(one.numel())));
}

}  // namespace safelight
