// The laboratory's commands, for safelight and for safelight-lab.
#pragma once

#include <vector>

#include "apps/console/console.h"
#include "apps/lab/training_look.h"

namespace safelight::app {

// Whole pictures of a model, as `lab bench --model` times them.
struct ModelBench {
  std::string model, prompt, dtype;   // empty dtype: float32
  std::string device;                 // empty: what the program was told
  int size_px = 0, batch = 1, steps = 0, rounds = 5;   // 0: the model's own
  std::vector<std::string> points;    // NAME=MODEL or NAME=MODEL+UPSCALER: pictures an hour of each, and nothing else
  bool serve = false;                 // pictures that arrive by chance, instead of one after the other
  std::vector<double> loads = {0.5, 1, 2};   // offered, in what serving one by one sustains
  int requests = 20, rows = 16, threads = 0;   // pictures a round, load and server; of a shared batch; 0: one for each processor
};
// The laboratory alone has no file formats for pictures and leaves it out.
using ModelBencher = std::function<Json(const ModelBench&)>;

// What the whole program was told with `option`, where the command itself was not.
template <class T>
void inherit(const CLI::App& command, const char* option, T& value) {
  if (command.get_option(option)->count() > 0) return;
  for (const CLI::App* up = command.get_parent(); up; up = up->get_parent())
    if (const CLI::Option* o = up->get_option_no_throw(option); o && o->count() > 0) value = o->as<T>();
}

Command lab_train(CLI::App& parent, const Common& common, PictureEncoder encode = {});
Command lab_record(CLI::App& parent, const Common& common);
Command lab_bench(CLI::App& parent, const Common& common, ModelBencher model = {});
Command lab_verify(CLI::App& parent, const Common& common);

}  // namespace safelight::app
