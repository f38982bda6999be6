// Byte-pair encoding of one word, shared by reading and making tokenizers.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

namespace safelight {

// A printable character for every byte, as GPT-2 and CLIP vocabularies spell them.
const std::vector<std::string>& byte_symbols();

// Merges neighbouring symbols, best rank first, until none is left. Time n log n in the number of symbols.
std::vector<std::string> merge_symbols(std::vector<std::string> symbols,
                                       const std::unordered_map<std::string, std::size_t>& ranks);

// A word's bytes as symbols, the last one carrying "</w>".
std::vector<std::string> word_symbols(const std::string& word);

}  // namespace safelight
