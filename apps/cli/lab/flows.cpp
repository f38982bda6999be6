#include <fmt/format.h>

#include <chrono>

#include "apps/cli/lab/flows_page.h"
#include "common/base/error.h"

namespace safelight::app {
namespace {

void draw_pairs(const FlowPlan& plan, FlowFile& file, Context& context) {
  ProgressBar bar(true);
  FlowPainter painter(plan, context);
  const auto start = std::chrono::steady_clock::now();
  const std::size_t total = plan.prompts.size(), stored = file.pairs().size();
  for (std::size_t i = 0; i < total; ++i) {
    if (file.pairs().contains(i)) continue;
    if (stop_requested()) return;
    file.add(painter.pair(i));
    const std::size_t done = file.pairs().size();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    bar.show("drawing", static_cast<double>(done) / static_cast<double>(total), seconds / static_cast<double>(done - stored) * static_cast<double>(total - done), fmt::format("pair {} of {},", done, total));
  }
}

int flows(const FlowOptions& options, Context& context) {
  catch_interrupts();
  const FlowPlan plan = plan_flows(options, context);
  const std::filesystem::path out = options.out;
  std::filesystem::create_directories(out / "pictures");
  FlowFile file(out, plan, context.threads);
  try {
    draw_pairs(plan, file, context);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::cancelled) throw;   // what was reached is shown
  }
  const Json json = flows_json(plan, file.pairs());
  write_flows(out, plan, file.pairs(), json);
  if (!json["finished"].get<bool>()) note(fmt::format("stopped after {} of {} pairs; the same command goes on from there", json["pairs"].get<std::size_t>(), json["of_pairs"].get<std::size_t>()));
  if (context.common.json) return print_json(json), 0;
  for (const std::string& line : flows_table(json)) print_line(line);
  print_line((out / "flows.html").string());
  return 0;
}

}  // namespace

Command lab_flows(CLI::App& lab, Context& context) {
  auto o = std::make_shared<FlowOptions>();
  CLI::App* c = lab.add_subcommand("flows", "Measure the fast mode (few steps, post-filter) against the faithful one: time, checker score, words, pictures side by side");
  c->add_option("--fast", o->fast, "MODEL[:STEPS][@SIDE][+UPSCALER], whose pictures go through the post-filter; SIDE in pixels")->capture_default_str();
  c->add_option("--faithful", o->faithful, "MODEL, as it recommends; likewise with :STEPS, @SIDE and +UPSCALER")->capture_default_str();
  c->add_option("--count", o->count, "prompts, each drawn once in both modes with the same seed")->check(CLI::Range(1, 100'000))->capture_default_str();
  c->add_option("--tasks", o->tasks, "tasks, comma separated; without it all that the models' world knows")->delimiter(',');
  c->add_option("--denoise", o->filter.denoise, "post-filter of the fast mode: 0 to 64 levels")->capture_default_str();
  c->add_option("--deband", o->filter.deband, "post-filter of the fast mode: 0 to 8 levels")->capture_default_str();
  c->add_option("--sharpen", o->filter.sharpen, "post-filter of the fast mode: 0 to 2")->capture_default_str();
  c->add_option("--fix-text", o->fix_text, "post-filter of the fast mode: wrong words of signs are written anew, as far as the limit allows: same_style, contrast, plate or overlay");
  c->add_option("--out", o->out, "directory for flows.html, flows.json, the pictures and pairs.jsonl, from which a second call goes on")->required();
  return {c, [o, &context] { return flows(*o, context); }};
}

}  // namespace safelight::app
