// A picture that somebody hands in, and the limits under which it is taken.
#pragma once

#include <string>

#include "common/formats/png.h"

namespace safelight::app {

struct PictureFile {
  std::string bytes;  // of the file
  Image image;
  PngText text;       // its text chunks
};

// A PNG of 8 bits a sample without transparency, at most 40 million pixels and 256 MiB: what is written back is then the same where nothing was to
// change. Throws Error(not_found), Error(corrupt_file) for what is no such file or is too large, Error(unsupported) for other PNGs.
PictureFile open_picture(const std::string& file);

}  // namespace safelight::app
