#include "engine/pipelines/gradients.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "engine/pipelines/gradient_scores.h"
#include "engine/pipelines/run_errors.h"
#include "engine/pipelines/run_state.h"
#include "engine/tensor/attention.h"

namespace safelight {
namespace {

constexpr double kPercent = 0.01, kChecked = 0.0001;   // of a norm

// What is added to a token's embedding or a module's output, to see whether the score moves as its gradient says.
struct Push {
  std::string module;   // empty: the text
  at::Tensor delta;
};

// Keeps every module's output with its gradient, or pushes one; after the run's own edits.
class KeepBlocks final : public ForwardEdit {
 public:
  KeepBlocks(ForwardEdit* own, bool keep, const Push* push) : own_(own), keep_(keep), push_(push) {}
  void edit_attention(AttentionCall& call) override {
    if (own_) own_->edit_attention(call);
  }
  at::Tensor edit_block(std::string_view module, at::Tensor x) override {
    if (own_) x = own_->edit_block(module, std::move(x));
    if (push_ && push_->module == module) x = x + push_->delta;
    if (keep_ && x.requires_grad()) {
      x = x.view_as(x);   // an alias, so that what the network kept of x for later (a skip) does not count as this output's
      x.retain_grad();
      blocks.emplace_back(module, x);
    }
    return x;
  }
  std::vector<std::pair<std::string, at::Tensor>> blocks;

 private:
  ForwardEdit* own_;
  bool keep_;
  const Push* push_;
};

class KeepAttention final : public ForwardObserver {
 public:
  explicit KeepAttention(int64_t row) : row_(row) {}
  bool wants_attention(std::string_view, bool cross) const override { return cross; }
  void on_attention(const AttentionCall& call) override { layers.push_back(attention_probabilities(call)[row_]); }
  std::vector<at::Tensor> layers;

 private:
  int64_t row_;
};

std::vector<int64_t> places_of(const std::string& word, const TokenizedPrompt& tokens) {
  std::vector<int64_t> places;
  for (const TokenWord& w : words_of(tokens))
    for (int i = 0; w.text == word && i < w.tokens; ++i) places.push_back(w.token + i);
  return places;
}

at::Tensor cropped(const at::Tensor& pixels, const std::optional<PixelRegion>& r) {
  if (!r) return pixels;
  if (r->x < 0 || r->y < 0 || r->width < 3 || r->height < 3 || int64_t{r->x} + r->width > pixels.size(3) || int64_t{r->y} + r->height > pixels.size(2))
    throw Error(ErrorCode::invalid_argument, "the region " + std::to_string(r->x) + "," + std::to_string(r->y) + "," + std::to_string(r->width) + "," + std::to_string(r->height) +
                                                 " does not lie in the picture of " + std::to_string(pixels.size(3)) + " x " + std::to_string(pixels.size(2)) + ", or is smaller than 3 x 3");
  return pixels.narrow(2, r->y, r->height).narrow(3, r->x, r->width);
}

double norm_of(const at::Tensor& t) { return t.defined() ? t.to(at::kDouble).norm().item<double>() : 0.0; }

// The evaluation of one step, which may be made again with something pushed.
class Step {
 public:
  Step(RunState& state, Evaluation wanted, const GradientQuestion& question, const GradientScoreRow& row)
      : s_(state), wanted_(std::move(wanted)), question_(question), row_(row), guided_(state.guided_at(state.solver->step())),
        row_of_picture_(guided_ ? state.request.count : 0), text_((guided_ ? state.both : state.alone).text.detach().clone()) {
    if (row.about.of_word) word_ = places_of(question.word, state.tokens());
    if (row.about.of_word && word_.empty())
      throw Error(ErrorCode::invalid_argument, "score " + question.score + ": the prompt has no word '" + question.word + "'; give one of its words with --word");
  }

  Gradients differentiated() {
    Gradients out{.score = question_.score, .word = question_.word, .value = 0, .step = question_.step, .timestep = wanted_.node.timestep, .tokens = {}, .modules = {}, .map_height = 0, .map_width = 0, .map = {}, .checks = {}};
    const c10::AutoGradMode with_gradients(true);
    const at::Tensor latent = wanted_.model_input.detach().clone().requires_grad_(true), text = text_.detach().clone().requires_grad_(true);
    KeepBlocks keep(own_edit(), true, nullptr);
    const at::Tensor score = value(latent, text, keep);
    out.value = score.item<double>();
    if (score.requires_grad()) score.backward();
    if (!std::isfinite(out.value) || (latent.grad().defined() && !at::isfinite(latent.grad()).all().item<bool>()))
      throw Error(ErrorCode::non_finite, "score " + question_.score + " is " + std::to_string(out.value) + " at step " + std::to_string(question_.step) + " and has no slope there; ask for another score or step");
    take_tokens(text, out);
    take_modules(keep, out);
    take_map(latent, out);
    check(text, keep, out);
    return out;
  }

 private:
  ForwardEdit* own_edit() { return s_.edit.needed() ? &s_.edit : nullptr; }

  at::Tensor value(const at::Tensor& latent, const at::Tensor& text, ForwardEdit& edit) {
    (guided_ ? s_.both : s_.alone).text = text;
    Evaluation here = wanted_;
    here.model_input = latent;
    KeepAttention attention(row_of_picture_);
    ForwardHooks hooks{.observer = row_.needs_attention ? &attention : nullptr, .edit = &edit, .merge_tokens = s_.request.shortcuts.merge_tokens};
    s_.evaluate(here, hooks);
    const auto first = [](const at::Tensor& t) { return t.defined() ? t.narrow(0, 0, 1) : t; };
    GradientView view{.pixels = {}, .cond = first(s_.cond), .uncond = first(s_.uncond), .x0 = first(s_.estimate.x0), .attention = std::move(attention.layers), .word = word_};
    if (row_.needs_pixels) view.pixels = cropped(s_.decoded(view.x0, nullptr), question_.region);
    const at::Tensor score = row_.value(view);
    if (!score.defined()) throw Error(ErrorCode::invalid_argument, "score " + question_.score + " does not arise at step " + std::to_string(question_.step) + " of this run; see `safelight gradients --help`");
    return score;
  }

  void take_tokens(const at::Tensor& text, Gradients& out) const {
    const std::vector<TokenSpan>& spans = s_.tokens().tokens;
    for (std::size_t i = 0; i < spans.size() && static_cast<int64_t>(i) < text.size(1); ++i) {
      const auto at = static_cast<int64_t>(i);
      const double slope = text.grad().defined() ? norm_of(text.grad()[row_of_picture_][at]) : 0.0;
      out.tokens.push_back({spans[i].special ? (i == 0 ? "(begin)" : "(end)") : spans[i].text, static_cast<int>(i), kPercent * slope * norm_of(text[row_of_picture_][at].detach())});
    }
  }

  static void take_modules(const KeepBlocks& keep, Gradients& out) {
    for (const auto& [name, x] : keep.blocks) out.modules.push_back({name, static_cast<int>(out.modules.size()), kPercent * norm_of(x.grad()) * norm_of(x.detach())});
  }

  static void take_map(const at::Tensor& latent, Gradients& out) {
    out.map_height = latent.size(2), out.map_width = latent.size(3);
    const at::Tensor map = (latent.grad().defined() ? latent.grad() : at::zeros_like(latent))[0].norm(2, {0}).to(at::kFloat).contiguous();
    out.map.assign(map.data_ptr<float>(), map.data_ptr<float>() + map.numel());
  }

  // Along `slope`, by kChecked of the norm of `x`.
  static at::Tensor along(const at::Tensor& slope, const at::Tensor& x) { return slope * (kChecked * norm_of(x) / norm_of(slope)); }

  void check(const at::Tensor& text, const KeepBlocks& keep, Gradients& out) {
    const at::NoGradGuard no_grad;
    const auto stronger = [](const Influence& a, const Influence& b) { return a.per_percent < b.per_percent; };
    const auto moved = [&](const at::Tensor& with_text, const Push* push) {
      KeepBlocks edit(own_edit(), false, push);
      return value(wanted_.model_input, with_text, edit).item<double>() - out.value;
    };
    if (const auto top = std::max_element(out.tokens.begin(), out.tokens.end(), stronger); top != out.tokens.end() && top->per_percent > 0) {
      at::Tensor pushed = text.detach().clone(), row = pushed[row_of_picture_][top->place];
      row.add_(along(text.grad()[row_of_picture_][top->place], row));
      out.checks.push_back({"token '" + top->name + "'", kChecked / kPercent * top->per_percent, moved(pushed, nullptr)});
    }
    if (const auto top = std::max_element(out.modules.begin(), out.modules.end(), stronger); top != out.modules.end() && top->per_percent > 0) {
      const at::Tensor& x = keep.blocks[static_cast<std::size_t>(top->place)].second;
      const Push push{top->name, along(x.grad(), x.detach())};
      out.checks.push_back({top->name, kChecked / kPercent * top->per_percent, moved(text_, &push)});
    }
  }

  RunState& s_;
  const Evaluation wanted_;
  const GradientQuestion& question_;
  const GradientScoreRow& row_;
  const bool guided_;
  const int64_t row_of_picture_;   // of picture 0's conditional half
  const at::Tensor text_;
  std::vector<int64_t> word_;
};

const GradientScoreRow& row_of(const std::string& score) {
  std::string known;
  for (const GradientScoreRow& row : gradient_score_table()) {
    if (score == row.about.name) return row;
    known += (known.empty() ? "" : ", ") + std::string(row.about.name);
  }
  throw Error(ErrorCode::invalid_argument, "score '" + score + "' is unknown; known: " + known);
}

Gradients at_step(const Components& components, const GenerateRequest& request, RunOptions& options, const GradientQuestion& question, const GradientScoreRow& row) {
  const at::NoGradGuard no_grad;
  RunState s(components, request, options);
  s.tokenise();
  s.encode_text();
  s.start_latents();
  if (question.step < 0 || question.step >= s.solver->steps())
    throw Error(ErrorCode::invalid_argument, "step " + std::to_string(question.step) + ": the run has steps 0 to " + std::to_string(s.solver->steps() - 1));
  s.start_restart();
  while (s.solver->step() < question.step && s.advance()) {
  }
  auto wanted = s.next_evaluation();
  if (!wanted || s.solver->step() != question.step) throw Error(ErrorCode::invalid_argument, "step " + std::to_string(question.step) + " was not run");
  return Step(s, std::move(*wanted), question, row).differentiated();
}

}  // namespace

Gradients gradients(const Components& components, const GenerateRequest& request, RunOptions options, const GradientQuestion& question) {
  const GradientScoreRow& row = row_of(question.score);
  if (question.region && !row.needs_pixels) throw Error(ErrorCode::invalid_argument, "score " + question.score + " is not of pixels; a region says nothing about it");
  if (!question.word.empty() && !row.about.of_word) throw Error(ErrorCode::invalid_argument, "score " + question.score + " is of no word; for one there is word-attention");
  options.trace = nullptr;
  options.probes.clear();
  try {
    return at_step(components, request, options, question, row);
  } catch (...) {
    throw error_in_flight();
  }
}

}  // namespace safelight
