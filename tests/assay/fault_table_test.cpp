// Every fault does something, at its own place, and is found in no record.
#include "assay/fault.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "assay/assay.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "tests/assay/small_engine.h"

namespace safelight {
namespace {

constexpr int kSteps = 6;

GenerateRequest small_request() {
  GenerateRequest request;
  request.model = nano().string();
  request.prompt = "a red circle and a blue square";
  request.seed = 5;
  request.steps = kSteps;
  request.probes = "none";
  return request;
}

TEST(FaultTable, NamesAreUniqueAndRowsComplete) {
  std::set<std::string> names;
  for (const FaultEntry& fault : fault_table()) {
    EXPECT_TRUE(names.insert(fault.name).second) << fault.name;
    EXPECT_FALSE(fault.doses.empty()) << fault.name;
    EXPECT_TRUE(fault.inject) << fault.name;
    for (const std::string& subsystem : {fault.truth.subsystem, fault.truth.trigger})
      EXPECT_NE(std::find(std::begin(kSubsystems), std::end(kSubsystems), subsystem), std::end(kSubsystems)) << fault.name << ": " << subsystem;
  }
  EXPECT_GE(names.size(), 40u);
}

TEST(FaultTable, AQuarterIsHeldOutAndItIsNotOneSubsystem) {
  int held_out = 0;
  std::set<std::string> subsystems;
  for (const FaultEntry& fault : fault_table())
    if (fault.added_after_freeze) ++held_out, subsystems.insert(fault.truth.subsystem);
  EXPECT_GE(4 * held_out, static_cast<int>(fault_table().size()));
  EXPECT_GE(subsystems.size(), 8u);
}

TEST(FaultTable, UnknownNamesAreRefusedWithTheKnownOnes) {
  try {
    fault_named("gremlins");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(e.what()).find("attention-flattened"), std::string::npos);
  }
}

// What of a run's record could give a fault away without anything having been measured.
Json identity_of(const std::filesystem::path& run) {
  const Json record = read_json(run / "run.json");
  Json out = Json::object();
  for (const char* key : {"request", "interventions", "environment", "recommended", "weights", "resolved"}) out[key] = record.value(key, Json());
  return out;
}

TEST(FaultTable, EveryFaultChangesThePictureAndLeavesNoNameBehind) {
  const ScratchDirectory scratch;
  Engine healthy(small_engine());
  const auto components = healthy.open(nano().string(), "float32");
  const GenerateRequest request = small_request();
  for (const FaultEntry& fault : fault_table()) {
    const Injection injection = inject(fault, fault.doses.size() - 1, *components, request, 3);
    // Where the model is damaged the same request on the healthy model is what the picture has to differ from.
    const GenerateRequest& before = injection.damage ? injection.request : request;
    const auto clean = scratch.path() / fault.name / "0", broken = scratch.path() / fault.name / "1";
    const Image expected = healthy.generate(before, {}, clean, {}).result.images.front();
    Engine damaged(with_fault(small_engine(), nano(), injection));
    const Image seen = damaged.generate(injection.request, {}, broken, {}).result.images.front();
    EXPECT_NE(expected.pixels, seen.pixels) << fault.name;
    EXPECT_EQ(read_file(broken / "run.json").find(fault.name), read_file(clean / "run.json").find(fault.name)) << fault.name;
    if (injection.damage) {
      EXPECT_EQ(identity_of(clean).dump(), identity_of(broken).dump()) << fault.name;
    }
  }
}

TEST(FaultTable, ADoseIsDeterministicAndOtherModelsStayHealthy) {
  Engine healthy(small_engine());
  const auto components = healthy.open(nano().string(), "float32");
  const FaultEntry& fault = fault_named("module-weights-noise");
  const auto picture = [&](std::uint64_t seed, const std::filesystem::path& where) {
    Engine damaged(with_fault(small_engine(), where, inject(fault, 2, *components, small_request(), seed)));
    return damaged.generate(small_request(), {}, {}, {}).result.images.front().pixels;
  };
  EXPECT_EQ(picture(1, nano()), picture(1, nano()));
  EXPECT_NE(picture(1, nano()), picture(2, nano()));
  EXPECT_EQ(picture(1, nano().parent_path() / "another-model"), healthy.generate(small_request(), {}, {}, {}).result.images.front().pixels);
}

TEST(FaultTable, AFaultWithAnOnsetLeavesTheStepsBeforeItAlone) {
  const ScratchDirectory scratch;
  Engine healthy(small_engine());
  const auto components = healthy.open(nano().string(), "float32");
  GenerateRequest request = small_request();
  request.probes = "summary";
  const Injection injection = inject(fault_named("guidance-burst"), 2, *components, request, 3);
  Engine damaged(with_fault(small_engine(), nano(), injection));
  healthy.generate(request, {}, scratch.path() / "clean", {});
  damaged.generate(request, {}, scratch.path() / "broken", {});
  const TraceReader clean(scratch.path() / "clean"), broken(scratch.path() / "broken");
  int before = 0;
  for (int step = 0; step < broken.steps_done(); ++step) {
    const bool acts = broken.nodes()[static_cast<std::size_t>(step)].timestep <= injection.truth.from_timestep;
    const auto ratio = [&](const TraceReader& t) { return t.scalar("guidance.delta_ratio")[static_cast<std::size_t>(step)]; };
    if (acts) {
      EXPECT_GT(ratio(broken), 2 * ratio(clean)) << step;
    } else {
      ++before;
      EXPECT_EQ(ratio(broken), ratio(clean)) << step;
    }
  }
  EXPECT_GT(before, 0);
}

}  // namespace
}  // namespace safelight
