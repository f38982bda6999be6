#include "insight/report/data_url.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "common/base/io.h"
#include "common/formats/png.h"
#include "common/measure/lanczos.h"

namespace safelight {
namespace {

std::string png_url(std::string_view bytes) { return "data:image/png;base64," + base64(bytes); }

}  // namespace

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k) v = v << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[v >> (18 - 6 * k) & 63];
  }
  return out;
}

Json picture_url(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return nullptr;
  return png_url(read_file(file));
}

Json thumbnail_url(const std::filesystem::path& file, int longest_px) {
  if (!std::filesystem::exists(file)) return nullptr;
  const Image image = decode_png(read_file(file), "'" + file.string() + "'");
  const int longest = std::max(image.width, image.height);
  if (longest <= longest_px) return png_url(encode_png(image, {}));
  const auto side = [&](int px) { return std::max(1, static_cast<int>(std::lround(static_cast<double>(px) * longest_px / longest))); };
  return png_url(encode_png(lanczos_resized(image, side(image.width), side(image.height)), {}));
}

}  // namespace safelight
