// What a picture says, against what it should say.
#pragma once

#include <string>
#include <vector>

#include "finish/typography/text_reader.h"

namespace safelight {

struct ReadLine {
  InkedLine line;
  LineReading reading;
};

// Every line of the picture that can be read, top to bottom; of candidates that overlap, the one that reads best.
std::vector<ReadLine> read_lines(TextReader& reader, const Image& image);

enum class TextStatus { exact, near, wrong, missing };  // near: at most every third letter is wrong
const char* name(TextStatus status);

struct TextTarget {
  std::string expected;
  std::vector<std::size_t> lines;  // which lines were taken for it, in reading order: a text may be broken into several
  std::string read;                // what they say together
  double cer = 1;                  // character error rate; 1 when nothing was taken for it
  TextStatus status = TextStatus::missing;
};

struct TextCheck {
  std::vector<ReadLine> lines;
  std::vector<TextTarget> targets;  // one per expected text, in their order
  std::vector<std::size_t> extra;   // lines that no target took

  bool exact() const;               // every target is
  double mean_cer() const;          // over the targets; 0 without any
};

// Gives each expected text the lines that say it best, so that the sum of the errors is least and no line serves twice. A text that nothing
// resembles still takes a line that is left, the most prominent first: a wrong word is more likely than a missing one.
TextCheck check_text(TextReader& reader, const Image& image, const std::vector<std::string>& expected);
std::vector<TextTarget> assigned(const std::vector<ReadLine>& lines, const std::vector<std::string>& expected);

// The judge for best-of-k: index of the picture with the least mean character error rate, the first of equals. Throws Error(invalid_argument)
// when there is none.
std::size_t best_by_text(TextReader& reader, const std::vector<Image>& images, const std::vector<std::string>& expected);

}  // namespace safelight
