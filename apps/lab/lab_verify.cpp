#include <fmt/format.h>

#include <map>
#include <memory>

#include "apps/lab/golden.h"
#include "apps/lab/lab.h"
#include "common/base/error.h"
#include "common/base/json_read.h"
#include "engine/weights/weight_file.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string manifest, dump, only;
};

struct Tally {
  int passed = 0, failed = 0, unsupported = 0;
  double worst = 0;
  std::string worst_case;
};

// What a row of the summary stands for: a kind of case, and within it the scheduler or the pipeline.
std::string group_of(const Json& c) {
  const std::string kind = c.at("kind");
  const Json config = c.value("config", Json::object());
  for (const char* key : {"scheduler", "pipeline"})
    if (config.contains(key) && config[key].is_string()) return kind + " " + config[key].get<std::string>();
  return kind;
}

int verify(const Arguments& a, const Common& common) {
  const std::filesystem::path root = std::filesystem::path(a.manifest).parent_path();
  const Json manifest = read_json(a.manifest);
  std::map<std::string, Tally> tallies;
  Json failures = Json::array();
  ProgressBar bar(true);
  std::size_t done = 0;
  if (!manifest.is_object() || !manifest.contains("cases") || !manifest["cases"].is_array())
    throw Error(ErrorCode::corrupt_file, "'" + a.manifest + "' is no manifest of recorded cases: it has no list 'cases'");
  for (const Json& c : manifest["cases"]) {
    if (!c.is_object() || !c.contains("kind") || !c.contains("name") || !c["kind"].is_string() || !c["name"].is_string())
      throw Error(ErrorCode::corrupt_file, "'" + a.manifest + "': a case has no kind or no name");
    const std::string name = c.value("name_unique", c.at("name").get<std::string>());
    if (!a.only.empty() && name.find(a.only) == std::string::npos) continue;
    Tally& tally = tallies[group_of(c)];
    bar.show("verifying", static_cast<double>(++done) / static_cast<double>(manifest["cases"].size()), 0, name + ",");
    const GoldenOutcome outcome = run_golden_case(c, root);
    if (outcome.unsupported) {
      ++tally.unsupported;
      continue;
    }
    outcome.passed ? ++tally.passed : ++tally.failed;
    if (outcome.error > tally.worst || tally.worst_case.empty()) tally.worst = outcome.error, tally.worst_case = name;
    if (!outcome.passed) failures.push_back({{"case", name}, {"error", outcome.error}, {"what", outcome.what}});
    if (!a.dump.empty() && !outcome.tensors.empty()) {
      const auto file = std::filesystem::path(a.dump) / (name + ".safetensors");
      std::filesystem::create_directories(file.parent_path());
      write_tensors(file, outcome.tensors, {});
    }
  }
  if (done == 0) throw Error(ErrorCode::invalid_argument, "'" + a.manifest + "' holds no case" + (a.only.empty() ? std::string() : " whose name contains '" + a.only + "'"));
  Json rows = Json::object();
  int failed = 0, passed = 0, unsupported = 0;
  for (const auto& [kind, t] : tallies) {
    rows[kind] = {{"passed", t.passed}, {"failed", t.failed}, {"unsupported", t.unsupported}, {"worst_error", t.worst}, {"worst_case", t.worst_case}};
    failed += t.failed, passed += t.passed, unsupported += t.unsupported;
  }
  if (common.json) {
    print_json({{"passed", passed}, {"failed", failed}, {"unsupported", unsupported}, {"kinds", rows}, {"failures", failures}});
  } else {
    for (const auto& [kind, r] : rows.items())
      print_line(fmt::format("{:<54} {:>4} passed {:>3} failed {:>4} unsupported  worst {:.2e} {}", kind, r["passed"].get<int>(), r["failed"].get<int>(),
                             r["unsupported"].get<int>(), r["worst_error"].get<double>(), r["worst_case"].get<std::string>()));
    for (const Json& f : failures) print_line(fmt::format("FAILED {} {:.3e} {}", f["case"].get<std::string>(), f["error"].get<double>(), f["what"].get<std::string>()));
  }
  return failed > 0 ? 1 : 0;
}

}  // namespace

Command lab_verify(CLI::App& parent, const Common& common) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = parent.add_subcommand("verify", "Compare with recorded outputs of the reference implementation");
  c->add_option("manifest", a->manifest, "manifest.json of the recorded cases")->required();
  c->add_option("--dump", a->dump, "write the tensors that were computed here, with the record's keys");
  c->add_option("--only", a->only, "cases whose name holds this text");
  return {c, [a, &common] { return verify(*a, common); }};
}

}  // namespace safelight::app
