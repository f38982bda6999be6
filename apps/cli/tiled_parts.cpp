#include "apps/cli/tiled_parts.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace safelight::app {
namespace {

// A tile along one side: the cells that it sees, and those over which it alone answers for the picture.
struct Span {
  int64_t begin = 0, end = 0, own_begin = 0, own_end = 0;
  int64_t size() const { return end - begin; }
};

// Even tiles of about `side`.
std::vector<Span> spans_of(int64_t length, const Tiling& t) {
  const int64_t count = t.side <= 0 ? 1 : (length + t.side - 1) / t.side;
  const auto edge = [&](int64_t i) { return i == count ? length : i * length / count / t.grid * t.grid; };
  std::vector<Span> out;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = edge(i), end = edge(i + 1);
    if (begin == end) continue;
    const int64_t wide = (t.overlap + t.grid - 1) / t.grid * t.grid;
    out.push_back({std::max<int64_t>(0, begin - wide), std::min(length, end + wide), begin, end});
  }
  return out;
}

// Weight of a tile's cells along one side: 1 inside, falling to 0 in a straight line over its overlap on both sides of its own edge. `up` results a cell,
// or one result for `down` cells.
at::Tensor weights_of(const Span& s, int64_t length, int64_t up, int64_t down) {
  const auto scale = static_cast<double>(up) / static_cast<double>(down);
  const auto at_px = [&](int64_t cell) { return static_cast<double>(cell - s.begin) * scale; };
  const int64_t n = (s.size() * up + down - 1) / down;
  const at::Tensor place = at::arange(n, at::kFloat) + 0.5;
  at::Tensor w = at::ones({n}, at::kFloat);
  if (s.begin > 0 && s.own_begin > s.begin) w = at::minimum(w, place / (2 * at_px(s.own_begin)));
  if (s.end < length && s.end > s.own_end) w = at::minimum(w, (at_px(s.end) - place) / (2 * (at_px(s.end) - at_px(s.own_end))));
  return w.clamp_min(1e-4);
}

using Part = std::function<at::Tensor(const Span& rows, const Span& columns)>;

// The results of all tiles of a [.., height, width] map, cross-faded into one of `up` / `down` times the size.
at::Tensor joined(int64_t height, int64_t width, const Tiling& t, int64_t up, int64_t down, const Part& part) {
  const std::vector<Span> rows = spans_of(height, t), columns = spans_of(width, t);
  if (rows.size() == 1 && columns.size() == 1) {
    at::Tensor out = part(rows.front(), columns.front());
    if (t.done) t.done();
    return out;
  }
  at::Tensor sum, weight;
  for (const Span& r : rows)
    for (const Span& c : columns) {
      const at::Tensor piece = part(r, c);
      if (!sum.defined()) {
        sum = at::zeros({piece.size(0), piece.size(1), height * up / down, width * up / down}, piece.options());
        weight = at::zeros({1, 1, sum.size(2), sum.size(3)}, piece.options());
      }
      const at::Tensor w = (weights_of(r, height, up, down).unsqueeze(1) * weights_of(c, width, up, down).unsqueeze(0)).to(piece.scalar_type());
      const auto place = [&](const at::Tensor& x) { return x.narrow(2, r.begin * up / down, piece.size(2)).narrow(3, c.begin * up / down, piece.size(3)); };
      place(sum).add_(piece * w);
      place(weight).add_(w);
      if (t.done) t.done();
    }
  return sum / weight;
}

at::Tensor cut(const at::Tensor& x, const Span& rows, const Span& columns) { return x.narrow(2, rows.begin, rows.size()).narrow(3, columns.begin, columns.size()); }

class TiledDenoiser final : public DenoiserDecorator {
 public:
  TiledDenoiser(std::shared_ptr<const Denoiser> inner, const Tiling& tiling) : DenoiserDecorator(std::move(inner)), tiling_(tiling) {}
  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& conditioning, const ForwardHooks& hooks) const override {
    return joined(x.size(2), x.size(3), tiling_, 1, 1, [&](const Span& rows, const Span& columns) {
      Conditioning here = conditioning;
      if (here.beside.defined()) here.beside = cut(here.beside, rows, columns);
      return inner().predict(cut(x, rows, columns), timesteps, here, hooks);
    });
  }

 private:
  Tiling tiling_;
};

class TiledAutoencoder final : public AutoencoderDecorator {
 public:
  TiledAutoencoder(std::shared_ptr<const Autoencoder> inner, const Tiling& tiling) : AutoencoderDecorator(std::move(inner)), tiling_(tiling) {}
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const override {
    return joined(latents.size(2), latents.size(3), tiling_, downscale(), 1, [&](const Span& rows, const Span& columns) { return inner().decode(cut(latents, rows, columns), hooks); });
  }
  at::Tensor encode(const at::Tensor& pixels, const at::Tensor& eps, const ForwardHooks& hooks) const override {
    Tiling t = tiling_;
    const int64_t n = downscale();
    t.side *= n, t.overlap *= n, t.grid *= n;
    return joined(pixels.size(2), pixels.size(3), t, 1, n, [&](const Span& rows, const Span& columns) {
      const auto cells = [&](const Span& s) { return Span{s.begin / n, s.end / n, 0, 0}; };
      return inner().encode(cut(pixels, rows, columns), eps.defined() ? cut(eps, cells(rows), cells(columns)) : eps, hooks);
    });
  }

 private:
  Tiling tiling_;
};

}  // namespace

int64_t tiles_of(int64_t height, int64_t width, const Tiling& tiling) {
  return static_cast<int64_t>(spans_of(height, tiling).size() * spans_of(width, tiling).size());
}

std::shared_ptr<const Denoiser> tiled(std::shared_ptr<const Denoiser> inner, const Tiling& tiling) { return std::make_shared<TiledDenoiser>(std::move(inner), tiling); }

std::shared_ptr<const Autoencoder> tiled(std::shared_ptr<const Autoencoder> inner, const Tiling& tiling) { return std::make_shared<TiledAutoencoder>(std::move(inner), tiling); }

}  // namespace safelight::app
