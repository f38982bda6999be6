// flash_attention for one instruction set; CMakeLists.txt names the flags.
#define SAFELIGHT_FLASH_LANES 8
#define SAFELIGHT_FLASH_ROWS 6
#define SAFELIGHT_FLASH_COLUMNS 2
#include "engine/tensor/flash_tiles.h"

namespace safelight::flash {
void run_avx2(const Task& task) { run<OneFloat>(task); }
}  // namespace safelight::flash
