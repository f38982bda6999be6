// Cross-attention (P10, P11, P12): where each word looks, how decided the routing is, how much goes to the special
// tokens, how words overlap and move. Maps averaged over heads and the layers of one resolution.
#include <algorithm>
#include <cmath>

#include "engine/pipelines/float_math.h"
#include "engine/probes/table.h"

namespace safelight {
namespace {

struct WordMap {
  double entropy = 0, peak = 0, coverage = 0, x = 0, y = 0;
};

// The sum of p log p; terms below 1e-9 count as nothing.
SAFELIGHT_WIDE double sum_p_log_p(const float* p, std::size_t n) {
  constexpr std::size_t kBlock = 4096;  // float within a block, double across: exact enough and wide
  double total = 0;
  for (std::size_t first = 0; first < n; first += kBlock) {
    Lanes sum = {}, v;
    for (std::size_t i = first; i < std::min(n, first + kBlock); i += kLanes) {
      if (i + kLanes <= n) {
        load(v, p + i);
      } else {
        float rest[kLanes] = {};
        std::copy(p + i, p + n, rest);
        load(v, rest);
      }
      const IntLanes counts = v > 1e-9f;
      const Lanes share = counts ? v : Lanes{} + 1.0f;
      Lanes logarithm = share;
      log_of_positive(logarithm);
      sum += share * logarithm;
    }
    total += sum_of(sum);
  }
  return total;
}

class Attention final : public Probe {
 public:
  ProbeNeeds needs() const override { return {.attention = true, .blocks = false}; }

  void on_start(const RunView& view, TraceWriter& trace) override {
    for (const TokenSpan& t : view.tokens.tokens)
      if (!t.special) labels_.push_back(t.text);
    words_ = static_cast<int64_t>(labels_.size());
    const auto per_word = [&](const char* name, const char* unit, const char* meaning) {
      trace.declare({name, unit, {words_}, "attention", meaning, labels_});
    };
    if (words_ > 0) {
      per_word("attention.token_entropy", "", "spread of each word's map over the picture (1: everywhere alike)");
      per_word("attention.peak", "", "largest share of a pixel's attention that each word gets");
      per_word("attention.coverage", "", "share of the picture where each word gets more than its even share");
      per_word("attention.drift", "width", "movement of each word's centre since the last step");
      trace.declare_map({"attention.cross", static_cast<int64_t>(view.nodes.size()) - 1,
                         {words_, view.latent_height, view.latent_width}, labels_, "share of each pixel's attention on each word"});
    }
    trace.declare({"attention.routing_entropy", "", {}, "attention", "indecision of pixels between tokens (1: all alike)", {}});
    trace.declare({"attention.special_share", "", {3}, "attention", "attention on begin, end and padding tokens", {"begin", "end", "padding"}});
    trace.declare({"attention.overlap", "", {}, "attention", "mean overlap of two words' maps", {}});
    trace.declare({"attention.js", "nat", {}, "attention", "change of the routing since the last step (Jensen-Shannon)", {}});
    trace.declare({"attention.self_entropy", "", {}, "attention", "indecision of self-attention between places (1: all alike)", {}});
    trace.declare({"attention.logit_std", "", {}, "attention", "spread of the logits over tokens (0: attention ignores the text)", {}});
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    if (std::isfinite(s.self_entropy)) trace.series("attention.self_entropy", s.self_entropy);
    if (!s.attention) return;
    const AttentionSummary& a = *s.attention;
    routing(a, trace);
    trace.series("attention.logit_std", a.logit_std);
    if (words_ > 0) per_word(s.index, a, trace);
  }

 private:
  void routing(const AttentionSummary& a, TraceWriter& trace) {
    const int64_t area = a.height * a.width;
    double begin = 0, end = 0, padding = 0;
    for (int64_t i = 0; i < area; ++i) {
      const float* row = a.map.data() + i * a.tokens;
      begin += row[0];
      if (words_ + 1 < a.tokens) end += row[words_ + 1];
      for (int64_t t = words_ + 2; t < a.tokens; ++t) padding += row[t];
    }
    const auto n = static_cast<double>(area);
    const double entropy = sum_p_log_p(a.map.data(), a.map.size()) / n;
    trace.series("attention.routing_entropy", -entropy / std::log(static_cast<double>(a.tokens)));
    const double shares[3] = {begin / n, end / n, padding / n};
    trace.series("attention.special_share", shares);
    // Jensen-Shannon divergence: the entropy of the mean less the mean of the entropies.
    if (previous_.size() == a.map.size()) {
      for (std::size_t i = 0; i < previous_.size(); ++i) previous_[i] = 0.5f * (previous_[i] + a.map[i]);
      const double mixed = sum_p_log_p(previous_.data(), previous_.size()) / n;
      trace.series("attention.js", std::max(0.0, 0.5 * (entropy + previous_entropy_) - mixed));
    }
    previous_ = a.map;
    previous_entropy_ = entropy;
  }

  WordMap measure(const AttentionSummary& a, int64_t token, std::vector<float>& map) const {
    WordMap m;
    double total = 1e-12;
    const double even = 1.0 / static_cast<double>(a.tokens);
    for (std::size_t i = 0; i < map.size(); ++i) {
      map[i] = a.map[i * static_cast<std::size_t>(a.tokens) + static_cast<std::size_t>(token)];
      total += map[i];
      m.peak = std::max(m.peak, static_cast<double>(map[i]));
      m.coverage += map[i] > even ? 1.0 / static_cast<double>(map.size()) : 0.0;
    }
    // H(p / total) = log(total) - sum(p log p) / total
    m.entropy = std::log(total) - sum_p_log_p(map.data(), map.size()) / total;
    for (std::size_t i = 0; i < map.size(); ++i) {
      m.x += map[i] * static_cast<double>(static_cast<int64_t>(i) % a.width);
      m.y += map[i] * static_cast<double>(static_cast<int64_t>(i) / a.width);
    }
    m.x /= total * static_cast<double>(a.width);
    m.y /= total * static_cast<double>(a.height);
    m.entropy /= std::log(static_cast<double>(map.size()));
    return m;
  }

  void per_word(int step, const AttentionSummary& a, TraceWriter& trace) {
    const auto area = static_cast<std::size_t>(a.height * a.width);
    const auto words = static_cast<std::size_t>(words_);
    std::vector<float> maps(words * area);
    std::vector<double> entropy, peak, coverage, drift;
    for (std::size_t w = 0; w < words; ++w) {
      std::vector<float> map(area);
      const WordMap m = measure(a, static_cast<int64_t>(w) + 1, map);
      std::copy(map.begin(), map.end(), maps.begin() + static_cast<std::ptrdiff_t>(w * area));
      entropy.push_back(m.entropy);
      peak.push_back(m.peak);
      coverage.push_back(m.coverage);
      drift.push_back(centres_.size() == words ? std::hypot(m.x - centres_[w].x, m.y - centres_[w].y) : 0.0);
      if (centres_.size() < words) centres_.push_back(m);
      else centres_[w] = m;
    }
    trace.series("attention.token_entropy", entropy);
    trace.series("attention.peak", peak);
    trace.series("attention.coverage", coverage);
    trace.series("attention.drift", drift);
    trace.series("attention.overlap", overlap(maps, words, area));
    trace.map("attention.cross", step, maps);
  }

  static double overlap(const std::vector<float>& maps, std::size_t words, std::size_t area) {
    double sum = 0;
    int pairs = 0;
    for (std::size_t a = 0; a < words; ++a)
      for (std::size_t b = a + 1; b < words && b < a + 8; ++b, ++pairs) {  // neighbours matter; all pairs would be quadratic
        double both = 0, either = 1e-12;
        for (std::size_t i = 0; i < area; ++i) {
          both += std::min(maps[a * area + i], maps[b * area + i]);
          either += std::max(maps[a * area + i], maps[b * area + i]);
        }
        sum += both / either;
      }
    return pairs > 0 ? sum / pairs : 0.0;
  }

  std::vector<std::string> labels_;
  int64_t words_ = 0;
  std::vector<WordMap> centres_;
  std::vector<float> previous_;
  double previous_entropy_ = 0;  // negative: sum of p log p per pixel
};

}  // namespace

ProbeEntry attention() { return {"attention", "cross-attention maps, entropy, special-token share, overlap and drift of words", make_probe<Attention>}; }

}  // namespace safelight
