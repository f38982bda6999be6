// The words of prompts about scenes: cut, brought to one spelling, and looked up.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

struct Word {
  std::string text;      // in lower case; of a quotation the content, in capitals
  bool quoted = false;
};

// Every punctuation mark becomes ","; British spellings and some synonyms become the words of captions.
std::vector<Word> words_of(const std::string& text);

struct Noun {
  std::optional<Shape> shape;   // absent: any object
  bool several = false;
};
std::optional<Noun> noun_of(const std::string& word);
std::optional<int> number_of(const std::string& word);   // 1 to 4
bool claims_nothing(const std::string& word);            // "the", "is", "there", ...

// The value that has this name.
template <class E>
std::optional<E> named(const std::string& word, int count) {
  for (int i = 0; i < count; ++i)
    if (word == name(static_cast<E>(i))) return static_cast<E>(i);
  return std::nullopt;
}

}  // namespace safelight
