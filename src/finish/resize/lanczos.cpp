#include "finish/resize/resize.h"
#include "finish/resize/upscaler.h"

namespace safelight {
namespace {

class Lanczos final : public Upscaler {
 public:
  explicit Lanczos(int factor) : factor_(factor) {}
  Image enlarged(const Image& piece) const override { return lanczos_enlarged(piece, {.factor = static_cast<double>(factor_)}); }
  int reach_px() const override { return 4; }  // three lobes, and the half pixel by which the grids lie apart

 private:
  int factor_;
};

}  // namespace

UpscalerEntry lanczos() {
  return {"lanczos", "three-lobed Lanczos kernel (libvips): adds no detail, invents none", false, [](const UpscaleRequest& r) -> std::unique_ptr<Upscaler> { return std::make_unique<Lanczos>(r.factor); }};
}

}  // namespace safelight
