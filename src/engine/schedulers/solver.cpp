#include "engine/schedulers/solver.h"

#include <ATen/ATen.h>

#include <cmath>

#include "common/base/error.h"

namespace safelight {

std::optional<Evaluation> SolverBase::next() const {
  if (i_ + 1 >= nodes_.size()) return std::nullopt;
  const double scale = model_scale(i_);
  return Evaluation{x_, scale == 1.0 ? x_ : x_ / scale, nodes_[i_]};
}

at::Tensor SolverBase::noised(const at::Tensor& clean, const at::Tensor& noise) const {
  return nodes_[i_].alpha * clean + nodes_[i_].sigma * noise;
}

void SolverBase::begin(double noise_scale) {
  i_ = static_cast<std::size_t>(in_.first);
  if (i_ >= nodes_.size()) throw Error(ErrorCode::invalid_argument, "no step is left to run: it starts at " + std::to_string(i_) + " of " + std::to_string(nodes_.size() - 1));
  if (in_.partial.defined()) x_ = in_.partial * model_scale(i_);
  else x_ = in_.start.defined() ? noised(in_.start, in_.noise) : in_.noise * noise_scale;
}

at::Tensor SolverBase::fresh_noise() const { return in_.source->draw(x_.sizes()); }

void SolverBase::remember(const at::Tensor& t, std::size_t keep) {
  history_.push_back(t);
  if (history_.size() > keep) history_.erase(history_.begin());
}

std::vector<double> SolverBase::scalars_with_position() const {
  std::vector<double> out = {static_cast<double>(i_)};
  out.insert(out.end(), scalars_.begin(), scalars_.end());
  return out;
}

void SolverBase::restore(const SolverState& state) {
  if (state.scalars.empty() || state.scalars[0] < 0 || state.scalars[0] >= static_cast<double>(nodes_.size()))
    throw Error(ErrorCode::corrupt_file, "the restart point does not belong to this solver and number of steps");
  i_ = static_cast<std::size_t>(state.scalars[0]);
  scalars_.assign(state.scalars.begin() + 1, state.scalars.end());
  x_ = state.x;
  history_ = state.history;
}

void SigmaSolver::set_grid(SigmaGrid grid) {
  sigmas_ = std::move(grid.sigmas);
  nodes_.clear();
  for (std::size_t i = 0; i < grid.timesteps.size(); ++i) nodes_.push_back(node_of_sigma(sigmas_[i], grid.timesteps[i]));
  nodes_.push_back(node_of_sigma(sigmas_[grid.timesteps.size()], 0));
  begin(grid.initial_scale);
}

at::Tensor SigmaSolver::noised(const at::Tensor& clean, const at::Tensor& noise) const { return clean + sigmas_[i_] * noise; }

double SigmaSolver::model_scale(std::size_t i) const { return std::sqrt(sigmas_[i] * sigmas_[i] + 1); }

void TimestepSolver::set_timesteps(const std::vector<double>& timesteps) {
  nodes_.clear();
  for (const double t : timesteps) {
    timesteps_.push_back(static_cast<int>(std::nearbyint(t)));
    if (timesteps_.back() < 0 || timesteps_.back() >= table_.size())
      throw Error(ErrorCode::conflict, "steps and steps_offset lead to timestep " + std::to_string(timesteps_.back()) +
                                           ", outside the " + std::to_string(table_.size()) + " of the schedule");
    nodes_.push_back(table_.node_at(timesteps_.back()));
  }
  const double end = alpha_bar(-1);
  nodes_.push_back({std::sqrt(end), std::sqrt(1 - end), 0});
  begin();
}

int TimestepSolver::next_timestep() const {
  const bool strides = in_.config.spacing == "leading" || in_.config.spacing == "trailing" || in_.config.spacing == "linspace";
  if (strides) return timesteps_[i_] - in_.config.num_train_timesteps / in_.steps;
  return last() ? -1 : timesteps_[i_ + 1];
}

double TimestepSolver::alpha_bar(int t) const {
  if (t >= 0) return table_.alpha_bar(t);
  return in_.config.set_alpha_to_one ? 1.0 : table_.alpha_bar(0);
}

}  // namespace safelight
