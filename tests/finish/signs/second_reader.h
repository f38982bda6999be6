// A reading that owes nothing to the fixer: Tesseract on the board as its painter knows it, levelled and cut out by the truth.
#pragma once

#include <memory>
#include <string>

#include "common/api/image.h"

namespace safelight {

// Where the writing is: the middle of a rectangle turned by `angle_deg`, pixels.
struct KnownPlace {
  double centre_x = 0, centre_y = 0, width = 0, height = 0, angle_deg = 0, cap_height_px = 0;
};

class SecondReader {
 public:
  SecondReader();
  ~SecondReader();
  // The surer of two readings, plain and smoothed.
  std::string read(const Image& image, const KnownPlace& place);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace safelight
