#include "engine/training/adamw.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace safelight {

AdamW::AdamW(Parameters& parameters, AdamWSettings settings) : parameters_(parameters), settings_(settings) {
  for (const Parameter& p : parameters_.all()) {
    weights_.push_back(p.tensor.detach());
    if (settings.precision != at::kFloat) p.tensor.set_data(weights_.back().to(settings.precision));
    first_.push_back(at::zeros_like(weights_.back()));
    second_.push_back(at::zeros_like(weights_.back()));
    average_.push_back(weights_.back().clone());
  }
}

void AdamW::reset_average() {
  for (std::size_t i = 0; i < average_.size(); ++i) average_[i].copy_(weights_[i]);
}

void AdamW::finish() {
  parameters_.require_grad(false);
  for (std::size_t i = 0; i < average_.size(); ++i) parameters_.all()[i].tensor.set_data(average_[i].clone());
}

void AdamW::set_weight(std::size_t index, const at::Tensor& value) {
  weights_[index].copy_(value);
  parameters_.all()[index].tensor.detach().copy_(value);
}

double AdamW::step(double learning_rate) {
  at::NoGradGuard no_grad;
  const auto& all = parameters_.all();
  at::Tensor squares = at::zeros({}, at::kDouble);
  for (const Parameter& p : all)
    if (p.tensor.grad().defined()) squares += p.tensor.grad().to(at::kFloat).square().sum().to(at::kCPU, at::kDouble);
  const double norm = std::sqrt(squares.item<double>());
  const bool usable = std::isfinite(norm);
  if (usable) {
    ++step_;
    const double clip = settings_.clip_norm > 0 && norm > settings_.clip_norm ? settings_.clip_norm / norm : 1.0;
    const double t = static_cast<double>(step_);
    const double correction1 = 1 - std::pow(settings_.beta1, t), correction2 = 1 - std::pow(settings_.beta2, t);
    const double decay = std::min(settings_.ema_decay, (1 + t) / (10 + t));
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].tensor.grad().defined()) continue;
      at::Tensor g = all[i].tensor.grad().to(at::kFloat), w = weights_[i];
      if (clip != 1.0) g.mul_(clip);
      first_[i].mul_(settings_.beta1).add_(g, 1 - settings_.beta1);
      second_[i].mul_(settings_.beta2).addcmul_(g, g, 1 - settings_.beta2);
      if (w.dim() > 1) w.mul_(1 - learning_rate * settings_.weight_decay);
      const at::Tensor denominator = (second_[i] / correction2).sqrt_().add_(settings_.eps);
      w.addcdiv_(first_[i], denominator, -learning_rate / correction1);
      average_[i].lerp_(w, 1 - decay);
      if (all[i].tensor.scalar_type() != at::kFloat) all[i].tensor.detach().copy_(w);
    }
  }
  for (const Parameter& p : all) p.tensor.mutable_grad() = at::Tensor();
  return norm;
}

}  // namespace safelight
