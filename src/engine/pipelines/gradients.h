// What a score of a picture hangs on: its gradient with respect to the latent, to every token's embedding and to every module's output, at one step
// of a run. The step is evaluated anew beside the run, so that nothing of the picture changes; backpropagation through the network, guidance and the
// decoder as saliency maps use it (Simonyan et al., arXiv:1312.6034).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/measure/part_statistics.h"
#include "engine/pipelines/run.h"

namespace safelight {

struct GradientQuestion {
  std::string score;                   // of gradient_scores()
  std::string word;                    // for scores of a word: as the prompt has it
  int step = 0;                        // whose first evaluation is looked at
  std::optional<PixelRegion> region;   // for scores of pixels; the whole picture without it
};

// What moves the score by how much: the largest change, to first order, that a change by 1 % of its norm can bring about.
struct Influence {
  std::string name;                    // the token's text, or the module
  int place = 0;                       // in the list of tokens, or in forward order
  double per_percent = 0;
};

// The strongest influences, really moved by 0.01 % along their gradient: whether the gradient is right. (By 1 % the score may curve away.)
struct GradientCheck {
  std::string name;
  double predicted = 0, measured = 0;
};

struct Gradients {
  std::string score, word;
  double value = 0;                    // of the score, at this step's estimate of the picture
  int step = 0;
  double timestep = 0;
  std::vector<Influence> tokens;       // in the order of the prompt, of the conditional half
  std::vector<Influence> modules;      // in forward order
  int64_t map_height = 0, map_width = 0;
  std::vector<float> map;              // of the latent's cells: norm over channels of the gradient, which is that of both halves together
  std::vector<GradientCheck> checks;
};

template <class V>
void fields(V& v, Influence& i) {
  v("name", i.name), v("place", i.place), v("per_percent", i.per_percent);
}
template <class V>
void fields(V& v, GradientCheck& c) {
  v("name", c.name), v("predicted", c.predicted), v("measured", c.measured);
}
template <class V>
void fields(V& v, Gradients& g) {
  v("score", g.score), v("word", g.word), v("value", g.value), v("step", g.step), v("timestep", g.timestep), v("tokens", g.tokens), v("modules", g.modules);
  v("map_height", g.map_height), v("map_width", g.map_width), v("map", g.map), v("checks", g.checks);
}

struct GradientScore {
  const char* name;
  const char* meaning;
  bool of_word = false;                // asks for GradientQuestion::word
};
const std::vector<GradientScore>& gradient_scores();

// Of picture 0. `options`: those of the run (inputs, interventions, among them the restart point to begin from); its trace and probes are not used.
// Memory: one step with all activations kept. Throws Error(invalid_argument) for an unknown score, word, region, or a step that the run does not have;
// Error(non_finite) where the score has no slope;
// what run() throws. Thread-safe.
Gradients gradients(const Components& components, const GenerateRequest& request, RunOptions options, const GradientQuestion& question);

}  // namespace safelight
