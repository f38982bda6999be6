// Requests against the fakes of tests/fakes over real HTTP: what came back, what was recorded, and what the fake saw.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <sstream>

#include "common/base/json_read.h"
#include "service/providers/curl_transport.h"
#include "service/providers/provider.h"
#include "tests/service/providers/fake_process.h"

namespace safelight {

// Real time, but waits take 2 ms and count as what they should have taken.
class HastyClock final : public Clock {
 public:
  std::int64_t steady_ms() override { return real_.steady_ms() + skipped_ms_; }
  std::int64_t unix_ms() override { return real_.unix_ms() + skipped_ms_; }
  void sleep_ms(std::int64_t duration_ms, const std::atomic<bool>* cancel) override {
    real_.sleep_ms(std::min<std::int64_t>(duration_ms, 2), cancel);
    skipped_ms_ += std::max<std::int64_t>(0, duration_ms - 2);
  }

 private:
  SystemClock real_;
  std::atomic<std::int64_t> skipped_ms_ = 0;
};

// A way to ask: a row of the catalogue and the fake behind it.
struct Wire {
  std::string name, script, key;
  std::string path;                // behind /RUN/SCENARIOS in base_url
  std::string row;                 // TOML of the row, without address and key
};

inline const std::vector<Wire>& wires() {
  const std::string sk = "sk-fake-0123456789abcdef", aiza = "AIzaFake-0123456789abcdef", peer = "peer-token-0123456789";
  const std::string gpt_can = "can = { sizes = [\"256x256\", \"512x256\"], max_count = 10, max_references = 4, init = true, mask = \"emulated\", transparency = true, compression = true, "
                              "previews = true, qualities = { draft = \"low\", high = \"high\" }, formats = [\"png\", \"jpeg\", \"webp\"] }\n";
  static const std::vector<Wire> table = {
      {"dall_e", "openai_fake.py", sk, "/v1", "protocol = \"openai.images\"\ndialect = \"dall-e\"\nwire_model = \"dall-e-3\"\nprices = [{ usd = 0.04 }]\n"
       "can = { sizes = [\"1024x1024\", \"1792x1024\"], qualities = { standard = \"standard\", high = \"hd\" }, styles = [\"vivid\", \"natural\"] }\n"},
      {"gpt_image", "openai_fake.py", sk, "/v1", "protocol = \"openai.images\"\ndialect = \"gpt-image\"\nwire_model = \"gpt-image-2\"\nprices = [{ usd = 0.04 }]\n" + gpt_can},
      {"gemini", "google_fake.py", aiza, "", "protocol = \"gemini.generate_content\"\nwire_model = \"gemini-3.1-flash-image\"\nprices = [{ usd = 0.04 }]\n"
       "can = { sizes = [\"1024x1024 1:1 1K\", \"1376x768 16:9 1K\", \"512x512 1:1 512\"], seed = true, init = true, mask = \"emulated\", max_references = 14 }\n"},
      {"vertex", "google_fake.py", aiza, "/v1/projects/p/locations/global", "protocol = \"gemini.generate_content\"\ndialect = \"vertex\"\nwire_model = \"gemini-2.5-flash-image\"\n"
       "prices = [{ usd = 0.04 }]\ncan = { sizes = [\"1024x1024 1:1\"], seed = true }\n"},
      {"imagen", "google_fake.py", aiza, "", "protocol = \"google.predict\"\nwire_model = \"imagen-4.0-fast-generate-001\"\nprices = [{ usd = 0.04 }]\n"
       "can = { sizes = [\"1024x1024 1:1\", \"1408x768 16:9\"], max_count = 4, formats = [\"png\", \"jpeg\"], compression = true }\n"},
      {"imagen_vertex", "google_fake.py", aiza, "/v1/projects/p/locations/global", "protocol = \"google.predict\"\ndialect = \"vertex\"\nwire_model = \"imagen-4.0-generate-001\"\n"
       "prices = [{ usd = 0.04 }]\ncan = { sizes = [\"1024x1024 1:1 1K\"], max_count = 4, seed = true, negative = true }\n"},
      {"comfyui", "peer_fake.py", peer, "", "protocol = \"comfyui\"\nwire_model = \"painter.safetensors\"\nfree = true\n"
       "can = { sizes = [\"64x64\", \"128x64\"], max_count = 4, seed = true, negative = true, steps = true, guidance = true }\n"},
      {"sdcpp", "peer_fake.py", peer, "", "protocol = \"sdcpp\"\nwire_model = \"any\"\nfree = true\n"
       "can = { sizes = [\"64x64\", \"128x64\"], max_count = 4, seed = true, negative = true, steps = true, guidance = true, init = true, strength = true, mask = \"native\" }\n"},
  };
  return table;
}

inline const Wire& wire(const std::string& name) {
  for (const Wire& w : wires())
    if (w.name == name) return w;
  throw std::runtime_error("no wire " + name);
}

struct Observed {
  ImageOutcome outcome;
  std::vector<AttemptRecord> ledger;
  std::vector<ProviderPreview> previews;
  Json fake;                       // what the fake counted
  std::int64_t requests() const { return fake["requests"]; }
  std::int64_t accepted() const { return fake["accepted"]; }
  std::string failure() const { return outcome.failure ? std::string(name(outcome.failure->failure)) : ""; }
};

// Every text that an outcome and a ledger hold.
inline std::string every_text(const Observed& o) {
  std::ostringstream out;
  const auto failure = [&](const std::optional<ProviderFailure>& f) {
    if (f) out << f->message << '\n' << f->vendor_code << '\n' << f->request_id << '\n';
  };
  failure(o.outcome.failure);
  out << o.outcome.reported_model << '\n' << o.outcome.substitution_reason << '\n';
  for (const std::string& w : o.outcome.warnings) out << w << '\n';
  for (const ProviderImage& i : o.outcome.images) out << i.revised_prompt << '\n' << i.mime << '\n';
  for (const auto* list : {&o.outcome.attempts, &o.ledger})
    for (const AttemptRecord& a : *list) out << a.id << '\n' << a.host << '\n' << a.remote_id << '\n' << a.request_id << '\n', failure(a.failure);
  return out.str();
}

struct Setting {
  std::string more_row;            // TOML after the row's own
  const TestCertificate* tls = nullptr;
  const std::atomic<bool>* cancel = nullptr;
  Ledger* ledger = nullptr;        // null: one in memory
  std::string base_url;            // empty: the fake's
};

class ProviderTest : public testing::Test {
 protected:
  static void TearDownTestSuite() { fakes().clear(); }

  static FakeProcess& fake(const std::string& script, const TestCertificate* tls = nullptr) {
    auto& slot = fakes()[script + (tls ? tls->certificate : "")];
    if (!slot) slot = std::make_unique<FakeProcess>(script, tls);
    return *slot;
  }

  static ImageRequest plain() { return {.model = "m", .prompt = "a red barn"}; }

  static Observed ask(const Wire& wire, const std::string& scenarios, const ImageRequest& request, const Setting& setting = {}) {
    static int runs = 0;
    const std::string run = wire.name + "-" + std::to_string(++runs), origin = fake(wire.script, setting.tls).origin();
    Catalogue catalogue;
    std::string toml = "[models.m]\n" + wire.row + "base_url = \"" + (setting.base_url.empty() ? origin + "/" + run + "/" + scenarios + wire.path : setting.base_url) + "\"\n";
    toml += "vendor_hosts = [\"127.0.0.1\"]\ncredential = \"KEY\"\n";
    if (setting.more_row.find("timeout_ms") == std::string::npos) toml += "timeout_ms = 3000\n";
    if (setting.tls) toml += "ca_file = \"" + setting.tls->certificate + "\"\n";
    catalogue.overlay(toml + setting.more_row, "test");
    CurlTransport transport;
    MemoryLedger memory;
    HastyClock clock;
    Observed out;
    ProviderContext context{.catalogue = catalogue, .transport = transport, .ledger = setting.ledger ? *setting.ledger : memory, .clock = clock,
                            .credentials = [&](const std::string&) { return Secret(wire.key); }, .retry = {}, .injected = {}, .cancel = setting.cancel,
                            .on_preview = [&](const ProviderPreview& p) { out.previews.push_back(p); }};
    out.outcome = generate_image(request, context);
    out.ledger = memory.attempts();
    HttpRequest counts{.url = origin + "/__fake/" + run};
    if (setting.tls) counts.ca_file = setting.tls->certificate;
    out.fake = parse_json(transport.send(counts).body, "the fake's counts");
    return out;
  }

 private:
  static std::map<std::string, std::unique_ptr<FakeProcess>>& fakes() {
    static std::map<std::string, std::unique_ptr<FakeProcess>> all;
    return all;
  }
};

}  // namespace safelight
