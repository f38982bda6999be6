// Every mishap of every protocol: the right class, the right repetitions, nothing paid twice, the key in no text.
#include <chrono>

#include "tests/service/providers/provider_fixture.h"

namespace safelight {
namespace {

struct Mishap {
  const char* scenarios;           // of the requests, in order; the last holds for all further ones
  const char* failure;             // class; empty: the picture comes
  int requests;                    // calls for pictures that the fake sees
  int accepted;                    // that it took as paid work
};

// What hosted services have in common.
constexpr Mishap kHosted[] = {
    {"ok", "", 1, 1},
    {"slow", "", 1, 1},
    {"wrong_size", "", 1, 1},
    // May have been accepted: never repeated, although the next call would work.
    {"hang,ok", "ambiguous", 1, 1},
    {"close_before,ok", "ambiguous", 1, 1},
    {"close_mid,ok", "ambiguous", 1, 1},
    {"huge,ok", "ambiguous", 1, 1},
    {"proxy500,ok", "ambiguous", 1, 1},
    {"proxy504,ok", "ambiguous", 1, 1},
    {"malformed,ok", "no_image", 1, 1},
    {"html,ok", "no_image", 1, 1},
    {"half_base64,ok", "no_image", 1, 1},
    {"half_picture,ok", "no_image", 1, 1},
    {"no_picture,ok", "no_image", 1, 1},
    // Not accepted, and may pass.
    {"throttled,ok", "", 2, 1},
    {"throttled_silent,ok", "", 2, 1},
    {"throttled", "throttled", 4, 0},
    {"error500,ok", "", 2, 1},
    {"error503,error500,ok", "", 3, 1},
    {"error500", "transient", 4, 0},
    {"proxy502,proxy503,ok", "", 3, 1},
    // Not accepted, and will not pass by itself.
    {"throttled_long,ok", "throttled", 1, 0},
    {"refused,ok", "refused", 1, 0},
    {"unauthorized,ok", "auth", 1, 0},
    {"unverified,ok", "auth", 1, 0},
    {"quota,ok", "exhausted", 1, 0},
    {"retired,ok", "model_retired", 1, 0},
    {"redirect,ok", "caller_error", 1, 0},
};

constexpr Mishap kOpenAi[] = {
    {"throttled_date,ok", "", 2, 1},     {"throttled_ms,ok", "", 2, 1},         {"throttled_reset,ok", "", 2, 1},         {"error408,error409,ok", "", 3, 1},
    {"error500_final,ok", "transient", 1, 0}, {"billing,ok", "exhausted", 1, 0}, {"retired404,ok", "model_retired", 1, 0}, {"empty,ok", "no_image", 1, 1},
    {"no_data,ok", "no_image", 1, 1},    {"link", "", 1, 1},                    {"link_expired,ok", "no_image", 1, 1},    {"link_redirect,ok", "no_image", 1, 1},
    {"link_private,ok", "no_image", 1, 1}, {"too_many", "", 1, 1},
};

constexpr Mishap kGemini[] = {
    {"blocked,ok", "refused", 1, 0},   {"place,ok", "auth", 1, 0},       {"error504,ok", "ambiguous", 1, 1}, {"too_long,ok", "caller_error", 1, 0},
    {"no_image,ok", "", 2, 1},         {"no_image", "no_image", 2, 0},   {"silent,ok", "", 2, 1},            {"unheard_of,ok", "", 2, 1},
    {"no_data,ok", "", 2, 1},          {"snake", "", 1, 1},              {"thoughts", "", 1, 1},             {"only_thought", "", 1, 1},
};

constexpr Mishap kImagen[] = {
    {"blocked,ok", "refused", 1, 0}, {"place,ok", "auth", 1, 0}, {"error504,ok", "ambiguous", 1, 1}, {"no_data,ok", "refused", 1, 0},
};

// Peers cost nothing, so that what may have been accepted may be repeated.
constexpr Mishap kComfyUi[] = {
    {"ok", "", 1, 1},                   {"close_before", "", 1, 1},            {"lost_before,ok", "", 2, 1},        {"forgotten,ok", "", 2, 2},
    {"error500,ok", "", 2, 1},          {"proxy502,ok", "", 2, 1},             {"failed,ok", "", 2, 2},             {"failed", "no_image", 2, 2},
    {"out_of_memory,ok", "", 2, 2},     {"interrupted,ok", "", 2, 2},          {"silent", "no_image", 2, 2},        {"view_lost,ok", "", 2, 2},
    {"half_picture,ok", "", 2, 2},      {"redirect,ok", "caller_error", 1, 0},
};

constexpr Mishap kSdCpp[] = {
    {"ok", "", 1, 1},              {"close_before,ok", "", 2, 2}, {"forgotten,ok", "", 2, 2}, {"expired,ok", "", 2, 2},       {"throttled,ok", "", 2, 1},
    {"throttled", "throttled", 4, 0}, {"error500,ok", "", 2, 1},  {"failed,ok", "", 2, 2},    {"failed", "no_image", 2, 2},   {"silent,ok", "", 2, 2},
    {"half_picture,ok", "", 2, 2}, {"redirect,ok", "caller_error", 1, 0},
};

std::string key_of(const Wire& wire, std::size_t letters) { return wire.key.substr(0, letters); }

// What has to hold whatever happened.
void expect_sound(const Wire& wire, const Observed& o) {
  EXPECT_EQ(every_text(o).find(key_of(wire, 8)), std::string::npos) << every_text(o);
  EXPECT_EQ(o.outcome.complete(), !o.outcome.failure && !o.outcome.images.empty());
  int may_be_paid = 0;
  for (const AttemptRecord& a : o.ledger) {
    EXPECT_TRUE(a.ended) << a.id;
    may_be_paid += a.acceptance == Acceptance::accepted || a.acceptance == Acceptance::unknown;
    EXPECT_TRUE(a.failure || a.images > 0) << a.id;
  }
  const bool is_free = wire.row.find("free = true") != std::string::npos;
  if (!is_free) EXPECT_GE(may_be_paid, o.accepted()) << "work was accepted that no record admits";
  if (!is_free) EXPECT_GE(o.outcome.cost.usd + o.outcome.cost.possible_usd + 1e-9, 0.04 * static_cast<double>(o.accepted()));
  if (!is_free) EXPECT_LE(o.accepted(), 1) << "paid twice";
  for (const ProviderImage& image : o.outcome.images) {
    EXPECT_FALSE(image.sha256.empty());
    EXPECT_EQ(image.mime, "image/png");
  }
}

class Scenarios : public ProviderTest {
 protected:
  template <std::size_t N>
  static void expect(const Wire& wire, const Mishap (&mishaps)[N]) {
    for (const Mishap& m : mishaps) {
      SCOPED_TRACE(wire.name + " " + m.scenarios);
      const bool waits = std::string(m.scenarios).starts_with("hang");
      const Observed o = ask(wire, m.scenarios, plain(), {.more_row = waits ? "timeout_ms = 400\n" : ""});
      EXPECT_EQ(o.failure(), m.failure) << (o.outcome.failure ? o.outcome.failure->message : "");
      EXPECT_EQ(o.requests(), m.requests);
      EXPECT_EQ(o.accepted(), m.accepted);
      EXPECT_EQ(static_cast<int>(o.ledger.size()), m.requests);
      expect_sound(wire, o);
    }
  }
};

TEST_F(Scenarios, DallE) { expect(wire("dall_e"), kHosted), expect(wire("dall_e"), kOpenAi); }
TEST_F(Scenarios, GptImage) { expect(wire("gpt_image"), kHosted), expect(wire("gpt_image"), kOpenAi); }
TEST_F(Scenarios, Gemini) { expect(wire("gemini"), kHosted), expect(wire("gemini"), kGemini); }
TEST_F(Scenarios, GeminiOverVertex) { expect(wire("vertex"), kHosted), expect(wire("vertex"), kGemini); }
TEST_F(Scenarios, Imagen) { expect(wire("imagen"), kHosted), expect(wire("imagen"), kImagen); }
TEST_F(Scenarios, ImagenOverVertex) { expect(wire("imagen_vertex"), kHosted), expect(wire("imagen_vertex"), kImagen); }
TEST_F(Scenarios, ComfyUi) { expect(wire("comfyui"), kComfyUi); }
TEST_F(Scenarios, SdCpp) { expect(wire("sdcpp"), kSdCpp); }

TEST_F(Scenarios, HintsAreWaitedFor) {
  const auto waited = [](const char* name, const char* scenarios) {
    const Observed o = ask(wire(name), scenarios, plain());
    return o.ledger.size() == 2 ? o.ledger[1].waited_ms : -1;
  };
  EXPECT_GE(waited("dall_e", "throttled,ok"), 1000);
  EXPECT_GE(waited("dall_e", "throttled_date,ok"), 900);
  EXPECT_GE(waited("dall_e", "throttled_ms,ok"), 30);
  EXPECT_GE(waited("dall_e", "throttled_reset,ok"), 40);
  EXPECT_GE(waited("gemini", "throttled,ok"), 1500);
}

TEST_F(Scenarios, APictureOfAnotherSizeIsSaid) {
  for (const char* name : {"dall_e", "gemini", "imagen"}) {
    const Observed o = ask(wire(name), "wrong_size", plain());
    ASSERT_FALSE(o.outcome.warnings.empty()) << name;
    EXPECT_NE(o.outcome.warnings[0].find("64x64"), std::string::npos) << o.outcome.warnings[0];
  }
}

TEST_F(Scenarios, NobodyThereIsTriedAgainAndCostsNothing) {
  for (const Wire& w : wires()) {
    const Observed o = ask(w, "ok", plain(), {.more_row = "", .base_url = "http://127.0.0.1:1"});
    EXPECT_EQ(o.failure(), "transient") << w.name;
    EXPECT_EQ(o.ledger.size(), 4u);
    EXPECT_EQ(o.outcome.cost.usd + o.outcome.cost.possible_usd, 0);
    for (const AttemptRecord& a : o.ledger) EXPECT_EQ(a.acceptance, Acceptance::not_sent);
  }
}

TEST_F(Scenarios, OverTls) {
  const TestCertificate certificate("IP:127.0.0.1"), other("IP:127.0.0.1");
  for (const Wire& w : wires()) {
    const Observed good = ask(w, "ok", plain(), {.tls = &certificate});
    EXPECT_EQ(good.failure(), "") << w.name << (good.outcome.failure ? good.outcome.failure->message : "");
    const Observed bad = ask(w, "ok", plain(), {.tls = &certificate, .base_url = fake(w.script, &other).origin()});
    EXPECT_EQ(bad.failure(), "transient") << w.name;
    EXPECT_EQ(bad.outcome.attempts.at(0).acceptance, Acceptance::not_sent);
  }
}

TEST_F(Scenarios, ADeadlineHoldsAndACancelIsSeen) {
  for (const Wire& w : wires()) {
    const bool peer = w.script == "peer_fake.py";
    ImageRequest request = plain();
    request.deadline_ms = 300;
    const auto start = std::chrono::steady_clock::now();
    const Observed late = ask(w, peer ? "endless" : "hang", request);
    EXPECT_EQ(late.failure(), "deadline") << w.name;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2)) << w.name;
    EXPECT_EQ(late.requests(), 1);
    expect_sound(w, late);

    const std::atomic<bool> cancelled = true;
    const Observed before = ask(w, "ok", plain(), {.cancel = &cancelled});
    EXPECT_EQ(before.failure(), "cancelled");
    EXPECT_EQ(before.requests(), 0);
  }
}

}  // namespace
}  // namespace safelight
