// What a prompt asks for, as far as the choice of a model depends on it.
#pragma once

#include <string>
#include <vector>

#include "service/providers/request.h"
#include "service/router/mode.h"

namespace safelight {

struct TaskProfile {
  RouteMode mode = RouteMode::faithful;
  std::string task;                 // whose measured quality counts: a task of `safelight lab eval` (kRouteTasks)
  std::vector<std::string> quoted;  // text that the picture is to show, in order, without the quotes
  int letters = 0;                  // Unicode code points of all of it but blanks
  int objects = 0;                  // things that the prompt counts or names with an article, 0: none found
  bool relation = false;            // says where things are in relation to each other
  std::string style;                // the request's own, or one that the prompt names; empty: none
  int width_px = 0, height_px = 0;  // 0: the model's own
};

inline constexpr const char* kRouteTasks[] = {"single", "two", "position", "count", "text", "text-5-8"};

// Takes any text.
TaskProfile task_profile(const ImageRequest& request, RouteMode mode);

// What stands in quotes: "straight", 'single' (only where they enclose words), and the typographic pairs. An opened quote that is
// never closed is none.
std::vector<std::string> quoted_texts(const std::string& prompt);

}  // namespace safelight
