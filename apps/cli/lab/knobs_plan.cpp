#include "apps/cli/lab/knobs_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <set>

#include "apps/cli/enlarger.h"
#include "common/base/error.h"
#include "common/base/sha256.h"
#include "engine/training/recipe.h"

namespace safelight::app {
namespace {

template <class T>
void check_values(std::vector<T>& values, const char* option, T least, T most) {
  if (values.empty()) throw Error(ErrorCode::invalid_argument, std::string(option) + ": give at least one value");
  for (const T v : values)
    if (!(v >= least && v <= most)) throw Error(ErrorCode::invalid_argument, fmt::format("{} {}: expected {} to {}", option, v, least, most));
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

void check_options(KnobOptions& o) {
  check_values(o.guidance, "--guidance", 0.0, 100.0);
  check_values(o.low_guidance, "--low-guidance", 0.0, 100.0);
  check_values(o.steps, "--steps", 1, 1000);
  check_values(o.many_steps, "--many-steps", 1, 1000);
  if (o.factor != 0 && o.upscaler.empty()) throw Error(ErrorCode::invalid_argument, "--factor is for --upscaler; give that too");
}

bool can_take(const ShortcutSupport& support, const Shortcuts& s) {
  return (s.cache_interval == 1 || support.deep_features) && (s.cache_threshold == 0 || support.first_block) && (s.merge_tokens == 0 || support.merging);
}

bool is_partly_guided(const Setting& s) { return s.guidance_from > 0 || s.guidance_to < 1; }

class Planner {
 public:
  Planner(const KnobOptions& options, Context& context) : context_(context) { plan_.options = options; }

  KnobPlan plan() {
    check_options(plan_.options);
    find_subjects();
    find_tasks();
    add_guidance();
    add_steps();
    add_patience();
    add_shortcuts();
    add_models();
    add_text();
    return std::move(plan_);
  }

 private:
  void add_subject(const std::string& name, const std::filesystem::path& model) {
    for (const Subject& s : plan_.subjects)
      if (s.name == name) throw Error(ErrorCode::invalid_argument, "two models are named '" + name + "'; give another name with --compare NAME=MODEL");
    if (is_upscaler(model)) throw Error(ErrorCode::unsupported, "'" + model.string() + "' enlarges pictures; give it with --upscaler");
    if (!plan_.subjects.empty() && !same_world(world_of(model), plan_.world))
      throw Error(ErrorCode::conflict, "'" + model.string() + "' knows another world than '" + plan_.subjects.front().name +
                                           "': other shapes, colours, patterns or tasks; compare models of one world");
    const std::string mark = fingerprint_of(model);
    plan_.subjects.push_back({name, model, {}, mark, {}});
    if (!upscaler_.empty()) plan_.subjects.push_back({name + " + " + upscaler_.filename().string(), model, upscaler_, sha256_hex(mark + upscaler_mark_), {}});
  }

  void find_subjects() {
    const KnobOptions& o = plan_.options;
    if (!o.upscaler.empty()) {
      upscaler_ = context_.engine().find_model(o.upscaler);
      if (!is_upscaler(upscaler_)) throw Error(ErrorCode::unsupported, "'" + upscaler_.string() + "' does not enlarge pictures");
      if (plan_.options.factor == 0) plan_.options.factor = upscaler_kind(upscaler_).factor;
      upscaler_mark_ = fmt::format("{} x{}", fingerprint_of(upscaler_), plan_.options.factor);
    }
    const auto model = context_.engine().find_model(o.model);
    plan_.world = world_of(model);
    add_subject(model.filename().string(), model);
    for (const std::string& text : o.compare) {
      const auto [name, compared] = named_model("--compare", text);
      add_subject(name, compared);
    }
    for (const std::string& text : o.autoencoders) {
      const auto [name, codec] = named_model("--autoencoder", text);
      if (!std::filesystem::is_directory(codec / "vae")) throw Error(ErrorCode::unsupported, "'" + codec.string() + "' has no autoencoder (vae)");
      plan_.codecs.push_back({name, codec, fingerprint_of(codec)});
    }
  }

  // "NAME=MODEL".
  std::pair<std::string, std::filesystem::path> named_model(const std::string& option, const std::string& text) const {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
      throw Error(ErrorCode::invalid_argument, option + " '" + text + "': expected NAME=MODEL, for example rich=models/signs-rich");
    return {text.substr(0, equals), context_.engine().find_model(text.substr(equals + 1))};
  }

  void find_tasks() {
    if (plan_.options.tasks.empty()) plan_.options.tasks = eval_tasks(plan_.world);
    std::set<std::string> seen;
    for (const std::string& task : plan_.options.tasks) {
      eval_prompts(task, plan_.world, 1);  // refuses an unknown one
      if (!seen.insert(task).second) throw Error(ErrorCode::invalid_argument, "--tasks: '" + task + "' is given twice");
    }
  }

  std::vector<std::string> only(std::initializer_list<const char*> wanted) const {
    std::vector<std::string> out;
    for (const std::string& task : plan_.options.tasks)
      if (std::find(wanted.begin(), wanted.end(), task) != wanted.end()) out.push_back(task);
    return out;
  }

  void add_guidance() {
    KnobLine line{.name = "", .points = {}};
    for (const double g : plan_.options.guidance) line.points.push_back({fmt::format("{:g}", g), {0, g, 0}});
    plan_.sections.push_back({"guidance", "Guidance",
                              "The guidance scale is turned, everything else is as the model recommends. Up to 1 guidance is off, so that all such values give the same pictures.",
                              "guidance scale", true, plan_.options.tasks, {"adherence", "structure", "saturation", "incoherence"}, {line}});
  }

  void add_steps() {
    KnobLine line{.name = "", .points = {}};
    for (const int n : plan_.options.steps) line.points.push_back({std::to_string(n), {0, {}, n}});
    plan_.sections.push_back({"steps", "Steps", "The number of denoising steps is turned, everything else is as the model recommends.", "denoising steps", true, plan_.options.tasks,
                              {"aliasing", "hallucinated", "lost", "adherence", "structure", "denoise"}, {line}});
  }

  void add_patience() {
    const auto tasks = only({"position", "binding"});
    KnobSection s{"patience", "Low guidance with more steps", "", "denoising steps", true, tasks, {}, {}};
    if (tasks.empty()) s.about = "No task about position or binding was measured.";
    else s.about = "Whether patience makes up for guidance: position and binding at low guidance, beside the guidance that the model recommends, over the number of steps.";
    if (!tasks.empty()) s.measures = {"position", "binding", "adherence", "structure"};
    const auto add = [&](const std::string& name, std::optional<double> guidance) {
      KnobLine line{.name = name, .points = {}};
      for (const int n : plan_.options.many_steps) line.points.push_back({std::to_string(n), {0, guidance, n}});
      s.lines.push_back(std::move(line));
    };
    for (const double g : plan_.options.low_guidance) add(fmt::format("guidance {:g}", g), g);
    add("guidance as recommended", {});
    plan_.sections.push_back(std::move(s));
  }

  void add_shortcuts() {
    KnobLine line{.name = "", .points = {{"every step whole and guided", {}}}};
    const auto add = [&](const std::string& label) -> Setting& { return line.points.emplace_back(KnobPoint{label, {}}).setting; };
    add("bfloat16").dtype = "bfloat16";
    Setting& interval = add("guidance from 0.2 to 0.8 of the run");
    interval.guidance_from = 0.2, interval.guidance_to = 0.8;
    for (const int n : {2, 3}) add(fmt::format("one step in {} whole", n)).shortcuts.cache_interval = n;
    Setting& deeper = add("one step in 3 whole, the others one level deeper");
    deeper.shortcuts.cache_interval = 3, deeper.shortcuts.cache_depth = 1;
    for (const double threshold : {0.08, 0.15}) add(fmt::format("first block within {:g}", threshold)).shortcuts.cache_threshold = threshold;
    add("half of the finest tokens merged").shortcuts.merge_tokens = 0.5;
    plan_.sections.push_back({"shortcuts", "Shortcuts",
                              "What makes a step cheaper and the picture another one; fewer steps are the section above. Each prompt is drawn in all these ways by turns. Diagnosis leaves out all but the precision first.",
                              "way of drawing", false, plan_.options.tasks, {"denoise", "adherence", "structure"}, {line}});
  }

  KnobLine models(bool upscaled) const {
    KnobLine line{.name = "", .points = {}};
    for (std::size_t i = 0; i < plan_.subjects.size(); ++i)
      if (upscaled || plan_.subjects[i].upscaler.empty()) line.points.push_back({plan_.subjects[i].name, {i, {}, 0}});
    return line;
  }

  void add_models() {
    const char* about = "Every model at its own recommended setting, on the same prompts and seeds. Pictures behind an "
                        "upscaler are judged at their full size, and their aliasing is in their own, smaller pixels.";
    plan_.sections.push_back({"models", plan_.subjects.size() > 1 ? "Models: latents and upscaler" : "The model at its recommended setting", about, "", false, plan_.options.tasks,
                              {"adherence", "structure", "aliasing", "time", "memory"}, {models(true)}});
  }

  void add_text() {
    const bool words = !only({"text", "text-5-8"}).empty();
    KnobSection s{"text", "Text encoder: words, and where attention lands",
                  "Attention is measured on the first seed of every prompt.", "", false, plan_.options.tasks, {"attention"}, {models(false)}};
    if (words) s.measures.insert(s.measures.begin(), "words");
    else s.about += " No task about words was measured.";
    plan_.sections.push_back(std::move(s));
  }

  Context& context_;
  KnobPlan plan_;
  std::filesystem::path upscaler_;
  std::string upscaler_mark_;
};

}  // namespace

std::string fingerprint_of(const std::filesystem::path& model) {
  if (!std::filesystem::is_directory(model)) throw Error(ErrorCode::unsupported, "'" + model.string() + "' is no model directory; only those are measured");
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(model)) {
    const auto inside = std::filesystem::relative(entry.path(), model);
    if (entry.is_regular_file() && (inside.has_parent_path() || inside == "safelight.json" || inside == "model_index.json")) files.insert(inside);
  }
  std::string all;
  for (const auto& file : files) all += file.string() + " " + sha256_file(model / file) + "\n";
  return sha256_hex(all);
}

bool same_world(const SceneOptions& a, const SceneOptions& b) {
  return a.shapes == b.shapes && a.colours == b.colours && a.patterns == b.patterns && eval_tasks(a) == eval_tasks(b);
}

KnobPlan plan_knobs(const KnobOptions& options, Context& context) { return Planner(options, context).plan(); }

void unify_settings(KnobPlan& plan, Context& context) {
  std::vector<bool> splits;   // whether guidance works by two estimates, so that it is off up to 1
  std::vector<ShortcutSupport> supports;
  for (Subject& s : plan.subjects) {
    const auto components = context.engine().open(s.model.string(), "float32");
    s.recommended = components->recommended;
    splits.push_back(components->denoiser->guidance() == GuidanceKind::classifier_free);
    supports.push_back(components->denoiser->shortcuts());
  }
  for (KnobSection& section : plan.sections)
    for (KnobLine& line : section.lines) {
      std::erase_if(line.points, [&](const KnobPoint& p) {
        const std::size_t i = p.setting.subject;
        return !can_take(supports[i], p.setting.shortcuts) || (is_partly_guided(p.setting) && !splits[i]);
      });
      for (KnobPoint& p : line.points) {
        const Recommended& usual = plan.subjects[p.setting.subject].recommended;
        if (p.setting.guidance == usual.guidance) p.setting.guidance.reset();
        else if (p.setting.guidance && splits[p.setting.subject]) p.setting.guidance = std::max(*p.setting.guidance, 1.0);
        if (p.setting.steps == usual.steps) p.setting.steps = 0;
      }
    }
}

}  // namespace safelight::app
