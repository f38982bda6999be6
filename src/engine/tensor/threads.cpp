#include "engine/tensor/threads.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

namespace safelight {

void set_compute_threads(int threads) {
  at::set_num_threads(threads);
  static const auto set_blas = reinterpret_cast<void (*)(int)>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set_blas) set_blas(threads);
}

}  // namespace safelight
