// Stages, their policies, what is reused, approvals, and money after a crash.
#include <cstdio>

#include "common/base/error.h"
#include "common/base/io.h"
#include "tests/service/jobs/pipeline_fixture.h"

namespace safelight {
namespace {

constexpr const char* kFive = R"(
name = "five"
prompt = "a red barn"
[[stage]]
name = "draw"
kind = "generate"
count = 2
seed = 7
[[stage]]
name = "look"
kind = "check"
min_contrast = 1
[[stage]]
name = "choose"
kind = "approve"
question = "which?"
[[stage]]
name = "enlarge"
kind = "upscale"
scale = 2
[[stage]]
name = "write"
kind = "deliver"
file = "barn.png"
)";

constexpr const char* kPaid = "name = \"paid\"\nlatency = { limit_ms = 20000 }\ncost = { per_image_usd = 0.05, per_day_usd = 1.0 }\nmodels = { only = [\"dear\"] }\n";

std::string draw_only(const std::string& more = "") { return "name = \"d\"\nprompt = \"a red barn\"\n[[stage]]\nname = \"draw\"\nkind = \"generate\"\nseed = 1\n" + more; }

TEST_F(Pipelines, FiveStagesWithAPersonInTheMiddle) {
  const std::string run = add(kFive);
  EXPECT_EQ(go(run), "waiting");
  EXPECT_EQ(calls_["painter"], 2);
  open();                                        // another process
  Approval word = decision(run);
  word.picked = {1};
  store_->decide(run, word);
  EXPECT_EQ(go(run), "done");
  EXPECT_EQ(calls_["painter"], 2);
  EXPECT_EQ(stage(run, "choose").outputs.size(), 1u);
  EXPECT_EQ(stage(run, "choose").outputs[0].object, stage(run, "draw").outputs[1].object);
  const std::string bytes = read_file(folder_ / "out/barn.png");
  EXPECT_EQ(decode_png(bytes, "barn").width, 32);
  EXPECT_EQ(sha256_hex(bytes), stage(run, "write").outputs[0].object);
  EXPECT_EQ(store_->run(run).approvals.size(), 1u);
  EXPECT_EQ(go(run), "done") << "a finished run has nothing left to do";
  EXPECT_EQ(calls_["painter"], 2);
}

TEST_F(Pipelines, ARunNeverApprovesItselfAndADecisionIsMadeOnce) {
  const std::string run = add(kFive);
  EXPECT_EQ(go(run), "waiting");
  EXPECT_EQ(go(run), "waiting");
  Approval word = decision(run);
  store_->decide(run, word);
  word.approved = false;
  EXPECT_THROW(store_->decide(run, word), Error);
  EXPECT_EQ(go(run), "done");
  EXPECT_THROW(decision(run), Error) << "nothing waits any more";
}

TEST_F(Pipelines, ADecisionHoldsForWhatWasShownAlone) {
  const std::string run = add(kFive);
  EXPECT_EQ(go(run), "waiting");
  Approval word = decision(run);
  word.shown = sha256_hex("other pictures");
  store_->decide(run, word);
  EXPECT_EQ(go(run), "waiting");
}

TEST_F(Pipelines, ARejectionEndsTheRun) {
  const std::string run = add(kFive);
  go(run);
  Approval word = decision(run);
  word.approved = false, word.reason = "both are crooked";
  store_->decide(run, word);
  EXPECT_EQ(go(run), "rejected");
  EXPECT_EQ(stage(run, "choose").message, "both are crooked");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/barn.png"));
}

TEST_F(Pipelines, APersonChangesThePromptOfTheNextStage) {
  const std::string run = add("name = \"r\"\nprompt = \"a red barn\"\n[[stage]]\nname = \"draw\"\nkind = \"generate\"\nseed = 1\n[[stage]]\nname = \"ok\"\nkind = \"approve\"\n"
                              "[[stage]]\nname = \"again\"\nkind = \"refine\"\nseed = 2\n");
  EXPECT_EQ(go(run), "waiting");
  std::string asked, init;
  on_call_ = [&](const ProviderCall& call) { asked = call.request.prompt, init = call.request.init; };
  Approval word = decision(run);
  word.prompt = "a blue barn";
  store_->decide(run, word);
  EXPECT_EQ(go(run), "done");
  EXPECT_EQ(asked, "a blue barn");
  EXPECT_EQ(sha256_hex(init), stage(run, "draw").outputs[0].object);
}

TEST_F(Pipelines, ARepeatedPipelineRedoesNothingUnlessAsked) {
  const std::string first = add(draw_only()), second = add(draw_only()), other = add(draw_only("steps = 5\n")), fresh = add(draw_only(), "", true);
  EXPECT_EQ(go(first), "done");
  EXPECT_EQ(go(second), "done");
  EXPECT_EQ(calls_["painter"], 1);
  EXPECT_TRUE(stage(second, "draw").reused);
  EXPECT_EQ(stage(second, "draw").outputs[0].object, stage(first, "draw").outputs[0].object);
  EXPECT_EQ(go(other), "done");
  EXPECT_EQ(calls_["painter"], 2);
  EXPECT_EQ(go(fresh), "done");
  EXPECT_EQ(calls_["painter"], 3);
}

TEST_F(Pipelines, AResultWhosePictureIsLostIsMadeAgain) {
  const std::string run = add(draw_only());
  go(run);
  std::filesystem::remove_all(folder_ / "objects");
  const std::string again = add(draw_only());
  EXPECT_EQ(go(again), "done");
  EXPECT_EQ(calls_["painter"], 2);
}

TEST_F(Pipelines, FailurePolicies) {
  const std::string gate = "[[stage]]\nname = \"look\"\nkind = \"check\"\nmin_width = 999\non_failure = \"";
  const std::string rest = "\"\n[[stage]]\nname = \"more\"\nkind = \"upscale\"\n";
  const std::string fails = add(draw_only(gate + "fail" + rest)), skips = add(draw_only(gate + "skip" + rest)), goes_on = add(draw_only(gate + "use_previous" + rest));
  EXPECT_EQ(go(fails), "failed");
  EXPECT_NE(stage(fails, "look").message.find("16x16"), std::string::npos);
  EXPECT_EQ(go(skips), "done");
  EXPECT_EQ(stage(skips, "more").state, StageState::skipped);
  EXPECT_EQ(go(goes_on), "done");
  EXPECT_EQ(stage(goes_on, "more").outputs[0].width_px, 32);
}

TEST_F(Pipelines, ARefusedPictureSaysWhyAndIsTriedAgainWhenResumed) {
  const std::string run = add(draw_only());
  fail_ = [](const ProviderCall&) { return ProviderFailure{.failure = FailureClass::refused, .message = "not this", .acceptance = Acceptance::rejected}; };
  EXPECT_EQ(go(run), "failed");
  EXPECT_NE(stage(run, "draw").message.find("not this"), std::string::npos);
  fail_ = [](const ProviderCall&) { return std::nullopt; };
  EXPECT_EQ(go(run), "done");
}

TEST_F(Pipelines, ABadPictureGoesDownTheLadderWithALabel) {
  judge_ = [&](const std::string&, const std::string&) {
    Verdict v;
    v.healthy = calls_["painter"] + calls_["dear"] > 1;
    if (!v.healthy) v.scores = {{"text", 0.9}};
    return v;
  };
  const std::string run = add(draw_only("steps = 10\n"), "name = \"s\"\nfailures = { refuse = [\"text\"] }\n[[ladder]]\nrung = \"fewer-steps\"\n");
  EXPECT_EQ(go(run), "done");
  EXPECT_EQ(calls_["painter"], 2);
  EXPECT_EQ(stage(run, "draw").outputs[0].facts.value("outcome", ""), "degraded");
  EXPECT_NE(stage(run, "draw").outputs[0].facts.value("label", "").find("fewer-steps"), std::string::npos);
}

TEST_F(Pipelines, AfterACrashInAPaidCallNobodyPaysTwiceWithoutPermission) {
  const std::string run = add(draw_only(), kPaid);
  // The process dies while the call is under way: the attempt stands in the ledger, without an end.
  AttemptRecord a{.id = "paid/" + run + "/draw/0~0/0/0/0", .job = "paid/" + run + "/draw/0~0/0", .model = "dear", .protocol = "local", .started_unix_ms = 1, .price_usd = 0.04};
  ledger_->open(a);
  EXPECT_EQ(go(run), "uncertain");
  EXPECT_EQ(calls_["dear"], 0);
  EXPECT_NEAR(stage(run, "draw").possible_usd, 0.04, 1e-9);
  EXPECT_EQ(go(run), "uncertain");
  EXPECT_EQ(go(run, true), "done");
  EXPECT_EQ(calls_["dear"], 1);
  EXPECT_NEAR(stage(run, "draw").usd, 0.04, 1e-9);
  EXPECT_NEAR(stage(run, "draw").possible_usd, 0.04, 1e-9);
}

TEST_F(Pipelines, APictureThatDidNotPassIsNotTakenForGoodWhenResumed) {
  judge_ = [](const std::string&, const std::string&) {
    Verdict v;
    v.scores = {{"text", 0.9}};
    return v;
  };
  const std::string run = add(draw_only());
  EXPECT_EQ(go(run), "failed");
  EXPECT_EQ(go(run), "failed");
  EXPECT_EQ(calls_["painter"], 2);
}

TEST_F(Pipelines, APaidPictureThatTheDiskDidNotTakeIsNotBoughtAgainByItself) {
  const std::string run = add(draw_only(), kPaid);
  std::filesystem::create_directories(folder_ / "objects");
  for (int i = 0; i < 256; ++i) {                // no object can be written: files stand where folders belong
    char name[3];
    std::snprintf(name, sizeof name, "%02x", static_cast<unsigned>(i));
    write_file_atomic(folder_ / "objects" / name, "x");
  }
  EXPECT_THROW(go(run), std::exception);
  EXPECT_EQ(calls_["dear"], 1);
  std::filesystem::remove_all(folder_ / "objects");
  EXPECT_EQ(go(run), "uncertain");
  EXPECT_EQ(calls_["dear"], 1);
  EXPECT_NEAR(stage(run, "draw").usd, 0.04, 1e-9);
  EXPECT_EQ(go(run, true), "done");
}

TEST_F(Pipelines, APictureThatCameBeforeTheCrashIsFoundAgain) {
  const std::string run = add(draw_only(), kPaid);
  const std::string bytes = encode_png(painting("kept"), {});
  const std::string object = ObjectStore(folder_ / "objects").put(bytes);
  AttemptRecord a{.id = "paid/" + run + "/draw/0~0/0/0/0", .job = "paid/" + run + "/draw/0~0/0", .model = "dear", .protocol = "local", .started_unix_ms = 1, .price_usd = 0.04};
  ledger_->open(a);
  store_->keep(a.id, {.object = object, .mime = "image/png", .width_px = 16, .height_px = 16});
  EXPECT_EQ(go(run), "done");
  EXPECT_EQ(calls_["dear"], 0);
  EXPECT_EQ(stage(run, "draw").outputs[0].object, object);
  EXPECT_NEAR(stage(run, "draw").usd, 0.04, 1e-9);
  EXPECT_TRUE(ledger_->attempts(0, a.job).at(0).ended);
}

TEST_F(Pipelines, ABulkBatchIsOfOneMakeAndSaysHowFarItVaries) {
  const std::string run = add(draw_only("count = 4\n"), "name = \"b\"\nmode = \"bulk\"\n");
  std::vector<std::uint64_t> seeds;
  on_call_ = [&](const ProviderCall& call) { seeds.push_back(call.request.seed.value_or(0)); };
  EXPECT_EQ(go(run), "done");
  EXPECT_EQ(seeds, (std::vector<std::uint64_t>{1, 2, 3, 4}));
  const StageRecord r = stage(run, "draw");
  for (const Picture& p : r.outputs) EXPECT_EQ(p.facts.value("model", ""), "painter");
  EXPECT_GT(r.facts["style"]["figures"]["mean_luma"]["deviation"].get<double>(), 0);
  EXPECT_TRUE(r.facts["style"]["odd_one"].is_number());
}

TEST_F(Pipelines, ACancelledStageIsNotCalledDone) {
  std::atomic<bool> cancel = false;
  cancel_ = &cancel;
  on_call_ = [&](const ProviderCall&) { cancel = true; };
  const std::string run = add(draw_only("count = 3\n"));
  EXPECT_EQ(go(run), "interrupted");
  EXPECT_EQ(calls_["painter"], 1);
  cancel_ = nullptr;
  EXPECT_EQ(go(run), "done");
  EXPECT_EQ(stage(run, "draw").outputs.size(), 3u);
  EXPECT_EQ(calls_["painter"], 3) << "the picture that had come is found again";
}

TEST_F(Pipelines, OneProcessAtATimeWorksOnARun) {
  const RunLock lock(folder_ / "locks", "run-1");
  EXPECT_THROW(RunLock(folder_ / "locks", "run-1"), Error);
  EXPECT_NO_THROW(RunLock(folder_ / "locks", "run-2"));
}

TEST_F(Pipelines, TheReportSaysWhereTimeAndMoneyWent) {
  const std::string run = add(draw_only(), kPaid);
  EXPECT_EQ(go(run), "done");
  const Json report = report_of(store_->run(run), 1);
  EXPECT_EQ(report["state"], "done");
  EXPECT_NEAR(report["usd"].get<double>(), 0.04, 1e-9);
  const Json& attempt = report["stages"][0]["facts"]["candidates"][0]["attempts"][0];
  EXPECT_EQ(attempt["model"], "dear");
  EXPECT_EQ(report["stages"][0]["facts"]["candidates"][0]["route"]["outcome"], "full");
}

}  // namespace
}  // namespace safelight
