#include "apps/lab/process_settings.h"

#include <cstdlib>

#include <unistd.h>

namespace safelight::app {

void start_with_settings(char** argv) {
#if defined(__linux__)
  if (std::getenv("SAFELIGHT_STARTED")) return;
#if defined(__x86_64__)
  // OpenBLAS 0.3.21 takes newer processors for a Haswell and runs their matrix products at half speed.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) ::setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
#endif
  // libgomp spins for milliseconds at the end of every loop by default; beside another busy process two threads then wait
  // for each other most of the time.
  ::setenv("GOMP_SPINCOUNT", "10000", 0);
  // glibc gives large blocks back to the system at once; touching them anew at every step costs more than computing.
  ::setenv("MALLOC_MMAP_THRESHOLD_", "4294967296", 0);
  ::setenv("MALLOC_TRIM_THRESHOLD_", "17179869184", 0);
  ::setenv("MALLOC_TOP_PAD_", "67108864", 0);
  ::setenv("SAFELIGHT_STARTED", "1", 1);
  ::execv("/proc/self/exe", argv);  // goes on as it is where that fails
#else
  (void)argv;
#endif
}

}  // namespace safelight::app
