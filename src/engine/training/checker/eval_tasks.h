// Fixed prompts that a model of the closed world is scored with, task by task.
#pragma once

#include <string>
#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

struct EvalPrompt {
  std::string task, text;
  bool held_out = false;   // holds a shape-colour pair or a word that training never showed
};

// The tasks of a world; a world without signs, for example, has none about text.
std::vector<std::string> eval_tasks(const SceneOptions& world);

// The first `count` prompts of a task, always the same, no two alike; fewer where there are not so many (there are more
// than 100 everywhere). Throws Error(invalid_argument) listing the known tasks.
std::vector<EvalPrompt> eval_prompts(const std::string& task, const SceneOptions& world, int count);

}  // namespace safelight
