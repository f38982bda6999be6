// Seeds on the command line.
#pragma once

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace safelight::app {

// The whole of `text` as a seed; nothing for anything else.
inline std::optional<std::uint64_t> seed_of(const std::string& text) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// For ->check(): the parser itself takes "-1", and what is too large, as the largest number that there is.
inline CLI::Validator is_seed() {
  return CLI::Validator(
      [](std::string& text) { return seed_of(text) ? std::string() : "'" + text + "' is no seed: give a number from 0 to 18446744073709551615"; },
      "SEED", "seed");
}

}  // namespace safelight::app
