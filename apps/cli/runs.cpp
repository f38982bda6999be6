#include <fmt/format.h>

#include <algorithm>

#include "apps/cli/context.h"
#include "common/base/error.h"

namespace safelight::app {
namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

Json summary(const std::filesystem::path& directory) {
  try {
    const TraceReader t(directory);
    const Json& run = t.run();
    const Json verdict = run.value("verdict", Json::object());
    return {{"run", directory.string()}, {"status", run.value("status", "")}, {"created", run.value("created", "")},
            {"prompt", run.value("request", Json::object()).value("prompt", "")}, {"steps_done", t.steps_done()},
            {"healthy", verdict.contains("healthy") ? verdict["healthy"] : Json(nullptr)}, {"subsystem", verdict.value("subsystem", "")}};
  } catch (const Error& e) {
    return {{"run", directory.string()}, {"status", "unreadable"}, {"error", e.what()}};
  }
}

int list(Context& context) {
  Json runs = Json::array();
  for (const auto& directory : context.stored_runs()) runs.push_back(summary(directory));
  if (context.common.json) print_json({{"runs", runs}});
  else
    for (const Json& r : runs)
      print_line(printable(fmt::format("{}  {:<9} {:<14} {}", std::filesystem::path(r["run"].get<std::string>()).filename().string(), r["status"].get<std::string>(),
                             r.contains("healthy") && r["healthy"].is_boolean() ? (r["healthy"].get<bool>() ? "healthy" : r["subsystem"].get<std::string>()) : "",
                             one_line(r.value("prompt", "")))));
  return 0;
}

int gc(Context& context, int keep, bool really) {
  const auto runs = context.stored_runs();
  Json removed = Json::array(), left = Json::array();
  const auto cut = runs.size() > static_cast<std::size_t>(keep) ? runs.size() - static_cast<std::size_t>(keep) : 0;
  for (std::size_t i = 0; i < cut; ++i) {
    const Json s = summary(runs[i]);
    // Runs that a verdict calls broken are evidence; their counterfactuals lie inside them.
    if (s.contains("healthy") && s["healthy"] == false) continue;
    if (s["status"] == "unreadable" || s["status"] == "running") {   // may be no run of ours, or one that goes on
      left.push_back(runs[i].string());
      continue;
    }
    removed.push_back(runs[i].string());
    if (really) std::filesystem::remove_all(runs[i]);
  }
  if (context.common.json) print_json({{"removed", removed}, {"left", left}, {"dry_run", !really}});
  else print_line(fmt::format("{} {} runs", really ? "removed" : "would remove (say --yes)", removed.size()));
  if (!context.common.json && !left.empty()) note(fmt::format("left alone: {} that cannot be read as finished runs, the first '{}'", left.size(), left.front().get<std::string>()));
  return 0;
}

}  // namespace

Command runs_command(CLI::App& app, Context& context) {
  struct Arguments {
    std::string run = "latest";
    int keep = 50;
    bool yes = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("runs", "The stored runs");
  c->require_subcommand(1);
  c->add_subcommand("list", "Every run, oldest first");
  CLI::App* show = c->add_subcommand("show", "One run's record");
  show->add_option("run", a->run, "id or directory of a run, latest, or latest~1 for the one before");
  CLI::App* collect = c->add_subcommand("gc", "Remove old finished runs that no verdict calls broken");
  collect->add_option("--keep", a->keep, "how many of the newest to keep")->check(CLI::Range(0, 1'000'000));
  collect->add_flag("--yes", a->yes, "remove them; without it only say what would go");
  return {c, [a, c, show, collect, &context] {
            if (show->parsed()) {
              const TraceReader t(context.find_run(a->run));
              print_json(t.run());
              return 0;
            }
            return collect->parsed() ? gc(context, a->keep, a->yes) : list(context);
          }};
}

}  // namespace safelight::app
