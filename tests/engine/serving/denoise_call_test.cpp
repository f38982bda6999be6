// Evaluations that share a batch: rows, conditioning and what observers see.
#include "engine/serving/denoise_call.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

#include "tests/engine/serving/model.h"

namespace safelight {
namespace {

at::Tensor random(at::IntArrayRef shape, uint64_t seed) { return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions(at::kFloat)); }

// Everything that a pass shows, in order. Copies: views end with the pass.
class Recorder final : public ForwardObserver {
 public:
  explicit Recorder(bool entropies = true) : entropies_(entropies) {}
  bool wants_attention(std::string_view, bool cross) const override { return cross; }
  void on_attention(const AttentionCall& call) override {
    keep(std::string(call.layer) + ".q", call.q);
    keep(std::string(call.layer) + ".k", call.k);
    keep(std::string(call.layer) + ".v", call.v);
  }
  bool wants_entropy(std::string_view, bool cross) const override { return entropies_ && !cross; }
  void on_entropy(std::string_view layer, const at::Tensor& entropy, int64_t keys) override {
    EXPECT_TRUE(entropy.is_contiguous());   // observers read its memory
    keep(std::string(layer) + ".entropy" + std::to_string(keys), entropy);
  }
  bool wants_blocks() const override { return true; }
  void on_block(std::string_view module, const at::Tensor& x) override { keep(std::string(module), x); }
  void on_timesteps(const at::Tensor& timesteps) override { keep("timesteps", timesteps); }
  std::vector<std::pair<std::string, at::Tensor>> seen;

 private:
  void keep(std::string name, const at::Tensor& t) { seen.emplace_back(std::move(name), t.clone()); }
  bool entropies_;
};

class Thrower final : public ForwardObserver {
 public:
  bool wants_blocks() const override { return true; }
  void on_block(std::string_view, const at::Tensor&) override {
    ++shown;
    throw std::runtime_error("the disk is full");
  }
  int shown = 0;
};

// One run's evaluation of the real network: `pictures` rows, and as many of the negative prompt where guided.
struct Evaluation {
  Evaluation(int64_t pictures, bool guided, double timestep, uint64_t seed, ForwardObserver* observer = nullptr) {
    const int64_t rows = guided ? 2 * pictures : pictures;
    const auto tokens = nano().prompt->tokenise({.text = "a red circle"}, 0);
    const auto empty = nano().prompt->tokenise({.text = ""}, 0);
    const at::Tensor with = nano().prompt->encode(tokens, {}).text.expand({pictures, -1, -1}), without = nano().prompt->encode(empty, {}).text.expand({pictures, -1, -1});
    conditioning.text = guided ? at::cat({without, with}, 0) : with;
    conditioning.unconditional = guided ? pictures : 0;
    x = random({rows, nano().denoiser->latent_channels(), 8, 8}, seed);
    timesteps = at::full({rows}, timestep, at::kFloat);
    hooks.observer = observer;
  }
  DenoiseCall call(const Denoiser& denoiser = *nano().denoiser) {
    return {.denoiser = denoiser, .x = x, .timesteps = timesteps, .conditioning = conditioning, .hooks = hooks, .shares = true, .out = {}, .error = {}};
  }
  at::Tensor alone() const { return nano().denoiser->predict(x, timesteps, conditioning, {}); }

  at::Tensor x, timesteps;
  Conditioning conditioning;
  ForwardHooks hooks;
};

void expect_near(const at::Tensor& a, const at::Tensor& b, const std::string& what) {
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  EXPECT_LE(((a - b).norm() / (b.norm() + 1e-12)).item<double>(), 1e-5) << what;
}

class SharedBatch : public testing::Test {
  at::NoGradGuard no_grad_;
};

TEST_F(SharedBatch, GivesEveryCallWhatItGetsAlone) {
  Evaluation a(1, true, 900, 1), b(1, false, 300, 2), c(2, true, 20, 3), d(1, true, 500, 4);
  DenoiseCall calls[] = {a.call(), b.call(), c.call(), d.call()};
  compute_together({&calls[0], &calls[1], &calls[2], &calls[3]});
  const Evaluation* own[] = {&a, &b, &c, &d};
  for (std::size_t i = 0; i < 4; ++i) expect_near(calls[i].out, own[i]->alone(), "call " + std::to_string(i));
}

// What reads Conditioning::unconditional (a ControlNet that guesses) pairs row i of the one half with row i of the other.
TEST_F(SharedBatch, PutsTheRowsOfNegativePromptsFirst) {
  class Spy final : public DenoiserDecorator {
   public:
    Spy() : DenoiserDecorator(nano().denoiser) {}
    at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const override {
      told = timesteps.clone();
      text = c.text.clone();
      unconditional = c.unconditional;
      return inner().predict(x, timesteps, c, hooks);
    }
    mutable at::Tensor told, text;
    mutable int64_t unconditional = 0;
  } spy;
  Evaluation a(1, false, 7, 1), b(2, true, 300, 2), c(1, true, 900, 3);
  DenoiseCall first = a.call(spy), second = b.call(spy), third = c.call(spy);
  compute_together({&first, &second, &third});
  EXPECT_EQ(spy.unconditional, 3);
  EXPECT_TRUE(at::equal(spy.told, at::tensor({300.f, 300.f, 900.f, 300.f, 300.f, 900.f, 7.f}))) << spy.told;
  const at::Tensor empty = c.conditioning.text[0], prompt = c.conditioning.text[1];
  for (int64_t i = 0; i < 7; ++i) EXPECT_TRUE(at::equal(spy.text[i], i < 3 ? empty : prompt)) << i;
}

TEST_F(SharedBatch, ShowsEveryObserverItsOwnRows) {
  Recorder together_a, together_b(false), together_c, alone_a, alone_b(false), alone_c;
  Evaluation a(1, true, 900, 1, &together_a), b(1, false, 300, 2, &together_b), c(2, true, 20, 3, &together_c), unwatched(1, true, 500, 4);
  DenoiseCall calls[] = {a.call(), b.call(), c.call(), unwatched.call()};
  compute_together({&calls[0], &calls[1], &calls[2], &calls[3]});
  const Recorder* together[] = {&together_a, &together_b, &together_c};
  Recorder* alone[] = {&alone_a, &alone_b, &alone_c};
  Evaluation* own[] = {&a, &b, &c};
  for (std::size_t i = 0; i < 3; ++i) {
    own[i]->hooks.observer = alone[i];
    DenoiseCall call = own[i]->call();
    compute(call);
    ASSERT_EQ(together[i]->seen.size(), alone[i]->seen.size()) << i;
    ASSERT_GT(alone[i]->seen.size(), 10u);
    for (std::size_t k = 0; k < alone[i]->seen.size(); ++k) {
      EXPECT_EQ(together[i]->seen[k].first, alone[i]->seen[k].first);
      expect_near(together[i]->seen[k].second, alone[i]->seen[k].second, alone[i]->seen[k].first);
    }
  }
}

TEST_F(SharedBatch, AnObserverThatThrowsFailsItsOwnCall) {
  Thrower thrower;
  Recorder recorder;
  Evaluation a(1, true, 900, 1, &thrower), b(1, true, 300, 2, &recorder);
  DenoiseCall first = a.call(), second = b.call();
  compute_together({&first, &second});
  EXPECT_EQ(thrower.shown, 1);   // nothing more after that
  ASSERT_TRUE(first.error);
  EXPECT_THROW(std::rethrow_exception(first.error), std::runtime_error);
  EXPECT_FALSE(second.error);
  expect_near(second.out, b.alone(), "the other call");
  EXPECT_GT(recorder.seen.size(), 10u);
}

TEST_F(SharedBatch, KeepsApartWhatCannotShare) {
  Evaluation a(1, true, 900, 1), other_size(1, true, 900, 2), other_text(1, true, 900, 3), edited(1, true, 900, 4), merging(1, true, 900, 5), pooled(1, true, 900, 6);
  EXPECT_TRUE(fit_together(a.call(), Evaluation(2, false, 5, 7).call()));
  other_size.x = random({2, nano().denoiser->latent_channels(), 8, 16}, 2);
  other_text.conditioning.text = other_text.conditioning.text.slice(1, 0, 8);
  ForwardEdit edit;
  edited.hooks.edit = &edit;
  merging.hooks.merge_tokens = 0.3;
  pooled.conditioning.pooled = random({2, 16}, 1);
  for (Evaluation* e : {&other_size, &other_text, &edited, &merging, &pooled}) {
    EXPECT_FALSE(fit_together(a.call(), e->call()));
    EXPECT_FALSE(fit_together(e->call(), a.call()));
  }
  DenoiseCall reference = a.call();
  reference.shares = false;
  EXPECT_FALSE(fit_together(reference, a.call()));
}

}  // namespace
}  // namespace safelight
