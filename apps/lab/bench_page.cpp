#include "apps/lab/bench_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace safelight::app {
namespace {

constexpr int kBarWidth = 40;   // characters of the longest bar

struct Row {
  std::string kind;
  double before = 0, after = 0, flops = 0;   // seconds; of multiplications and additions
};

double seconds_of(const Json& kinds, const std::string& kind) { return kinds.contains(kind) ? kinds[kind]["seconds"].get<double>() : 0; }

std::vector<Row> rows_of(const Json& plain, const Json& fast) {
  std::vector<Row> out;
  for (const auto& [kind, k] : fast["kinds"].items()) out.push_back({kind, seconds_of(plain["kinds"], kind), k["seconds"].get<double>(), k.value("flops", 0.0)});
  std::stable_sort(out.begin(), out.end(), [](const Row& a, const Row& b) { return a.before > b.before; });
  return out;
}

std::string bar(double share) {
  std::string out;
  for (int i = 0; i < std::max(1, static_cast<int>(std::lround(share * kBarWidth))); ++i) out += "\u2588";
  return out;
}

std::string stage(const std::string& name, const Json& plain, const Json& fast, double ceiling) {
  const double before = plain["seconds"]["median"].get<double>(), after = fast["seconds"]["median"].get<double>();
  std::string out = fmt::format("\n## {}\n\nPlain {:.3g} s, here {:.3g} s: {:.2f} times as fast; {:.1f} % of the ceiling (plain {:.1f} %).\n\n", name, before, after, before / after,
                                100 * fast["ratio"].get<double>(), 100 * plain["ratio"].get<double>());
  out += "| | plain, s | here, s | times as fast | share of the ceiling | time here |\n|---|---:|---:|---:|---:|---|\n";
  for (const Row& r : rows_of(plain, fast))
    out += fmt::format("| {} | {:.4f} | {:.4f} | {} | {} | {} |\n", r.kind == "other" ? "norms, activations, copies" : r.kind, r.before, r.after,
                       r.after > 0 ? fmt::format("{:.2f}", r.before / r.after) : "", r.flops > 0 ? fmt::format("{:.0f} %", 100 * r.flops / r.after / ceiling) : "", bar(r.after / after));
  return out;
}

}  // namespace

std::string profile_page(const Json& j) {
  const Json& c = j["ceiling"];
  const double ceiling = std::max(c["product"]["median"].get<double>(), c["convolution"]["median"].get<double>());
  const auto text = [&](const char* key) { return j[key].get<std::string>(); };
  std::string out = fmt::format("# Where the time goes: {} at {} x {}\n\n", text("architecture"), j["size"].get<int>(), j["size"].get<int>());
  out += fmt::format("Made by `safelight lab bench --architecture {} --size {} --batch {} --dtype {} --rounds {} --page FILE`, with random weights of the published shapes, on {} threads.\n", text("architecture"),
                     j["size"].get<int>(), j["batch"].get<int>(), text("dtype"), j["rounds"].get<int>(), j["threads"].get<int>());
  out += fmt::format("*Plain* is the same layers by libtorch's own calls in the same process and the same rounds: attention as product, softmax, product, weights put in order at every call.\n"
                     "The ceiling is what large products and convolutions reach between those rounds: {:.0f} GFLOP/s. Medians.\n", ceiling / 1e9);
  for (const auto& [name, fast] : j["stages"].items()) out += stage(name, j["plain_stages"][name], fast, ceiling);
  return out;
}

}  // namespace safelight::app
