// Seeds on the command line.
#pragma once

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <string>

namespace safelight::app {

// For ->check(): the parser itself takes "-1", and what is too large, as the largest number that there is.
inline CLI::Validator is_seed() {
  return CLI::Validator(
      [](std::string& text) {
        std::uint64_t value = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
        return whole ? std::string() : "'" + text + "' is no seed: give a number from 0 to 18446744073709551615";
      },
      "SEED", "seed");
}

}  // namespace safelight::app
