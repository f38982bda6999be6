// The degradation ladder: the ways in which less can be given instead of nothing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/providers/catalogue.h"
#include "service/providers/request.h"
#include "service/router/slo.h"
#include "service/router/task_profile.h"

namespace safelight {

// One reduced way to make the picture.
struct Descent {
  const ModelRow* row = nullptr;     // null: no model is called (a preview that exists already)
  std::string option;                // key of its statistics
  double work = 1;                   // share of the row's usual work
  double steps_share = 1;            // of the steps that would be taken otherwise
  int width_px = 0, height_px = 0;   // asked of the model; 0: as in the request
  std::string upscaler;              // what brings it back to the size asked for; empty: nothing
};

struct LadderContext {
  const Catalogue& catalogue;
  const TaskProfile& profile;
  const ImageRequest& image;
  bool has_preview = false;          // a cached or smaller picture of this very request exists
  std::span<const ModelRow* const> others;  // eligible rows besides the first choice, best first
};

struct RungTraits {
  std::string_view name;             // "fewer-steps"; stable, used in TOML and JSON
  std::string_view summary;          // one sentence for lists
  bool needs_model = false;          // the SLO names the row
  bool lesser = true;                // what it gives is less than was asked, and labelled so
  // Ways down from the first choice, best first; empty where the rung does not apply.
  std::vector<Descent> (*descend)(const LadderStep&, const ModelRow& first, const LadderContext&) = nullptr;
};

std::span<const RungTraits> ladder_table();
const RungTraits* find_rung(std::string_view name);  // null: there is none
std::string known_rungs();                           // for messages

}  // namespace safelight
