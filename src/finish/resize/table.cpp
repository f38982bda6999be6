#include "finish/resize/upscaler.h"

namespace safelight {

UpscalerEntry lanczos();

std::vector<UpscalerEntry> upscalers() {
  return {
      lanczos(),
  };
}

}  // namespace safelight
