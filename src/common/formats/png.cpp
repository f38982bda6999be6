#include "common/formats/png.h"

#include <spng.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "common/base/error.h"

namespace safelight {
namespace {

struct ContextDeleter {
  void operator()(spng_ctx* c) const { spng_ctx_free(c); }
};
using Context = std::unique_ptr<spng_ctx, ContextDeleter>;

bool is_latin(const std::string& s) {
  for (const char c : s)
    if (static_cast<unsigned char>(c) > 126) return false;
  return true;
}

}  // namespace

std::string encode_png(const Image& image, const PngText& text, int level) {
  const Context ctx(spng_ctx_new(SPNG_CTX_ENCODER));
  const auto require = [](int code) {
    if (code != 0) throw Error(ErrorCode::internal, std::string("PNG encoder: ") + spng_strerror(code));
  };
  require(spng_set_option(ctx.get(), SPNG_ENCODE_TO_BUFFER, 1));
  require(spng_set_option(ctx.get(), SPNG_IMG_COMPRESSION_LEVEL, level));
  if (image.pixels.size() < 1024) {  // zlib's usual quarter of a megabyte of tables costs more than a small picture
    require(spng_set_option(ctx.get(), SPNG_IMG_WINDOW_BITS, 10));
    require(spng_set_option(ctx.get(), SPNG_IMG_MEM_LEVEL, 1));
  }
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(image.width);
  header.height = static_cast<std::uint32_t>(image.height);
  header.bit_depth = 8;
  header.color_type = image.channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : image.channels == 4 ? SPNG_COLOR_TYPE_TRUECOLOR_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR;
  require(spng_set_ihdr(ctx.get(), &header));
  std::vector<spng_text> chunks;
  std::vector<std::string> empties(1);
  for (const auto& [key, value] : text.entries) {
    spng_text chunk{};
    key.copy(chunk.keyword, sizeof(chunk.keyword) - 1);
    chunk.type = is_latin(value) ? SPNG_TEXT : SPNG_ITXT;
    chunk.text = const_cast<char*>(value.c_str());
    chunk.length = value.size();
    chunk.language_tag = empties[0].data();
    chunk.translated_keyword = empties[0].data();
    chunks.push_back(chunk);
  }
  if (!chunks.empty()) require(spng_set_text(ctx.get(), chunks.data(), static_cast<std::uint32_t>(chunks.size())));
  require(spng_encode_image(ctx.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE));
  std::size_t size = 0;
  int code = 0;
  const std::unique_ptr<void, decltype(&std::free)> buffer(spng_get_png_buffer(ctx.get(), &size, &code), &std::free);
  require(code);
  return std::string(static_cast<const char*>(buffer.get()), size);
}

Image decode_png(std::string_view bytes, const std::string& where, PngText* text, std::uint64_t max_pixels) {
  const Context ctx(spng_ctx_new(0));
  const auto require = [&](int code) {
    if (code != 0) throw Error(ErrorCode::corrupt_file, where + " is not a readable PNG: " + spng_strerror(code));
  };
  require(spng_set_image_limits(ctx.get(), 1 << 16, 1 << 16));
  require(spng_set_chunk_limits(ctx.get(), 16 << 20, 64 << 20));
  require(spng_set_png_buffer(ctx.get(), bytes.data(), bytes.size()));
  spng_ihdr header{};
  require(spng_get_ihdr(ctx.get(), &header));
  if (std::uint64_t{header.width} * header.height > max_pixels)
    throw Error(ErrorCode::corrupt_file, where + " has too many pixels");
  Image out;
  out.width = static_cast<int>(header.width);
  out.height = static_cast<int>(header.height);
  const bool gray = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE && header.bit_depth <= 8;
  out.channels = gray ? 1 : 3;
  const int format = gray ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
  std::size_t size = 0;
  require(spng_decoded_image_size(ctx.get(), format, &size));
  out.pixels.resize(size);
  require(spng_decode_image(ctx.get(), out.pixels.data(), size, format, 0));
  if (text) {
    std::uint32_t count = 0;
    if (spng_get_text(ctx.get(), nullptr, &count) == 0 && count > 0) {
      std::vector<spng_text> chunks(count);
      require(spng_get_text(ctx.get(), chunks.data(), &count));
      for (const spng_text& c : chunks) text->entries[c.keyword] = std::string(c.text, c.length);
    }
  }
  return out;
}

}  // namespace safelight
