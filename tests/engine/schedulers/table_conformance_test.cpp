// What every solver in the table must do, with no code of its own.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "common/base/error.h"
#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

constexpr double kVariance = 0.5;  // of the Gaussian data for which the best denoiser is known in closed form

SolverInputs inputs(const SolverEntry& entry, int steps, NoiseSource& noise, const Json& settings = Json::object()) {
  SolverInputs in;
  Json config = {{"skip_prk_steps", true}};
  const SchedulerConfig defaults = SchedulerConfig::from_json(config, "test", entry.class_name);
  if (defaults.frame() == Frame::variance_preserving)
    config.update({{"beta_start", 0.00085}, {"beta_end", 0.012}, {"beta_schedule", "scaled_linear"}, {"clip_sample", false}});
  if (defaults.spacing == "leading" && defaults.frame() == Frame::variance_preserving) config["steps_offset"] = 1;
  config.update(settings);
  in.config = SchedulerConfig::from_json(config, "test", entry.class_name);
  if (entry.adjust) entry.adjust(in.config);
  in.steps = steps;
  in.noise = at::ones({1, 1, 2, 2});
  in.source = &noise;
  return in;
}

// What a perfect model of Gaussian data says of x = a x0 + s n, in the form that the config's prediction asks for.
at::Tensor raw_of(const at::Tensor& x0, const Evaluation& e, Prediction form) {
  const double a = e.node.alpha, s = e.node.sigma;
  const at::Tensor eps = (e.model_input - a * x0) / s;
  switch (form) {
    case Prediction::epsilon: return eps;
    case Prediction::v_prediction: return a * eps - s * x0;
    case Prediction::sample: return x0;
    case Prediction::flow: return eps - x0;
    case Prediction::edm: return s * x0 - a * eps;
  }
  return eps;
}

double deviation(const Node& n) { return std::sqrt(n.alpha * n.alpha * kVariance + n.sigma * n.sigma); }

// The mean of the data given x.
at::Tensor best_estimate(const Evaluation& e) { return e.model_input * (e.node.alpha * kVariance / (deviation(e.node) * deviation(e.node))); }

void advance(Solver& solver, const SchedulerConfig& config, const Evaluation& e) {
  solver.feed(Converter(config).estimate(raw_of(best_estimate(e), e, config.prediction), e.model_input, e.node));
}

class EverySolver : public testing::TestWithParam<SolverEntry> {};

TEST_P(EverySolver, EndsFiniteAfterItsSteps) {
  for (const int steps : {1, 2, 5, 20}) {
    TorchNoise noise(3, 1);
    const auto solver = make_solver(inputs(GetParam(), steps, noise));
    const SchedulerConfig config = inputs(GetParam(), steps, noise).config;
    while (const auto e = solver->next()) advance(*solver, config, *e);
    EXPECT_TRUE(at::isfinite(solver->latent()).all().item<bool>()) << steps;
    EXPECT_EQ(solver->step(), solver->steps());
  }
}

TEST_P(EverySolver, RestartsFromEveryStepWithTheSameBytes) {
  constexpr int kSteps = 8;
  TorchNoise noise(3, 1);
  const auto solver = make_solver(inputs(GetParam(), kSteps, noise));
  const SchedulerConfig config = inputs(GetParam(), kSteps, noise).config;
  std::vector<std::pair<SolverState, int64_t>> points;
  while (const auto e = solver->next()) {
    const SolverState s = solver->state();
    if (static_cast<int>(points.size()) == solver->step()) points.emplace_back(SolverState{s.x.clone(), s.history, s.scalars}, noise.draws());
    advance(*solver, config, *e);
  }
  ASSERT_GE(points.size(), 8u);
  for (const auto& [state, draws] : points) {
    TorchNoise again(3, 1);
    const auto other = make_solver(inputs(GetParam(), kSteps, again));
    again.skip_to(draws, {1, 1, 2, 2});
    other->restore(state);
    while (const auto e = other->next()) advance(*other, config, *e);
    EXPECT_TRUE(at::equal(other->latent(), solver->latent())) << "from step " << &state - &points.front().first;
  }
}

TEST_P(EverySolver, RefusesZeroSteps) {
  TorchNoise noise(3, 1);
  EXPECT_THROW(make_solver(inputs(GetParam(), 0, noise)), Error);
}

// The probability flow of Gaussian data keeps x / deviation constant. Measured at the start of the last step, which has its
// own rules in most solvers, on Karras' levels where the solver can take them: near clean images, equal steps of training
// time never get small in terms of the noise level. The others are measured at a timestep that both grids visit.
double flow_error(const SolverEntry& entry, int steps) {
  constexpr double kMeetingPoint = 241;
  TorchNoise noise(3, 1);
  Json settings = {{"lower_order_final", false}};
  const bool timesteps = entry.name == "ddim" || entry.name == "pndm";
  if (!timesteps) settings["use_karras_sigmas"] = true;
  if (entry.class_name.starts_with("DPM") || entry.class_name.starts_with("UniPC")) settings["final_sigmas_type"] = "sigma_min";
  SolverInputs in = inputs(entry, steps, noise, settings);
  in.noise = at::ones({1, 1, 1, 1}, at::kDouble);
  const auto solver = make_solver(in);
  double first = 0, last = 0;
  int step = -1;
  while (const auto e = solver->next()) {
    const double ratio = e->model_input.item<double>() / deviation(e->node);
    if (step < 0) first = ratio;
    if (timesteps ? e->node.timestep == kMeetingPoint : solver->step() == steps - 1) last = ratio;
    step = solver->step();
    advance(*solver, in.config, *e);
  }
  return std::abs(last / first - 1);
}

TEST_P(EverySolver, ConvergesAtItsDeclaredOrder) {
  if (GetParam().stochastic) GTEST_SKIP() << "has no single answer";
  const double coarse = flow_error(GetParam(), 48), fine = flow_error(GetParam(), 96);
  const double order = std::log2(coarse / fine);
  RecordProperty("order", std::to_string(order));
  std::printf("%-16s order %.2f (errors %.2e, %.2e)\n", GetParam().name.c_str(), order, coarse, fine);
  EXPECT_GT(order, GetParam().order - 0.35);
  EXPECT_LT(order, GetParam().order + 1.2);
}

TEST_P(EverySolver, StochasticOnesKeepMeanAndVariance) {
  if (!GetParam().stochastic) GTEST_SKIP() << "draws nothing";
  constexpr int64_t kSamples = 20'000;
  const bool consistency = GetParam().name == "lcm" || GetParam().name == "tcd";
  TorchNoise noise(5, 1);
  SolverInputs in = inputs(GetParam(), consistency ? 4 : 200, noise);
  in.noise = noise.draw({1, 1, 1, kSamples});
  if (GetParam().name == "tcd") in.eta = 1;  // its other settings trust the estimate of the noise
  const auto solver = make_solver(in);
  while (const auto e = solver->next()) {
    // These two expect a model that jumps to the end of the flow.
    const at::Tensor x0 = consistency ? e->model_input * (std::sqrt(kVariance) / deviation(e->node)) : best_estimate(*e);
    solver->feed(Converter(in.config).estimate(raw_of(x0, *e, in.config.prediction), e->model_input, e->node));
  }
  const at::Tensor x = solver->latent();
  EXPECT_NEAR(x.mean().item<double>(), 0, 0.03);
  EXPECT_NEAR(x.var().item<double>(), kVariance, 0.1 * kVariance);
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
