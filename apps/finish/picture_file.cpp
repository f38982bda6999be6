#include "apps/finish/picture_file.h"

#include "common/base/error.h"
#include "common/base/io.h"

namespace safelight::app {
namespace {

constexpr std::uint64_t kMostPixels = 40'000'000, kMostBytes = std::uint64_t{256} << 20;
constexpr std::size_t kBitDepthAt = 24, kColourTypeAt = 25;  // in the file: the header is the first chunk of every PNG
constexpr unsigned kAlpha = 4;                               // bit of the colour type

}  // namespace

PictureFile open_picture(const std::string& file) {
  const std::string where = "'" + file + "'";
  PictureFile out;
  out.bytes = read_file(file, kMostBytes);
  out.image = decode_png(out.bytes, where, &out.text, kMostPixels);
  if (static_cast<unsigned char>(out.bytes.at(kColourTypeAt)) & kAlpha) throw Error(ErrorCode::unsupported, where + " has transparency, which would be lost; lay it on a background first");
  if (out.bytes.at(kBitDepthAt) == 16) throw Error(ErrorCode::unsupported, where + " has 16 bits a sample, which would be lost; reduce it to 8 first");
  return out;
}

}  // namespace safelight::app
