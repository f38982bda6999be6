// A key that must not leave the process by any text. It has no conversion to a string: only what puts it into a request reads it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace safelight {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  bool empty() const { return value_.empty(); }
  // For the transport alone.
  const std::string& reveal() const { return value_; }

 private:
  std::string value_;
};

// Gives the key for an environment name; empty: there is none. apps/ decides where keys come from.
using CredentialSource = std::function<std::optional<Secret>(const std::string& name)>;

// The text without the secret, also where it is written as base64, in URL form, or cut short to 8 or more of its leading characters.
std::string redact(std::string_view text, const Secret& secret);

}  // namespace safelight
