#include "apps/lab/golden_case.h"

namespace safelight::app {

std::span<const Kind> format_kinds() { return {}; }

}  // namespace safelight::app
