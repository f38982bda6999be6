// What a prompt claims about a picture: read from the words of captions and from those that a person would use.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

enum class Relation { left, right, above, below, inside };
const char* name(Relation relation);   // "left of", "inside"

// Where in the picture. Neither side nor level nor corner: in the middle.
struct Place {
  int side = 0;           // -1 left, 1 right, 0 unsaid
  int level = 0;          // -1 top, 1 bottom, 0 unsaid
  bool corner = false;    // some corner, where side and level do not say which
  bool operator==(const Place&) const = default;
};

struct ObjectClaim {
  std::optional<Shape> shape;            // absent: any object
  std::optional<Colour> colour;
  std::optional<ObjectSize> size;
  std::optional<Place> place;
  int count = 1;                         // 1 to 4; 0: several, their number unsaid
  std::string noun;                      // as written, in lower case
};

struct SignClaim {
  std::optional<Colour> colour;
  std::optional<Place> place;
  std::string text;                      // in capitals; empty: unsaid
  std::string noun;
};

inline constexpr int kTheSign = -1;

struct RelationClaim {                   // "first is left of second"
  Relation relation = Relation::left;
  int first = 0, second = 0;             // indices into PromptClaims::objects, or kTheSign
};

struct PromptClaims {
  std::vector<ObjectClaim> objects;      // in the order of their nouns
  std::optional<SignClaim> sign;
  std::vector<RelationClaim> relations;
  std::optional<Tone> tone;              // of the background
  std::optional<Pattern> pattern;
  std::vector<std::string> unknown;      // words that could not be made into a claim
};

// Takes any text; what it does not understand is in `unknown`.
PromptClaims parse_prompt(const std::string& text);

}  // namespace safelight
