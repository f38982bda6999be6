// Learned words: vectors that join a text encoder's table under a new token. Source: Gal et al. 2022 (arXiv:2208.01618).
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

namespace safelight {

struct LearnedWord {
  std::string token;     // as it is typed in prompts
  at::Tensor rows;       // [n,width] float32
  std::string where;     // for errors
};

// Layouts: {token: [width] or [n,width]}, {emb_params: [n,width]} and, for two encoders, {clip_l, clip_g}: encoder 0 takes the
// first. `token` empty: the file's key, or its name. Returns nothing when the file has vectors for the other encoder only.
// Throws Error(corrupt_file, unsupported for pickles, non_finite).
std::vector<LearnedWord> read_learned_words(const std::filesystem::path& file, const std::string& token, int encoder);

}  // namespace safelight
