// How many threads tensors are computed with.
#pragma once

namespace safelight {

// For the calling thread and those that it starts: libtorch's loops and, for the whole process, the BLAS library's, which libtorch's own
// setting does not reach where that brings threads of its own (OpenBLAS: they would wait in a busy loop for work that never comes).
void set_compute_threads(int threads);

}  // namespace safelight
