#include "service/providers/sqlite_ledger.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "common/base/error.h"

namespace safelight {
namespace {

class LedgerFile : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/safelight-ledger-XXXXXX";
    folder_ = mkdtemp(pattern);
    file_ = folder_ / "ledger.sqlite";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_, file_;
};

AttemptRecord attempt(const std::string& id, std::int64_t started_unix_ms = 1000) {
  return {.id = id, .job = "job", .model = "m", .protocol = "openai.images", .host = "h", .count = 2, .started_unix_ms = started_unix_ms, .price_usd = 0.08};
}

TEST_F(LedgerFile, KeepsEverythingThatARecordHolds) {
  AttemptRecord a = attempt("a");
  SqliteLedger ledger(file_);
  ledger.open(a);
  ledger.note_remote_id("a", "peer-7");
  a.ended = true, a.acceptance = Acceptance::accepted, a.duration_ms = 1234, a.images = 1, a.request_id = "r", a.cost = {.usd = 0.04, .possible_usd = 0.01, .basis = "usage"}, a.waited_ms = 5;
  a.failure = ProviderFailure{.failure = FailureClass::no_image, .message = "Z\xC3\xBCrich", .acceptance = Acceptance::accepted, .http_status = 200, .vendor_code = "v", .request_id = "r",
                              .retry_after_ms = 3, .final = true, .successor = "s"};
  ledger.close(a);
  const auto kept = SqliteLedger(file_).attempts();
  ASSERT_EQ(kept.size(), 1u);
  const AttemptRecord& k = kept[0];
  EXPECT_EQ(std::tie(k.id, k.job, k.model, k.protocol, k.host, k.count, k.started_unix_ms, k.duration_ms, k.images, k.request_id, k.waited_ms),
            std::tie(a.id, a.job, a.model, a.protocol, a.host, a.count, a.started_unix_ms, a.duration_ms, a.images, a.request_id, a.waited_ms));
  EXPECT_EQ(k.remote_id, "peer-7");
  EXPECT_EQ(k.acceptance, Acceptance::accepted);
  EXPECT_EQ(k.cost.basis, "usage");
  EXPECT_EQ(k.cost.possible_usd, 0.01);
  ASSERT_TRUE(k.failure);
  EXPECT_EQ(std::tie(k.failure->failure, k.failure->message, k.failure->http_status, k.failure->retry_after_ms, k.failure->final, k.failure->successor),
            std::tie(a.failure->failure, a.failure->message, a.failure->http_status, a.failure->retry_after_ms, a.failure->final, a.failure->successor));
}

TEST_F(LedgerFile, RefusesToSendAnAttemptTwiceAlsoAfterARestart) {
  SqliteLedger(file_).open(attempt("a"));
  SqliteLedger again(file_);
  EXPECT_THROW(again.open(attempt("a")), Error);
  EXPECT_EQ(again.attempts().at(0).acceptance, Acceptance::unknown);  // it never ended: it may have been paid for
}

TEST_F(LedgerFile, AKilledProcessLeavesWhatItHadOpened) {
  const pid_t child = fork();
  if (child == 0) {
    SqliteLedger ledger(file_);
    for (int i = 0; i < 20; ++i) ledger.open(attempt("a" + std::to_string(i), i));
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(SqliteLedger(file_).attempts().size(), 20u);
}

TEST_F(LedgerFile, GivesAttemptsByTimeAndJob) {
  SqliteLedger ledger(file_);
  for (int i = 0; i < 4; ++i) {
    AttemptRecord a = attempt("a" + std::to_string(i), 100 * (4 - i));
    a.job = i % 2 ? "odd" : "even";
    ledger.open(a);
  }
  EXPECT_EQ(ledger.attempts(200).size(), 3u);
  EXPECT_EQ(ledger.attempts(0, "odd").at(0).id, "a3");  // the oldest first
  EXPECT_TRUE(ledger.attempts(0, "none").empty());
}

TEST_F(LedgerFile, WritersShareIt) {
  SqliteLedger one(file_), two(file_);
  const auto write = [](SqliteLedger& ledger, const std::string& letter) {
    for (int i = 0; i < 25; ++i) ledger.open(attempt(letter + std::to_string(i))), ledger.close(attempt(letter + std::to_string(i)));
  };
  std::thread a([&] { write(one, "a"); }), b([&] { write(one, "b"); }), c([&] { write(two, "c"); });
  a.join(), b.join(), c.join();
  EXPECT_EQ(two.attempts().size(), 75u);
}

TEST_F(LedgerFile, RefusesWhatIsNoLedger) {
  const auto code_of = [&] {
    try {
      SqliteLedger ledger(file_);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::internal;
  };
  std::ofstream(file_) << std::string(4096, 'x');
  EXPECT_EQ(code_of(), ErrorCode::corrupt_file);
  std::filesystem::remove(file_);
  std::filesystem::create_directory(file_);
  EXPECT_EQ(code_of(), ErrorCode::io);
}

TEST_F(LedgerFile, AFullDiskPreventsTheSending) {
  // A limit on the size of files stands in for the disk; the signal that comes with it is ignored, as servers do.
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    SqliteLedger ledger(file_);
    const rlimit limit{.rlim_cur = 100'000, .rlim_max = 100'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      for (int i = 0; i < 1000; ++i) ledger.open(attempt("a" + std::to_string(i)));
    } catch (const Error& e) {
      _exit(e.code() == ErrorCode::io ? 0 : 1);
    }
    _exit(2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(SqliteLedger(file_).attempts().empty());  // and what was recorded before stands
}

}  // namespace
}  // namespace safelight
