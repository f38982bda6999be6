#include "engine/tensor/plain.h"

namespace safelight {

thread_local int PlainKernels::depth_ = 0;

}  // namespace safelight
