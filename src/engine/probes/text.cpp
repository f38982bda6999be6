// What became of the prompt's words (P13, P14): tokens used, cut off and unknown; the ids that reached the encoder; embedding norms and
// sketches; distance to the empty prompt.
#include <ATen/ATen.h>

#include "common/measure/sketch.h"

#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

class Text final : public Probe {
 public:
  void on_start(const RunView& view, TraceWriter& trace) override {
    const at::Tensor text = view.text.contiguous(), empty = view.empty_text.contiguous();
    Json tokens = Json::array(), cut = Json::array();
    double norms = 0;
    for (std::size_t i = 0; i < view.tokens.tokens.size(); ++i) {
      const TokenSpan& t = view.tokens.tokens[i];
      const double length = norm(values_of(text[static_cast<int64_t>(i)]));
      norms += length;
      tokens.push_back({{"text", t.text}, {"id", t.id}, {"norm", length}, {"special", t.special}});
    }
    for (const TokenSpan& t : view.tokens.truncated) cut.push_back(t.text);
    trace.fact("text", "tokens", tokens);
    trace.fact("text", "ids", view.tokens.ids);
    trace.fact("text", "sketch", sketch(values_of(text)));
    trace.fact("text", "sketch_empty", sketch(values_of(empty)));
    trace.fact("text", "truncated", cut);
    trace.fact("text", "unknown_words", view.tokens.unknown_words);
    trace.fact("text", "norm_mean", norms / static_cast<double>(view.tokens.tokens.size()));
    trace.fact("text", "distance_to_empty", (text - empty).norm().item<double>() / (empty.norm().item<double>() + 1e-12));
  }
};

}  // namespace

ProbeEntry text() { return {"text", "tokens used, cut off and unknown; embedding norms; distance to the empty prompt", make_probe<Text>}; }

}  // namespace safelight
