// The finished picture (P09, P16, P17): clipping, cast, noise, banding, sharpness.
#include "common/measure/image_statistics.h"
#include "engine/probes/table.h"

namespace safelight {
namespace {

class ImageProbe final : public Probe {
 public:
  void on_decoded(const DecodedView& d, TraceWriter& trace) override {
    for (const auto& [name, value] : listed(image_statistics(d.image))) trace.fact("image", name, value);
  }
};

}  // namespace

ProbeEntry image() { return {"image", "clipping, colour cast, noise, banding, sharpness of the finished picture", make_probe<ImageProbe>}; }

}  // namespace safelight
