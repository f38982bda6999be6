#include <fmt/format.h>
#include <unistd.h>

#include "apps/cli/context.h"
#include "bridge/diagnosis.h"
#include "engine/training/scenes/captions.h"
#include "engine/training/recipe.h"

namespace safelight::app {
namespace {

// Captions of the world that the model was trained on.
std::vector<std::string> scene_prompts(const std::filesystem::path& model, int n) {
  const SceneOptions options = world_of(model);
  std::vector<std::string> out;
  for (int i = 0; i < n; ++i) out.push_back(caption(make_scene(options, 0xCA11B, static_cast<std::uint64_t>(i)), static_cast<std::uint64_t>(i)).text);
  return out;
}

}  // namespace

Command lab_calibrate(CLI::App& lab, Context& context) {
  struct Arguments {
    std::string model = "signs-base";
    int runs = 300, held_out = 50;   // fewer than five runs a feature make no band of all features together
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = lab.add_subcommand("calibrate", "Record what healthy runs of a model look like, into its baseline.json");
  c->add_option("model", a->model, "name or directory");
  c->add_option("--count", a->runs, "healthy runs that make the bands")->check(CLI::Range(10, 100'000));
  c->add_option("--held-out", a->held_out, "further runs that measure the false-alarm rate")->check(CLI::Range(0, 100'000));
  return {c, [a, &context] {
            const auto scratch = std::filesystem::temp_directory_path() / fmt::format("safelight-calibrate-{}", ::getpid());
            catch_interrupts();
            ProgressBar bar(true);
            const Baseline b = calibrate(context.engine(), a->model, scratch, scene_prompts(context.engine().find_model(a->model), a->runs + a->held_out),
                                         {.runs = a->runs, .held_out_runs = a->held_out, .progress = [&](const std::string& what, double part) { bar.show(what, part, 0); }, .stop = stop_requested});
            std::filesystem::remove_all(scratch);
            const Json json = {{"model", context.engine().find_model(a->model).string()}, {"runs", b.runs}, {"series", b.series.size()},
                               {"false_alarm_rate", b.false_alarm_rate}, {"false_alarm_runs", b.false_alarm_runs}};
            if (context.common.json) print_json(json);
            else print_line(fmt::format("baseline of {} runs; {:.1f} % false alarms on {} further runs", b.runs, 100 * b.false_alarm_rate, b.false_alarm_runs));
            return 0;
          }};
}

}  // namespace safelight::app
