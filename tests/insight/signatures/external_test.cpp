#include "insight/signatures/external.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>

namespace safelight {
namespace {

// tests/fakes/search_fake.py as its own process; it ends when its standard input closes.
class Fake {
 public:
  Fake() {
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) throw std::runtime_error("pipe");
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      for (const int fd : {to[0], to[1], from[0], from[1]}) close(fd);
      execlp("python3", "python3", SAFELIGHT_SOURCE "/tests/fakes/search_fake.py", nullptr);
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    input_ = to[1];
    char c = 0;
    while (read(from[0], &c, 1) == 1 && c != '\n') port_ += c;
    close(from[0]);
    if (port_.empty()) throw std::runtime_error("the fake did not start");
  }
  ~Fake() {
    close(input_);
    waitpid(child_, nullptr, 0);
  }
  std::string base(const std::string& scenario) const { return "http://127.0.0.1:" + port_ + "/" + scenario; }

 private:
  pid_t child_ = -1;
  int input_ = -1;
  std::string port_;
};

class Lookup : public testing::Test {
 protected:
  static void SetUpTestSuite() { fake_ = std::make_unique<Fake>(); }
  static void TearDownTestSuite() { fake_.reset(); }
  static Verdict burnt() {
    Verdict v;
    v.subsystem = "guidance";
    v.cause = "guidance-burn";
    v.scores = {{"colour", 0.9}, {"overall", 0.9}};
    return v;
  }
  static ExternalLookup ask(const std::string& kinds, const std::string& scenario, const std::string& token = "") {
    std::string text;
    for (std::size_t at = 0; at < kinds.size(); at = kinds.find(' ', at) == std::string::npos ? kinds.size() : kinds.find(' ', at) + 1)
      text += (text.empty() ? "" : ",") + kinds.substr(at, kinds.find(' ', at) - at) + "=" + fake_->base(scenario);
    const LookupHttp impatient = [](LookupRequest request) {
      request.timeout_ms = 1'000;
      return curl_lookup()(request);
    };
    return look_up(burnt(), SignatureLibrary(), lookup_endpoints(text, token), impatient);
  }
  // The one problem of an endpoint in a scenario where nothing can be found.
  static std::string problem(const std::string& kind, const std::string& scenario, const std::string& token = "") {
    const ExternalLookup out = ask(kind, scenario, token);
    EXPECT_TRUE(out.hits.empty());
    return out.problems.size() == 1 ? out.problems.front() : std::to_string(out.problems.size()) + " problems";
  }
  static std::unique_ptr<Fake> fake_;
};
std::unique_ptr<Fake> Lookup::fake_;

TEST_F(Lookup, ConsolidatesBothAndRanksAgainstTheFindings) {
  const ExternalLookup out = ask("searxng github", "ok");
  EXPECT_TRUE(out.problems.empty()) << out.problems.front();
  ASSERT_EQ(out.hits.size(), 2u);  // one page found by both, one by github; the page on cakes has none of the words
  EXPECT_EQ(out.hits[0].url, "https://github.com/example/painter/issues/7");
  EXPECT_EQ(out.hits[0].found_by, (std::vector<std::string>{"searxng", "github"}));
  EXPECT_GT(out.hits[0].score, out.hits[1].score);
  EXPECT_EQ(out.hits[1].signature, "nonzero-terminal-snr-grey");
  EXPECT_EQ(to_json(out)["hits"][0]["origin"], "external");
}

TEST_F(Lookup, RefusalsAreNamedWithTheirReason) {
  EXPECT_NE(problem("searxng", "nojson").find("search.formats"), std::string::npos);
  EXPECT_NE(problem("searxng", "limited").find("wait 30 s"), std::string::npos);
  EXPECT_NE(problem("searxng", "limited403").find("wait 30 s"), std::string::npos);
  EXPECT_NE(problem("github", "limited").find("1900000000"), std::string::npos);
  EXPECT_NE(problem("github", "limited403").find("rate limit"), std::string::npos);
  EXPECT_NE(problem("github", "ok", "wrong").find("token"), std::string::npos);
  EXPECT_EQ(ask("github", "ok", "right").problems.size(), 0u);
}

TEST_F(Lookup, BadAnswersAreProblemsNotFailures) {
  for (const char* kind : {"searxng", "github"}) {
    EXPECT_NE(problem(kind, "broken").find("not valid JSON"), std::string::npos);
    EXPECT_NE(problem(kind, "wrongshape").find("no list"), std::string::npos);
    EXPECT_NE(problem(kind, "huge").find("larger than"), std::string::npos);
    EXPECT_NE(problem(kind, "redirect").find("302"), std::string::npos);
    EXPECT_NE(problem(kind, "hangup").find("no answer"), std::string::npos);
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_NE(problem("github", "slow").find("no answer"), std::string::npos);
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 4);
}

TEST_F(Lookup, OneEndpointThatFailsDoesNotSpoilTheOther) {
  const auto endpoints = lookup_endpoints("searxng=http://127.0.0.1:1,github=" + fake_->base("ok"), "");
  const ExternalLookup out = look_up(burnt(), SignatureLibrary(), endpoints, curl_lookup());
  EXPECT_EQ(out.hits.size(), 2u);
  EXPECT_EQ(out.problems.size(), 1u);
}

TEST_F(Lookup, HostileTextIsMadeHarmless) {
  const ExternalLookup out = ask("searxng", "hostile");
  ASSERT_EQ(out.hits.size(), 1u);
  EXPECT_EQ(out.hits[0].title, "guid ance [2J <script> guidance");
  EXPECT_LE(out.hits[0].excerpt.size(), 300u);
  EXPECT_EQ(lookup_text(out).find('\x1b'), std::string::npos);
}

TEST_F(Lookup, TheFakeIsStrict) {
  const auto status = [](const std::string& path, std::vector<std::pair<std::string, std::string>> headers = {{"User-Agent", "x"}}) {
    return curl_lookup()({.url = fake_->base(path), .headers = std::move(headers)}).status;
  };
  EXPECT_EQ(status("ok/search?format=json"), 400);
  EXPECT_EQ(status("ok/search?q=x&format=json&limit=3"), 400);
  EXPECT_EQ(status("ok/search/issues?q=x"), 422);  // neither is:issue nor is:pull-request
  EXPECT_EQ(status("ok/search/issues?q=is%3Aissue"), 422);
  EXPECT_EQ(status("ok/search/issues?q=x+is%3Aissue&per_page=500"), 422);
  EXPECT_EQ(status("ok/search/issues?q=x+is%3Aissue"), 200);
  EXPECT_EQ(status("ok/search/issues?q=x+is%3Aissue", {{"User-Agent", ""}}), 403);
  EXPECT_EQ(status("ok/elsewhere"), 404);
}

TEST(LookupWithoutNetwork, NothingIsAskedUnlessNeeded) {
  int asked = 0;
  const LookupHttp http = [&](const LookupRequest&) { return ++asked, LookupReply{}; };
  Verdict healthy;
  healthy.healthy = true;
  EXPECT_TRUE(look_up(healthy, SignatureLibrary(), lookup_endpoints("searxng=http://x", ""), http).query.empty());
  Verdict broken;
  broken.cause = "guidance-burn";
  EXPECT_TRUE(look_up(broken, SignatureLibrary(), {}, http).hits.empty());
  EXPECT_EQ(asked, 0);
}

TEST(LookupWithoutNetwork, WhatTheTransportThrowsIsAProblem) {
  Verdict broken;
  broken.cause = "guidance-burn";
  const LookupHttp http = [](const LookupRequest&) -> LookupReply { throw std::runtime_error("cable\ncut"); };
  EXPECT_EQ(look_up(broken, SignatureLibrary(), lookup_endpoints("searxng=http://x", ""), http).problems.front(), "searxng at http://x: cable cut");
}

TEST(Endpoints, AreCheckedStrictly) {
  for (const char* text : {"bing=https://x", "searxng", "searxng=", "searxng=ftp://x", "searxng=http://a b", "searxng=http://u:p@x", ",", "github=file:///etc/passwd"})
    EXPECT_THROW(lookup_endpoints(text, ""), Error) << text;
  EXPECT_THROW(lookup_endpoints("github=http://example.org", "secret"), Error);
  EXPECT_THROW(lookup_endpoints("github=http://localhost.example.org", "secret"), Error);
  EXPECT_EQ(lookup_endpoints("github=http://localhost:3/", "secret").front().url, "http://localhost:3");
  EXPECT_TRUE(lookup_endpoints("", "").empty());
}

TEST(PlainLine, CutsAtACharacter) {
  EXPECT_EQ(plain_line("a\xc3\xa4\xc3\xa4", 4), "a\xc3\xa4");
  EXPECT_EQ(plain_line("a < b &amp;lt; c<br/>d <!-- x", 100), "a < b &lt; c d");
  EXPECT_EQ(plain_line("", 5), "");
}

}  // namespace
}  // namespace safelight
