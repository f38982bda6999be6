// bin/NAME: gives the libraries below us the settings that they read from the environment while they are loaded, then becomes
// libexec/NAME-main, the program itself. A program of its own, so that libtorch is loaded once.
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <unistd.h>

int main(int, char** argv) {
  char self[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
  if (length <= 0 || length == static_cast<ssize_t>(sizeof self)) {
    std::perror("safelight: /proc/self/exe");
    return 1;
  }
  const std::string path(self, static_cast<size_t>(length));
  const size_t name = path.rfind('/');
  const std::string program = path.substr(0, name) + "/../libexec" + path.substr(name) + "-main";
  // What the user has set himself stays.
#if defined(__x86_64__)
  // OpenBLAS 0.3.21 takes newer processors for a Haswell and runs their matrix products at half speed.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) ::setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
#endif
  // libgomp spins for milliseconds at the end of every loop by default; beside another busy process two threads then wait
  // for each other most of the time.
  ::setenv("GOMP_SPINCOUNT", "10000", 0);
  // glibc gives large blocks back to the system at once; touching them anew at every step costs more than computing. Huge
  // pages spare most of the page faults that remain.
  ::setenv("MALLOC_MMAP_THRESHOLD_", "4294967296", 0);
  ::setenv("MALLOC_TRIM_THRESHOLD_", "17179869184", 0);
  ::setenv("MALLOC_TOP_PAD_", "67108864", 0);
  ::setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0);
  ::execv(program.c_str(), argv);
  std::fprintf(stderr, "safelight: '%s': %s; it belongs beside this program's folder, as the build leaves it\n", program.c_str(), std::strerror(errno));
  return 1;
}
