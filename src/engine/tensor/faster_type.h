// Which arithmetic this processor is faster in.
#pragma once

#include <c10/core/ScalarType.h>

namespace safelight {

// kBFloat16 where the processor multiplies it and a convolution of the size of Stable Diffusion's is measurably faster in it than in float32, else kFloat.
// Instructions alone do not tell: on some processors that have them the library is slower in bfloat16. Measured once a process, with the threads of the
// first caller, in a fraction of a second; thread-safe.
c10::ScalarType faster_type();

}  // namespace safelight
