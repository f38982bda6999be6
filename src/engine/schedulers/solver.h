// A solver is a resumable object: next() says which evaluation it wants, feed() takes its estimate. The loop is not its
// business, so probes, cancelling, restarts and batching look the same for every solver.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/schedulers/convert.h"
#include "engine/schedulers/noise.h"

namespace safelight {

struct Evaluation {
  at::Tensor x;            // the sample in the solver's own scale
  at::Tensor model_input;  // the same in the variance-preserving scale: what the denoiser sees
  Node node;
};

// Everything a solver remembers between steps, opaque to others.
struct SolverState {
  at::Tensor x;
  std::vector<at::Tensor> history;
  std::vector<double> scalars;
};

class Solver {
 public:
  virtual ~Solver() = default;
  virtual std::optional<Evaluation> next() const = 0;       // nullopt when finished
  virtual void feed(const Estimate& estimate) = 0;    // for the evaluation that next() returned last
  virtual at::Tensor latent() const = 0;              // [N,C,h,w], solver's scale; the clean latents at the end
  virtual int step() const = 0;                       // finished steps
  virtual int steps() const = 0;
  virtual Node node(int step) const = 0;              // where step begins; node(steps()) is the end
  virtual SolverState state() const = 0;              // between steps only
  virtual void restore(const SolverState& state) = 0;
  // Clean latents with as much noise as belongs to the place where the solver stands, in its own scale.
  virtual at::Tensor noised(const at::Tensor& clean, const at::Tensor& noise) const = 0;
};

struct SolverInputs {
  SchedulerConfig config;
  int steps = 20;
  CustomSteps custom;
  std::optional<double> eta;            // share of fresh noise, for solvers that have it; else their own default
  bool use_clipped_output = false;
  int lms_order = 4;
  double s_churn = 0, s_tmin = 0, s_tmax = 1e300, s_noise = 1;
  int first = 0;                        // index of the first evaluation to run: image-to-image starts late
  at::Tensor noise;                     // unit noise; the start of text-to-image
  at::Tensor start;                     // clean latents to start from, noised to the first node; else undefined
  at::Tensor partial;                   // latents of an unfinished run, in the variance-preserving scale; else undefined
  NoiseSource* source = nullptr;        // fresh noise; must outlive the solver
};

struct SolverEntry {
  std::string name;                     // "euler-ancestral"
  std::string class_name;               // the reference's
  std::string summary;
  std::string source;                   // paper
  int order = 1;                        // of convergence in the number of steps
  bool stochastic = false;
  std::string history;                  // the form its memory keeps: none, raw, eps, x0
  int min_steps = 1;
  std::unique_ptr<Solver> (*make)(const SolverInputs&) = nullptr;
  int stages = 1;                       // evaluations of a step, as `SolverInputs::first` counts them
  bool takes_split = false;             // uses x0 and eps each for itself, as CFG++ needs
  void (*adjust)(SchedulerConfig&) = nullptr;  // what this name sets in the class's config; the class's first entry sets nothing
};

const std::vector<SolverEntry>& solver_table();
// Throws Error(invalid_argument) listing the names. Accepts our name or the reference's class name.
const SolverEntry& solver_named(const std::string& name);
// The scheduler config of a model's files as this solver takes it. `where` names it in errors.
SchedulerConfig config_for(const SolverEntry& solver, const Json& json, const std::string& where);
// Checks 1 <= steps <= 1000 and the solver's own minimum, then makes it. Throws Error(invalid_argument).
std::unique_ptr<Solver> make_solver(const SolverInputs& inputs);

template <class T>
std::unique_ptr<Solver> make(const SolverInputs& inputs) {
  return std::make_unique<T>(inputs);
}

// What most solvers share: a sample, a position, a history, and saving them. Derived classes fill nodes_ (one more than
// there are evaluations) and set x_.
class SolverBase : public Solver {
 public:
  explicit SolverBase(const SolverInputs& in) : in_(in), table_(in.config), converter_(in.config) {}
  std::optional<Evaluation> next() const override;
  at::Tensor latent() const override { return x_; }
  int step() const override { return static_cast<int>(i_) - in_.first; }
  int steps() const override { return static_cast<int>(nodes_.size()) - 1 - in_.first; }
  Node node(int step) const override { return nodes_[static_cast<std::size_t>(step + in_.first)]; }
  SolverState state() const override { return {x_, history_, scalars_with_position()}; }
  void restore(const SolverState& state) override;
  at::Tensor noised(const at::Tensor& clean, const at::Tensor& noise) const override;

 protected:
  // What x is larger by than in the variance-preserving scale, where most solvers keep it.
  virtual double model_scale(std::size_t) const { return 1.0; }
  // Puts the solver at its first node with what the inputs give it to start from. Call last in the constructor.
  void begin(double noise_scale = 1.0);
  bool last() const { return i_ + 2 == nodes_.size(); }
  at::Tensor fresh_noise() const;
  void remember(const at::Tensor& t, std::size_t keep);  // newest last
  const at::Tensor& recalled(std::size_t back) const { return history_[history_.size() - back]; }
  std::vector<double> scalars_with_position() const;

  SolverInputs in_;
  NoiseTable table_;
  Converter converter_;
  std::vector<Node> nodes_;
  at::Tensor x_;
  std::size_t i_ = 0;
  std::vector<at::Tensor> history_;
  std::vector<double> scalars_;
};

// For solvers in the variance-exploding scale (x = x0 + sigma * noise).
class SigmaSolver : public SolverBase {
 public:
  explicit SigmaSolver(const SolverInputs& in) : SolverBase(in) {}
  at::Tensor noised(const at::Tensor& clean, const at::Tensor& noise) const override;

 protected:
  double model_scale(std::size_t i) const override;
  double sigma(std::size_t i) const { return sigmas_[i]; }
  void set_grid(SigmaGrid grid);
  void set_usual_grid() { set_grid(sigma_grid(in_.config, table_, in_.steps, in_.custom)); }
  std::vector<double> sigmas_;
};

// For solvers in the variance-preserving scale with integer timesteps.
class TimestepSolver : public SolverBase {
 public:
  explicit TimestepSolver(const SolverInputs& in) : SolverBase(in) {}

 protected:
  void set_timesteps(const std::vector<double>& timesteps);
  // alpha_bar after a step that leads to timestep t; below zero the end of the schedule.
  double alpha_bar(int t) const;
  // Where this step leads: one stride on, as the reference has it, unless the timesteps are unevenly spaced.
  int next_timestep() const;
  std::vector<int> timesteps_;
};

}  // namespace safelight
