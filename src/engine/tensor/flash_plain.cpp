// flash_attention for one instruction set; CMakeLists.txt names the flags.
#define SAFELIGHT_FLASH_LANES 4
#define SAFELIGHT_FLASH_ROWS 4
#define SAFELIGHT_FLASH_COLUMNS 2
#include "engine/tensor/flash_tiles.h"

namespace safelight::flash {
void run_plain(const Task& task) { run<OneFloat>(task); }
}  // namespace safelight::flash
