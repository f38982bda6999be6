// Plans, runs that can be killed, and the same answer twice.
#include "assay/assay.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "common/base/error.h"
#include "common/base/io.h"
#include "engine/training/recipe.h"
#include "tests/assay/small_engine.h"

namespace safelight {
namespace {

AssayPlan small_plan() { return {.model = nano().string(), .count = 2, .seed = 11, .counterfactuals = 0}; }

std::vector<std::string> ids_of(const std::vector<PlannedRun>& runs) {
  std::vector<std::string> out;
  for (const PlannedRun& run : runs) out.push_back(run.id + " " + (run.fault ? run.fault->name : run.clean_kind) + " " + run.request.prompt + " " + std::to_string(run.request.seed));
  return out;
}

TEST(Plan, IsTheSameTwiceAndItsShardsMakeTheWhole) {
  const PromptSource world{.world = world_of(nano()), .fits = {}};
  AssayPlan plan = small_plan();
  plan.count = 30;
  const auto whole = ids_of(plan_runs(plan, world));
  EXPECT_EQ(whole, ids_of(plan_runs(plan, world)));
  std::multiset<std::string> parts;
  plan.shards = 4;
  for (plan.shard = 1; plan.shard <= 4; ++plan.shard)
    for (const std::string& id : ids_of(plan_runs(plan, world))) parts.insert(id);
  EXPECT_EQ(parts, std::multiset<std::string>(whole.begin(), whole.end()));
  plan = small_plan();
  plan.count = 30;
  plan.seed = 12;
  EXPECT_NE(whole, ids_of(plan_runs(plan, world)));
}

TEST(Plan, MeetsEveryFaultOnceARoundAndEveryDoseInThree) {
  AssayPlan plan = small_plan();
  const auto rows = fault_table().size();
  plan.count = static_cast<int>(3 * rows);
  std::set<std::string> first_round;
  std::map<std::string, std::set<std::size_t>> doses;
  std::size_t faulty = 0, clean = 0;
  for (const PlannedRun& run : plan_runs(plan, {.world = world_of(nano()), .fits = {}})) {
    if (!run.fault) {
      ++clean;
      continue;
    }
    if (faulty++ < rows) first_round.insert(run.fault->name);
    doses[run.fault->name].insert(run.dose);
  }
  EXPECT_EQ(clean, faulty);
  EXPECT_EQ(first_round.size(), rows);
  for (const FaultEntry& fault : fault_table()) EXPECT_EQ(doses[fault.name].size(), std::min<std::size_t>(3, fault.doses.size())) << fault.name;
}

TEST(Plan, AsksOnlyForWhatFits) {
  AssayPlan plan = small_plan();
  plan.count = 20;
  const auto is_short = [](const std::string& prompt) { return prompt.size() < 40; };
  for (const PlannedRun& run : plan_runs(plan, {.world = world_of(nano()), .fits = is_short})) EXPECT_LT(run.request.prompt.size(), 40u) << run.id;
}

TEST(Plan, CleanRunsAreOfEveryKind) {
  std::set<std::string> kinds;
  for (int i = 0; i < 15; ++i) kinds.insert(clean_case(i, {.world = world_of(nano()), .fits = {}}, 1).kind);
  const auto all = clean_kinds();
  EXPECT_EQ(kinds, std::set<std::string>(all.begin(), all.end()));
}

// A record without what depends on the clock.
std::string timeless(AssayRecord record) {
  record.observed.seconds = record.proven.seconds = 0;
  return to_json(record).dump();
}

std::vector<std::string> timeless_lines(const std::filesystem::path& file) {
  std::vector<std::string> out;
  for (const AssayRecord& record : read_records(file)) out.push_back(timeless(record));
  return out;
}

TEST(Assay, GoesOnWhereItWasKilledAndGivesTheSameLines) {
  const ScratchDirectory scratch;
  const AssayOptions options{.plan = small_plan(), .out = scratch.path() / "whole"};
  const AssayProgress whole = run_assay(small_engine(), options);
  EXPECT_EQ(whole.done, 4);
  EXPECT_EQ(whole.total, 4);
  const auto file = options.out / "runs-1-of-1.jsonl";
  const auto lines = timeless_lines(file);
  ASSERT_EQ(lines.size(), 4u);
  const std::string text = read_file(file);
  write_file_atomic(file, text.substr(0, text.size() - 40));  // as a kill leaves it: the last line is cut
  int begun = 0;
  AssayOptions again = options;
  again.progress = [&](int, int, const std::string&) { ++begun; };
  run_assay(small_engine(), again);
  EXPECT_EQ(begun, 1);
  EXPECT_EQ(timeless_lines(file), lines);
  EXPECT_FALSE(std::filesystem::exists(options.out / "scratch-1-of-1"));
}

TEST(Assay, RefusesADirectoryWithAnotherPlansRuns) {
  const ScratchDirectory scratch;
  AssayOptions options{.plan = small_plan(), .out = scratch.path() / "one", .stop = [] { return true; }};
  run_assay(small_engine(), options);
  options.plan.seed = 99;
  EXPECT_THROW(run_assay(small_engine(), options), Error);
}

TEST(Assay, RefusesPlansThatCannotBe) {
  const ScratchDirectory scratch;
  AssayOptions options{.plan = small_plan(), .out = scratch.path() / "none"};
  options.plan.count = 0;
  EXPECT_THROW(run_assay(small_engine(), options), Error);
  options.plan = small_plan();
  options.plan.shard = 3, options.plan.shards = 2;
  EXPECT_THROW(run_assay(small_engine(), options), Error);
  EXPECT_FALSE(std::filesystem::exists(options.out));
}

TEST(Assay, KnowsTheTruthAndWhatTheFaultDid) {
  const ScratchDirectory scratch;
  Engine engine(small_engine());
  PlannedRun planned{.id = "x", .fault = &fault_named("denoiser-non-finite"), .dose = 0, .request = {}, .seed = 4};
  planned.request.model = nano().string();
  planned.request.prompt = "a green triangle";
  const AssayRecord record = assay_one(engine, planned, 2, scratch.path() / "run");
  EXPECT_EQ(record.subsystem, "denoiser");
  EXPECT_GE(record.step, 0);
  EXPECT_GT(record.pixel_change, 10);
  EXPECT_EQ(record.observed.said, "denoiser");
  EXPECT_EQ(record.observed.step, record.step);
  EXPECT_NE(record.observed.module.find(record.module), std::string::npos) << record.observed.module;
  EXPECT_EQ(record.fixed_thresholds, "denoiser");
  EXPECT_EQ(timeless(record), timeless(assay_one(engine, planned, 2, scratch.path() / "run")));
}

}  // namespace
}  // namespace safelight
