#include "tests/service/router/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace safelight::simulation {
namespace {

constexpr double kScript_h = 168;                       // the script is a week
constexpr std::int64_t kStart_unix_ms = 1'795'132'800'000;  // 2026-11-20 00:00 UTC

// Rows with made-up names: three embedded ones, two peers, six hosted ones of three keys. `hosted-d` is shut down on the fifth day.
constexpr const char* kModels = R"(
[models.fast]
protocol = "local"
wire_model = "fast"
free = true
typical_latency_ms = 350
can = { sizes = ["512x512"], size_rule = { multiple_px = 64, min_side_px = 128, max_side_px = 1024 }, seed = true, steps = true, text = "weak" }
[models.faithful]
protocol = "local"
wire_model = "faithful"
free = true
typical_latency_ms = 3000
can = { sizes = ["512x512"], size_rule = { multiple_px = 64, min_side_px = 128, max_side_px = 1024 }, seed = true, steps = true, text = "weak" }
[models.type]
protocol = "local"
wire_model = "type"
free = true
typical_latency_ms = 3500
can = { sizes = ["512x512"], size_rule = { multiple_px = 64, min_side_px = 128, max_side_px = 1024 }, seed = true, steps = true, text = "good" }
[models.peer-a]
protocol = "sdcpp"
wire_model = "shared"
base_url = "http://127.0.0.1:7001"
free = true
typical_latency_ms = 2500
can = { sizes = ["512x512"], size_rule = { multiple_px = 64 }, seed = true, steps = true, text = "weak" }
[models.peer-b]
protocol = "sdcpp"
wire_model = "shared"
base_url = "http://127.0.0.1:7002"
free = true
typical_latency_ms = 2500
can = { sizes = ["512x512"], size_rule = { multiple_px = 64 }, seed = true, steps = true, text = "weak" }
[models.hosted-a]
protocol = "openai.images"
wire_model = "a"
base_url = "https://a.example/v1"
vendor_hosts = ["a.example"]
credential = "KEY_A"
typical_latency_ms = 6000
can = { sizes = ["512x512", "1024x1024"], text = "good" }
prices = [{ usd = 0.040 }]
[models.hosted-a-fast]
protocol = "openai.images"
wire_model = "a-fast"
base_url = "https://a.example/v1"
vendor_hosts = ["a.example"]
credential = "KEY_A"
typical_latency_ms = 1500
can = { sizes = ["512x512", "1024x1024"], text = "weak" }
prices = [{ usd = 0.008 }]
[models.hosted-b]
protocol = "google.predict"
wire_model = "b"
base_url = "https://b.example"
vendor_hosts = ["b.example"]
credential = "KEY_B"
typical_latency_ms = 5000
can = { sizes = ["512x512", "1024x1024"], text = "strong" }
prices = [{ usd = 0.030 }]
[models.hosted-b-best]
protocol = "google.predict"
wire_model = "b-best"
base_url = "https://b.example"
vendor_hosts = ["b.example"]
credential = "KEY_B"
typical_latency_ms = 9000
can = { sizes = ["512x512", "1024x1024"], text = "strong" }
prices = [{ usd = 0.080 }]
[models.hosted-c]
protocol = "openai.images"
wire_model = "c"
base_url = "https://c.example/v1"
vendor_hosts = ["c.example"]
credential = "KEY_C"
typical_latency_ms = 4000
can = { sizes = ["512x512", "1024x1024"], text = "good" }
prices = [{ usd = 0.025 }]
[models.hosted-d]
protocol = "openai.images"
wire_model = "d"
base_url = "https://c.example/v1"
vendor_hosts = ["c.example"]
credential = "KEY_C"
shutdown_date = "2026-11-24"
successor = "hosted-c"
typical_latency_ms = 3000
can = { sizes = ["512x512", "1024x1024"], text = "good" }
prices = [{ usd = 0.015 }]
)";

constexpr const char* kLadder = "[[ladder]]\nrung = \"next-provider\"\n[[ladder]]\nrung = \"fewer-steps\"\n[[ladder]]\nrung = \"distilled-model\"\nmodel = \"fast\"\n";

std::string slo_text(const char* name, const char* mode, int limit_ms, int deadline_ms, double usd, double day_usd, double floor) {
  return fmt::format("name = \"{}\"\nmode = \"{}\"\n[latency]\nlimit_ms = {}\ndeadline_ms = {}\n[cost]\nper_image_usd = {}\nper_day_usd = {}\n[quality]\nfloor = {}\n[fallback]\nattempts = 3\n{}", name,
                     mode, limit_ms, deadline_ms, usd, day_usd, floor, kLadder);
}

struct PriceChange {
  double at_h;
  const char* toml;
};
constexpr PriceChange kPrices[] = {{60, "[models.hosted-b]\nprices = [{ usd = 0.020 }]\n"}, {110, "[models.hosted-a-fast]\nprices = [{ usd = 0.030 }]\n"}};

std::map<std::string, double> qualities(double single, double two, double position, double count, double text, double long_text) {
  return {{"single", single}, {"two", two}, {"position", position}, {"count", count}, {"text", text}, {"text-5-8", long_text}};
}

// Every sixth hour's level of load on hosted models, four a day.
std::vector<Phase> daily(double median_ms, double spread) {
  constexpr double kLoad[] = {0.85, 1.0, 1.35, 1.15};
  std::vector<Phase> out;
  for (int k = 0; k * 6 < kScript_h; ++k) out.push_back({.from_h = k * 6.0, .median_ms = median_ms * kLoad[k % 4], .spread = spread});
  return out;
}

// Between two hours the row is otherwise; before and after as it was.
template <class Change>
void between(std::vector<Phase>& phases, double from_h, double to_h, const Change& change) {
  std::vector<Phase> out;
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const double begin = phases[i].from_h, end = i + 1 < phases.size() ? phases[i + 1].from_h : 1e9;
    const auto piece = [&](double from, double to, bool changed) {
      if (!(from < to)) return;
      Phase p = phases[i];
      p.from_h = from;
      if (changed) change(p);
      out.push_back(p);
    };
    piece(begin, std::min(end, from_h), false);
    piece(std::max(begin, from_h), std::min(end, to_h), true);
    piece(std::max(begin, to_h), end, false);
  }
  phases = out;
}

std::vector<ScriptedRow> script() {
  const auto down = [](Phase& p) { p.failing = 1; };
  const auto hanging = [](Phase& p) { p.failing = 1, p.hangs = true; };
  const auto flaky = [](Phase& p) { p.failing = 0.4; };
  const auto slow = [](Phase& p) { p.median_ms *= 6; };
  const auto quick = [](Phase& p) { p.median_ms *= 0.35; };
  const auto queue = [](double ms) { return [ms](Phase& p) { p.queue_ms = ms; }; };
  std::vector<ScriptedRow> rows = {
      {"fast", qualities(0.90, 0.78, 0.72, 0.70, 0.55, 0.30), {{.median_ms = 350, .spread = 0.15, .failing = 0.002}}},
      {"faithful", qualities(0.97, 0.91, 0.88, 0.86, 0.70, 0.45), {{.median_ms = 2800, .spread = 0.12, .failing = 0.002}}},
      {"type", qualities(0.96, 0.89, 0.86, 0.84, 0.93, 0.84), {{.median_ms = 3300, .spread = 0.12, .failing = 0.002}}},
      {"peer-a", qualities(0.96, 0.90, 0.88, 0.87, 0.72, 0.50), {{.median_ms = 2000, .spread = 0.3, .failing = 0.01}}},
      {"peer-b", qualities(0.96, 0.90, 0.88, 0.87, 0.72, 0.50), {{.median_ms = 2300, .spread = 0.3, .failing = 0.01}}},
      {"hosted-a", qualities(0.99, 0.97, 0.95, 0.94, 0.95, 0.90), daily(6000, 0.35)},
      {"hosted-a-fast", qualities(0.96, 0.91, 0.87, 0.84, 0.80, 0.66), daily(1100, 0.4)},
      {"hosted-b", qualities(0.98, 0.96, 0.93, 0.92, 0.96, 0.93), daily(4500, 0.35)},
      {"hosted-b-best", qualities(0.995, 0.99, 0.98, 0.97, 0.99, 0.98), daily(9500, 0.3)},
      {"hosted-c", qualities(0.98, 0.95, 0.92, 0.90, 0.93, 0.86), daily(3800, 0.45)},
      {"hosted-d", qualities(0.97, 0.94, 0.91, 0.88, 0.92, 0.83), daily(2600, 0.35)}};
  const auto of = [&](const char* id) -> std::vector<Phase>& { return std::find_if(rows.begin(), rows.end(), [&](const ScriptedRow& r) { return r.id == id; })->phases; };
  between(of("hosted-a"), 20, 22, down);
  between(of("hosted-b"), 30, 31.5, hanging);
  between(of("hosted-b"), 75, 78, flaky);
  between(of("hosted-c"), 50, 56, slow);
  between(of("hosted-c"), 120, 140, quick);
  between(of("hosted-a-fast"), 36, 38, flaky);
  between(of("hosted-a-fast"), 90, 96, slow);
  between(of("hosted-b-best"), 100, 101, down);
  between(of("peer-a"), 10, 16, slow);
  between(of("peer-a"), 64, 65, down);
  between(of("peer-a"), 130, 131, hanging);
  between(of("peer-b"), 64.2, 64.8, down);
  between(of("peer-b"), 84, 100, quick);
  between(of("faithful"), 40, 44, queue(6000));
  between(of("faithful"), 112, 114, queue(40000));
  between(of("type"), 70, 74, queue(9000));
  between(of("fast"), 115, 116, queue(500));
  between(of("hosted-d"), 44, 60, [](Phase& p) { p.quality = 0.7; });
  return rows;
}

struct Kind {
  double share;
  const char* slo;
  const char* prompt;
};
constexpr Kind kMix[] = {{0.18, "draft", "a red circle"},
                         {0.10, "draft", "a red circle left of a blue square"},
                         {0.06, "draft", "a shop sign that says \"OPEN\""},
                         {0.12, "faithful", "a red circle and a blue ring"},
                         {0.10, "faithful", "a red circle left of a blue square"},
                         {0.10, "faithful", "three green rings on a gray background"},
                         {0.12, "signs", "a shop sign that says \"OPEN\""},
                         {0.08, "signs", "a shop sign that says \"OPEN 24H\""},
                         {0.08, "catalogue", "a yellow star"},
                         {0.06, "catalogue", "a yellow star above a teal heart"}};

}  // namespace

World::World(double hours, std::uint64_t seed) : hours_(hours), stretch_(hours / kScript_h), seed_(seed), rows_(script()) {
  catalogue_.overlay(kModels, "script");
  for (const std::string& text : {slo_text("draft", "fast", 2500, 5000, 0.01, 40, 0.5), slo_text("faithful", "faithful", 12000, 25000, 0.06, 150, 0.85),
                                  slo_text("signs", "typography", 15000, 30000, 0.05, 12, 0.8), slo_text("catalogue", "cheapest", 30000, 60000, 0.03, 20, 0.85)})
    slos_.push_back(parse_slo(text, "script"));
  for (std::size_t i = 0; i < rows_.size(); ++i) index_[rows_[i].id] = i;
}

const ScriptedRow& World::row(const std::string& id) const { return rows_[index_.at(id)]; }

// Shutdown dates and days of spending follow the script's week, however far it is stretched.
Moment World::at(std::int64_t ms) const { return {ms, kStart_unix_ms + static_cast<std::int64_t>(hour(ms) * kHour_ms)}; }

const Phase& World::phase(const std::string& id, std::int64_t ms) const {
  const std::vector<Phase>& phases = row(id).phases;
  const double h = hour(ms);
  auto it = std::upper_bound(phases.begin(), phases.end(), h, [](double v, const Phase& p) { return v < p.from_h; });
  return *std::prev(it);
}

const LatencyTable& World::table(const Phase& phase) const {
  const auto [it, fresh] = tables_.try_emplace({phase.median_ms, phase.spread});
  if (fresh) it->second = LatencyTable::lognormal(phase.median_ms, phase.spread);
  return it->second;
}

double World::quality(const std::string& id, const std::string& task, double work, std::int64_t ms) const {
  return row(id).quality.at(task) * phase(id, ms).quality * (work < 1 ? kReducedQuality : 1);
}

bool World::apply_prices(std::int64_t ms) {
  const std::size_t before = prices_applied_;
  while (prices_applied_ < std::size(kPrices) && hour(ms) >= kPrices[prices_applied_].at_h) catalogue_.overlay(kPrices[prices_applied_++].toml, "script");
  return prices_applied_ != before;
}

std::vector<Arrival> World::arrivals(int count) const {
  std::vector<Arrival> out;
  const double gap_ms = hours_ * kHour_ms / count;
  double at_ms = 0;
  for (int i = 0; i < count; ++i) {
    const std::string id = fmt::format("r{:06}", i);
    at_ms += std::min(gap_ms * -std::log(1 - dice(1, id)), 8 * gap_ms);
    double draw = dice(2, id);
    const Kind* kind = kMix;
    while (kind + 1 != std::end(kMix) && draw >= kind->share) draw -= (kind++)->share;
    out.push_back({id, kind->slo, kind->prompt, static_cast<std::int64_t>(at_ms)});
  }
  return out;
}

Fate fate(const World& world, const Arrival& arrival, const std::string& row, const std::string& option, const std::string& task, double work, std::int64_t ms) {
  const Phase& p = world.phase(row, ms);
  const std::string key = arrival.id + " " + option;
  const double u = 1 - world.dice(4, key), v = world.dice(5, key);
  const double normal = std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979323846 * v);
  Fate f{.fails = world.dice(3, key) < p.failing, .ms = work * p.median_ms * std::exp(p.spread * normal), .right = world.dice(6, key) < world.quality(row, task, work, ms)};
  if (f.fails) f.ms = p.hangs ? 1e9 : p.failure_ms;
  return f;
}

}  // namespace safelight::simulation
