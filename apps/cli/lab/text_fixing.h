// The typography fixer over pictures of the evaluation, and what it did to their words.
#pragma once

#include <string>

#include "apps/cli/lab/eval_board.h"
#include "common/api/image.h"
#include "finish/typography/text_fix.h"

namespace safelight::app {

class TextFixing {
 public:
  // `limit`: of kFixLimits. Throws Error(invalid_argument) for others, Error(unsupported) without a text reader.
  explicit TextFixing(const std::string& limit);

  // The picture with the words that its prompt quotes, as far as the limit allows; as it was where none are quoted.
  Image fixed(const Image& image, const std::string& prompt);
  // Words that were read exactly, by the fixer's own reader, over all pictures so far.
  const Rate& read_before() const { return read_before_; }
  const Rate& read_after() const { return read_after_; }

 private:
  FixLimit limit_;
  TextReader reader_;
  Typesetter typesetter_;
  Rate read_before_, read_after_;
};

// Words on signs as the checker reads them, before and after.
struct FixedWords {
  Rate before, after;
  Rate wrong_made_right;   // of those that were wrong before
  int worse = 0;           // right before and wrong after
  void add(const Judged& was, const Judged& is);   // pictures whose prompt asks for no words are not counted
  Json json() const;
};

// Whether the picture says what its prompt quotes; true where it quotes nothing.
bool says_its_words(const Judged& picture);

}  // namespace safelight::app
