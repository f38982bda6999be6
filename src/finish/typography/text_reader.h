// Tesseract without its dictionaries, so that a misspelt word is read as it is written.
#pragma once

#include <memory>
#include <string>

#include "finish/typography/ink.h"

namespace safelight {

struct LineReading {
  std::string text;       // blanks collapsed; empty: nothing read
  double confidence = 0;  // mean of the words, 0..1
};

// One object per thread; reuse it, opening takes a while.
class TextReader {
 public:
  // Throws Error(unavailable) when the English model of Tesseract is not installed.
  TextReader();
  ~TextReader();

  // One line of dark text on white.
  LineReading read(const Image& gray);
  // Of several ways to prepare the line (as it is, smoothed, larger with its contrast stretched) the reading that Tesseract is surest of.
  LineReading read(const InkedLine& line);
  // Names what readings depend on, for reports: "tesseract-5.3.0/eng/lines-1".
  std::string id() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace safelight
