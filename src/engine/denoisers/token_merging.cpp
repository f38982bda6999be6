#include "engine/denoisers/token_merging.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace safelight {
namespace {

at::Tensor wide(const at::Tensor& index, int64_t channels) { return index.unsqueeze(-1).expand({-1, -1, channels}); }

}  // namespace

TokenMerging::TokenMerging(const at::Tensor& x, int64_t height, int64_t width, double share) {
  at::Tensor stays = at::zeros({height, width}, at::kBool);
  stays.slice(0, 0, height, 2).slice(1, 0, width, 2).fill_(true);
  stays_ = stays.flatten().nonzero().flatten().to(x.device());
  others_ = stays.flatten().logical_not().nonzero().flatten().to(x.device());
  const at::Tensor unit = at::div(x, x.norm(2, -1, true).clamp_min(1e-6));
  const auto [likeness, nearest] = at::matmul(unit.index_select(1, others_), unit.index_select(1, stays_).transpose(1, 2)).max(-1);
  const at::Tensor order = likeness.argsort(-1, true);
  const int64_t count = std::clamp<int64_t>(std::llround(share * static_cast<double>(x.size(1))), 0, others_.size(0));
  joining_ = order.slice(1, 0, count);
  alone_ = std::get<0>(order.slice(1, count).sort(1));
  target_ = nearest.gather(1, joining_);
}

at::Tensor TokenMerging::merge(const at::Tensor& x) const {
  const int64_t channels = x.size(2);
  const at::Tensor others = x.index_select(1, others_);
  at::Tensor sum = x.index_select(1, stays_);
  at::Tensor count = at::ones({sum.size(0), sum.size(1), 1}, sum.options());
  sum = sum.scatter_add(1, wide(target_, channels), others.gather(1, wide(joining_, channels)));
  count = count.scatter_add(1, wide(target_, 1), at::ones({target_.size(0), target_.size(1), 1}, sum.options()));
  return at::cat({others.gather(1, wide(alone_, channels)), sum / count}, 1);
}

at::Tensor TokenMerging::unmerge(const at::Tensor& y) const {
  const int64_t channels = y.size(2), rows = y.size(0), left = alone_.size(1);
  const at::Tensor stays = y.slice(1, left);
  at::Tensor others = at::empty({rows, others_.size(0), channels}, y.options());
  others.scatter_(1, wide(alone_, channels), y.slice(1, 0, left));
  others.scatter_(1, wide(joining_, channels), stays.gather(1, wide(target_, channels)));
  at::Tensor out = at::empty({rows, stays_.size(0) + others_.size(0), channels}, y.options());
  out.index_copy_(1, stays_, stays.contiguous());
  out.index_copy_(1, others_, others);
  return out;
}

}  // namespace safelight
