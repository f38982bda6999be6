#include "finish/resize/resize.h"
#include "finish/resize/upscaler.h"

namespace safelight {
namespace {

constexpr int kUsualFactor = 2;

class Lanczos final : public PieceUpscaler {
 public:
  explicit Lanczos(int factor) : factor_(factor) {}
  int factor() const override { return factor_; }

 protected:
  Image piece_enlarged(const Image& piece) const override { return lanczos_enlarged(piece, {.factor = static_cast<double>(factor_)}); }
  int reach_px() const override { return 4; }  // three lobes, and the half pixel by which the grids lie apart

 private:
  int factor_;
};

}  // namespace

UpscalerEntry lanczos() {
  return {.name = "lanczos", .summary = "three-lobed Lanczos kernel (libvips): adds no detail, invents none",
          .make = [](const UpscaleRequest& r) -> std::unique_ptr<Upscaler> { return std::make_unique<Lanczos>(r.factor.value_or(kUsualFactor)); }};
}

}  // namespace safelight
