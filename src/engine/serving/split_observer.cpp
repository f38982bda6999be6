#include "engine/serving/split_observer.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace safelight {

at::Tensor BatchPlace::rows(const at::Tensor& batch) const {
  if (negative == 0) return batch.narrow(0, positive_at, positive);
  if (negative == 1 && positive == 1) return batch.slice(0, negative_at, positive_at + 1, positive_at - negative_at);
  return at::cat({batch.narrow(0, negative_at, negative), batch.narrow(0, positive_at, positive)}, 0);
}

template <class Wants>
bool SplitObserver::any(Wants&& wants) const {
  return std::any_of(shares_.begin(), shares_.end(), [&](const Share& s) { return !*s.error && wants(*s.observer); });
}

template <class Show>
void SplitObserver::each(Show&& show) {
  for (const Share& s : shares_) {
    if (*s.error) continue;
    try {
      show(s);
    } catch (...) {
      *s.error = std::current_exception();
    }
  }
}

// What is not as long as the batch (a bias for all rows) is everybody's.
at::Tensor SplitObserver::rows(const Share& share, const at::Tensor& t) const { return t.defined() && t.size(0) == batch_ ? share.place.rows(t) : t; }

bool SplitObserver::wants_attention(std::string_view layer, bool cross) const {
  return any([&](const ForwardObserver& o) { return o.wants_attention(layer, cross); });
}

void SplitObserver::on_attention(const AttentionCall& call) {
  each([&](const Share& s) {
    if (!s.observer->wants_attention(call.layer, call.cross)) return;
    AttentionCall own = call;
    for (at::Tensor* t : {&own.q, &own.k, &own.v, &own.bias}) *t = rows(s, *t);
    s.observer->on_attention(own);
  });
}

bool SplitObserver::wants_entropy(std::string_view layer, bool cross) const {
  entropy_wanted_.clear();
  for (const Share& s : shares_)
    if (!*s.error && s.observer->wants_entropy(layer, cross)) entropy_wanted_.push_back(&s);
  return !entropy_wanted_.empty();
}

void SplitObserver::on_entropy(std::string_view layer, const at::Tensor& entropy, int64_t keys) {
  each([&](const Share& s) {
    if (std::find(entropy_wanted_.begin(), entropy_wanted_.end(), &s) == entropy_wanted_.end()) return;
    s.observer->on_entropy(layer, rows(s, entropy).contiguous(), keys);   // without gaps between the rows, as the layer gives it
  });
}

bool SplitObserver::wants_blocks() const {
  return any([](const ForwardObserver& o) { return o.wants_blocks(); });
}

void SplitObserver::on_block(std::string_view module, const at::Tensor& x) {
  each([&](const Share& s) {
    if (s.observer->wants_blocks()) s.observer->on_block(module, rows(s, x));
  });
}

void SplitObserver::on_timesteps(const at::Tensor& timesteps) {
  each([&](const Share& s) { s.observer->on_timesteps(rows(s, timesteps)); });
}

}  // namespace safelight
