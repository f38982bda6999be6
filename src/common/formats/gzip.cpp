#include "common/formats/gzip.h"

#include <zlib.h>

#include <memory>

#include "common/base/error.h"

namespace safelight {

std::string read_gzip(const std::filesystem::path& file, std::uint64_t limit) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(gzopen(file.c_str(), "rb"), gzclose);
  if (!in) throw Error(ErrorCode::not_found, "'" + file.string() + "' cannot be read");
  std::string out;
  char buffer[1 << 16];
  for (int n = 0; (n = gzread(in.get(), buffer, sizeof buffer)) != 0;) {
    if (n < 0) throw Error(ErrorCode::corrupt_file, "'" + file.string() + "' is not a whole gzip file");
    out.append(buffer, static_cast<std::size_t>(n));
    if (out.size() > limit) throw Error(ErrorCode::corrupt_file, "'" + file.string() + "' holds more than " + std::to_string(limit) + " bytes");
  }
  return out;
}

}  // namespace safelight
