#include "engine/pipelines/watch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "engine/pipelines/float_math.h"

namespace safelight {
namespace {

class Stopwatch {
 public:
  explicit Stopwatch(double& ms) : ms_(ms), start_(std::chrono::steady_clock::now()) {}
  ~Stopwatch() { ms_ += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  double& ms_;
  std::chrono::steady_clock::time_point start_;
};

constexpr std::size_t kTogether = 4;

std::size_t padded_to_lanes(std::size_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

struct Queries {
  const float* first = nullptr;
  std::size_t stride = 0, count = 0, dim = 0;
};

// Adds softmax(q k^T * scale) of every query to its row of `map` [count,tokens]; keys: [padded / kLanes,dim,kLanes], 0 for
// padding. Returns the sum over queries of the logits' standard deviation. Four queries at a time hide the latency of one.
SAFELIGHT_WIDE double add_softmax(const Queries& q, const float* keys, std::size_t tokens, float scale, float* map) {
  const std::size_t padded = padded_to_lanes(tokens);
  std::vector<float> rows(kTogether * padded), padding(padded, 0.0f);
  for (std::size_t t = tokens; t < padded; ++t) padding[t] = -1e30f;  // far below every logit
  double spread = 0;
  for (std::size_t i = 0; i < q.count; i += kTogether) {
    const float* query[kTogether];
    for (std::size_t n = 0; n < kTogether; ++n) query[n] = q.first + std::min(i + n, q.count - 1) * q.stride;
    for (std::size_t block = 0; block < padded; block += kLanes) {
      Lanes sum[kTogether] = {}, key;
      for (std::size_t d = 0; d < q.dim; ++d) {
        load(key, keys + block * q.dim + d * kLanes);
        for (std::size_t n = 0; n < kTogether; ++n) sum[n] += query[n][d] * key;
      }
      for (std::size_t n = 0; n < kTogether; ++n) store(rows.data() + n * padded + block, sum[n] * scale);
    }
    for (std::size_t n = 0; n < std::min(kTogether, q.count - i); ++n) {
      float* l = rows.data() + n * padded;
      Lanes v, mask, top = Lanes{} - 3e38f, sum = {}, square = {}, weight = {};
      for (std::size_t block = 0; block < padded; block += kLanes) {
        load(v, l + block);
        load(mask, padding.data() + block);
        sum += v;
        square += v * v;
        v += mask;
        top = v > top ? v : top;
        store(l + block, v);
      }
      const float highest = largest_of(top);
      for (std::size_t block = 0; block < padded; block += kLanes) {
        load(v, l + block);
        v -= highest;
        exp_of_negative(v);
        weight += v;
        store(l + block, v);
      }
      const float count = static_cast<float>(tokens), mean = sum_of(sum) / count, share = 1.0f / sum_of(weight);
      spread += std::sqrt(std::max(0.0f, sum_of(square) / count - mean * mean));
      float* out = map + (i + n) * padded;
      for (std::size_t block = 0; block < padded; block += kLanes) {
        load(v, l + block);
        load(mask, out + block);
        store(out + block, mask + v * share);
      }
    }
  }
  return spread;
}

}  // namespace

SAFELIGHT_WIDE BlockSummary summarise(const float* x, std::size_t n) {
  const std::size_t whole = n / kLanes * kLanes;
  Lanes v, square, sum2 = {}, sum4 = {}, top = {};
  for (std::size_t i = 0; i < whole; i += kLanes) {
    load(v, x + i);
    square = v * v;
    sum2 += square;
    sum4 += square * square;
    v = v < 0.0f ? -v : v;
    top = v > top ? v : top;
  }
  double s2 = 0, s4 = 0, highest = largest_of(top);
  for (std::size_t k = 0; k < kLanes; ++k) s2 += sum2[k], s4 += sum4[k];
  for (std::size_t i = whole; i < n; ++i) {
    const double one = x[i];
    s2 += one * one;
    s4 += one * one * one * one;
    highest = std::max(highest, std::abs(one));
  }
  const auto count = static_cast<double>(std::max<std::size_t>(n, 1));
  BlockSummary out;
  out.rms = std::sqrt(s2 / count);
  out.kurtosis = s2 > 0 ? s4 / count / (s2 / count * (s2 / count)) : 0;
  out.max_abs = highest;
  if (!std::isfinite(s2)) out.non_finite = static_cast<int64_t>(n) - std::count_if(x, x + n, [](float one) { return std::isfinite(one); });
  const auto limit = static_cast<float>(6 * out.rms);
  if (highest > limit) {  // otherwise there is nothing to count
    IntLanes above = {};
    for (std::size_t i = 0; i < whole; i += kLanes) {
      load(v, x + i);
      v = v < 0.0f ? -v : v;                 // the two comparisons joined would be taken apart into single numbers (GCC 12)
      above -= v > limit;                    // a comparison is -1 where it holds
    }
    int64_t outliers = std::count_if(x + whole, x + n, [&](float one) { return std::abs(one) > limit; });
    for (std::size_t k = 0; k < kLanes; ++k) outliers += above[k];
    out.outliers = static_cast<double>(outliers) / count;
  }
  return out;
}

void ForwardWatch::begin(int64_t image, double timestep) {
  image_ = image;
  timestep_ = timestep;
  misled_ = 0;
  attention_ = {};
  blocks_.clear();
  layers_ = self_layers_ = 0;
  self_entropy_ = 0;
}

void ForwardWatch::on_entropy(std::string_view, const at::Tensor& entropy, int64_t keys) {
  if (keys < 2) return;
  const Stopwatch stopwatch(spent_ms_);
  const int64_t rows = entropy.numel() / entropy.size(0);
  const float* p = entropy.data_ptr<float>() + std::min(image_, entropy.size(0) - 1) * rows;
  double sum = 0;
  for (int64_t i = 0; i < rows; ++i) sum += p[i];
  self_entropy_ += sum / static_cast<double>(rows) / std::log(static_cast<double>(keys));
  ++self_layers_;
}

double ForwardWatch::self_entropy() const { return self_layers_ > 0 ? self_entropy_ / static_cast<double>(self_layers_) : std::nan(""); }

bool ForwardWatch::wants_attention(std::string_view, bool cross) const {
  return plan_.attention && cross && layers_ < plan_.max_layers;
}

void ForwardWatch::on_attention(const AttentionCall& call) {
  if (call.q.size(2) != plan_.height * plan_.width) return;
  const Stopwatch stopwatch(spent_ms_);
  const auto size = [](const at::Tensor& t, int64_t d) { return static_cast<std::size_t>(t.size(d)); };
  const auto stride = [](const at::Tensor& t, int64_t d) { return static_cast<std::size_t>(t.stride(d)); };
  const std::size_t heads = size(call.q, 1), queries = size(call.q, 2), dim = size(call.q, 3), tokens = size(call.k, 2);
  if (layers_++ == 0) {
    attention_.height = plan_.height;
    attention_.width = plan_.width;
    attention_.tokens = call.k.size(2);
    sum_.assign(queries * padded_to_lanes(tokens), 0.0f);
  }
  if (call.bias.defined()) return add_biased(call);
  const bool direct = call.q.scalar_type() == at::kFloat && call.q.is_cpu() && call.q.stride(3) == 1 && call.k.stride(3) == 1;
  const at::Tensor q = direct ? call.q : call.q.to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor k = direct ? call.k : call.k.to(at::kCPU, at::kFloat).contiguous();
  const auto image = static_cast<std::size_t>(image_);
  keys_.assign(dim * padded_to_lanes(tokens), 0.0f);
  double spread = 0;
  for (std::size_t h = 0; h < heads; ++h) {
    const float* kh = k.data_ptr<float>() + image * stride(k, 0) + h * stride(k, 1);
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t d = 0; d < dim; ++d) keys_[(t / kLanes * dim + d) * kLanes + t % kLanes] = kh[t * stride(k, 2) + d];
    const Queries rows{.first = q.data_ptr<float>() + image * stride(q, 0) + h * stride(q, 1), .stride = stride(q, 2), .count = queries, .dim = dim};
    spread += add_softmax(rows, keys_.data(), tokens, static_cast<float>(call.scale), sum_.data());
  }
  attention_.logit_std += spread / static_cast<double>(heads * queries);
}

// Layers whose logits carry a bias are rare; library calls will do.
void ForwardWatch::add_biased(const AttentionCall& call) {
  const int64_t image = std::min(image_, call.q.size(0) - 1);
  const auto row = [&](const at::Tensor& t) { return t[std::min(image, t.size(0) - 1)].to(at::kCPU, at::kFloat); };
  const at::Tensor logits = row(call.q).matmul(row(call.k).transpose(1, 2)) * call.scale + row(call.bias);
  const at::Tensor maps = logits.softmax(2).sum(0).contiguous();
  const auto tokens = static_cast<std::size_t>(maps.size(1)), padded = padded_to_lanes(tokens);
  const float* p = maps.data_ptr<float>();
  for (std::size_t i = 0; i < static_cast<std::size_t>(maps.size(0)); ++i)
    for (std::size_t t = 0; t < tokens; ++t) sum_[i * padded + t] += p[i * tokens + t];
  attention_.logit_std += logits.std(2, false).mean().item<double>();
}

const AttentionSummary* ForwardWatch::attention() {
  if (layers_ == 0) return nullptr;
  const auto tokens = static_cast<std::size_t>(attention_.tokens), padded = padded_to_lanes(tokens), queries = sum_.size() / padded;
  attention_.map.resize(queries * tokens);
  float total = 0;  // every row sums to heads * layers
  for (std::size_t t = 0; t < tokens; ++t) total += sum_[t];
  const float scale = total > 0 ? 1.0f / total : 0.0f;
  for (std::size_t i = 0; i < queries; ++i)
    for (std::size_t t = 0; t < tokens; ++t) attention_.map[i * tokens + t] = sum_[i * padded + t] * scale;
  attention_.logit_std /= static_cast<double>(layers_);
  return &attention_;
}

void ForwardWatch::on_timesteps(const at::Tensor& timesteps) {
  misled_ = timesteps.reshape({-1})[std::min(image_, timesteps.numel() - 1)].item<double>() - timestep_;
}

void DecodeWatch::on_decode(const at::Tensor& given, const at::Tensor& made) {
  latents = given[0].to(at::kCPU, at::kFloat).contiguous();
  pixels = made[0].to(at::kCPU, at::kFloat).contiguous();
}

void ForwardWatch::on_block(std::string_view, const at::Tensor& x) {
  const Stopwatch stopwatch(spent_ms_);
  const at::Tensor one = x.select(0, std::min(image_, x.size(0) - 1)).to(at::kCPU, at::kFloat).contiguous();
  blocks_.push_back(summarise(one.data_ptr<float>(), static_cast<std::size_t>(one.numel())));
}

}  // namespace safelight
