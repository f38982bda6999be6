// What every solver in the table must do, with no code of its own.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/base/error.h"
#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

constexpr double kVariance = 0.5;  // of the Gaussian data for which the best denoiser is known in closed form

SolverInputs inputs(const SolverEntry& entry, int steps, NoiseSource& noise) {
  SolverInputs in;
  in.config.class_name = entry.class_name;
  in.config.beta_start = 0.00085;
  in.config.beta_end = 0.012;
  in.config.beta_schedule = "scaled_linear";
  in.config.skip_prk_steps = true;
  in.config.steps_offset = 1;
  in.config.spacing = entry.name == "ddim" || entry.name == "pndm" || entry.name == "lcm" ? "leading" : "linspace";
  in.steps = steps;
  in.noise = at::ones({1, 1, 2, 2});
  in.source = &noise;
  return in;
}

at::Tensor best_noise_estimate(const Evaluation& e) {
  const double a = e.node.alpha, s = e.node.sigma;
  return e.model_input * (s / (a * a * kVariance + s * s));
}

void advance(Solver& solver, const Converter& converter, const Evaluation& e) {
  solver.feed(converter.estimate(best_noise_estimate(e), e.model_input, e.node));
}

class EverySolver : public testing::TestWithParam<SolverEntry> {};

TEST_P(EverySolver, EndsFiniteAfterItsSteps) {
  for (const int steps : {1, 2, 5, 20}) {
    TorchNoise noise(3, 1);
    const auto solver = make_solver(inputs(GetParam(), steps, noise));
    const Converter converter(inputs(GetParam(), steps, noise).config);
    while (const auto e = solver->next()) advance(*solver, converter, *e);
    EXPECT_TRUE(at::isfinite(solver->latent()).all().item<bool>()) << steps;
    EXPECT_EQ(solver->step(), solver->steps());
  }
}

TEST_P(EverySolver, RestartsFromEveryStepWithTheSameBytes) {
  constexpr int kSteps = 8;
  TorchNoise noise(3, 1);
  const auto solver = make_solver(inputs(GetParam(), kSteps, noise));
  const Converter converter(inputs(GetParam(), kSteps, noise).config);
  std::vector<std::pair<SolverState, int64_t>> points;
  while (const auto e = solver->next()) {
    const SolverState s = solver->state();
    if (static_cast<int>(points.size()) == solver->step()) points.emplace_back(SolverState{s.x.clone(), s.history, s.scalars}, noise.draws());
    advance(*solver, converter, *e);
  }
  ASSERT_GE(points.size(), 8u);
  for (const auto& [state, draws] : points) {
    TorchNoise again(3, 1);
    const auto other = make_solver(inputs(GetParam(), kSteps, again));
    again.skip_to(draws, {1, 1, 2, 2});
    other->restore(state);
    while (const auto e = other->next()) advance(*other, converter, *e);
    EXPECT_TRUE(at::equal(other->latent(), solver->latent())) << "from step " << &state - &points.front().first;
  }
}

TEST_P(EverySolver, RefusesZeroSteps) {
  TorchNoise noise(3, 1);
  EXPECT_THROW(make_solver(inputs(GetParam(), 0, noise)), Error);
}

INSTANTIATE_TEST_SUITE_P(Table, EverySolver, testing::ValuesIn(solver_table()), [](const auto& info) {
  std::string name = info.param.name;
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

TEST(SolverTable, NamesTheKnownOnesWhenItRefuses) {
  try {
    solver_named("sorcery");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("euler-ancestral"), std::string::npos);
  }
}

}  // namespace
}  // namespace safelight
