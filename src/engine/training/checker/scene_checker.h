// Compares what is to be seen in a picture with what a prompt claims. A program, not a network: it knows the world.
#pragma once

#include <string>
#include <vector>

#include "engine/training/checker/scene_claims.h"
#include "engine/training/checker/scene_vision.h"

namespace safelight {

// object: its shape is there. colour, size, position: of the object that stands for the claimed one. binding: shape and
// colour on the same object. count: as many objects and signs as are claimed, and no others. relation, text, background.
inline constexpr const char* kClaimKinds[] = {"object", "colour", "binding", "size", "count", "position", "relation", "text", "background"};

struct ClaimResult {
  std::string kind;        // of kClaimKinds
  bool right = false;
  std::string reason;      // why it is not; empty when right
};

// What was seen for one claimed object or sign; "three circles" has three.
struct ItemMatch {
  int claim = 0;           // index into PromptClaims::objects, or kTheSign
  int seen = -1;           // index into SeenScene::objects, or into signs; -1: nothing
};

struct CheckResult {
  std::vector<ClaimResult> claims;
  std::vector<ItemMatch> matches;
  bool all() const;            // every claim is right, and there is one
  std::string reasons() const; // of the wrong ones, "; " between them
};

CheckResult check_scene(const SeenScene& scene, const PromptClaims& claims);
CheckResult check_image(const std::uint8_t* rgb, int side, const PromptClaims& claims);

}  // namespace safelight
