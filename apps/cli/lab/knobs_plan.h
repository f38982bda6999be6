// Which pictures a page about knobs needs: sections of lines of settings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/cli/context.h"
#include "apps/cli/lab/knobs_measures.h"
#include "common/api/generate_request.h"
#include "engine/training/scenes/scene.h"

namespace safelight::app {

struct KnobOptions {
  std::string model = "signs-base";
  std::string out;                            // directory of the page
  int count = 25, seeds = 2;                  // prompts a task; pictures a prompt, of the seeds 0, 1, ...
  std::vector<std::string> tasks;             // empty: all that the model's world knows
  std::vector<double> guidance = {0, 1, 2, 4, 7.5, 15};
  std::vector<int> steps = {2, 4, 8, 12, 20, 40};
  std::vector<double> low_guidance = {1, 2};
  std::vector<int> many_steps = {10, 20, 40, 80};
  std::vector<std::string> compare;           // NAME=MODEL
  std::string upscaler;                       // empty: none
  int factor = 0;                             // of the upscaler; 0: of one pass
  std::vector<std::string> autoencoders;      // NAME=MODEL
};

// A model, with an upscaler behind it or not.
struct Subject {
  std::string name;
  std::filesystem::path model, upscaler;      // upscaler: empty where there is none
  std::string fingerprint;                    // of the files of both: what they were is stored with what they made
  Recommended recommended;                    // known after unify_settings
};

// An autoencoder that is measured by itself.
struct Codec {
  std::string name;
  std::filesystem::path model;
  std::string fingerprint;
};

struct Setting {
  std::size_t subject = 0;                    // index into KnobPlan::subjects
  std::optional<double> guidance;             // absent: as the model recommends
  int steps = 0;                              // 0: as the model recommends
  Shortcuts shortcuts = {};
  double guidance_from = 0, guidance_to = 1;  // shares of the run between which there is guidance
  std::string dtype = {};                     // empty: float32
};

struct KnobPoint {
  std::string label;
  Setting setting;
};

struct KnobLine {
  std::string name;
  std::vector<KnobPoint> points;
};

struct KnobSection {
  std::string id, title, about, x_title;
  bool turned = true;                         // a knob is turned from point to point; false: the points stand beside each other, and the first one is what they are compared with
  std::vector<std::string> tasks, measures;   // either may be empty: then there is nothing to show, and `about` says why
  std::vector<KnobLine> lines;
};

struct KnobPlan {
  KnobOptions options;
  SceneOptions world;                         // of the first model; all others must know the same
  std::vector<Subject> subjects;              // the model, its upscaled pictures, then the compared ones likewise
  std::vector<Codec> codecs;
  std::vector<KnobSection> sections;
};

// Of everything that decides what a model paints: all files of its parts, and what it says of itself. Cards and curves do not count. Throws
// Error(unsupported) for what is no directory.
std::string fingerprint_of(const std::filesystem::path& model);
// Whether pictures of the two can be judged by the same prompts.
bool same_world(const SceneOptions& a, const SceneOptions& b);

// Throws Error(invalid_argument) for wrong options, Error(conflict) for a model of another world, Error(not_found).
KnobPlan plan_knobs(const KnobOptions& options, Context& context);

// Opens the models, leaves out shortcuts that their networks cannot take, and brings settings that make the same pictures to one form, so that these are
// drawn once.
void unify_settings(KnobPlan& plan, Context& context);

}  // namespace safelight::app
