#include "apps/cli/lab/flows_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "apps/cli/lab/text_fixing.h"
#include "apps/console/page.h"
#include "common/base/io.h"
#include "common/base/markup.h"
#include "insight/report/data_url.h"

namespace safelight::app {
namespace {

constexpr std::size_t kPagePairs = 2000;
constexpr const char* kStyle = R"(
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 12px; } .pair-card { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 8px; } .pair-card p { margin: 0 0 6px; overflow-wrap: anywhere; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; } .two img { width: 100%; image-rendering: pixelated; border-radius: 4px; display: block; border: 2px solid var(--green); box-sizing: border-box; } .two .wrong img { border-color: var(--red); }
.scores { margin-bottom: 14px; } .reason { color: var(--red); display: block; } .ill-made { color: var(--amber); display: block; } td.number { white-space: nowrap; }
)";

using Pairs = std::map<std::size_t, FlowPair>;

// The median with an interval of 95 % from the order of the values (the normal approximation of the ranks), and the quartiles.
Json median_json(std::vector<double> values) {
  if (values.empty()) return nullptr;
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  const auto at = [&](double rank) { return values[static_cast<std::size_t>(std::clamp(rank, 0.0, n - 1))]; };
  const auto quantile = [&](double q) {
    const double place = q * (n - 1);
    return at(std::floor(place)) + (place - std::floor(place)) * (at(std::ceil(place)) - at(std::floor(place)));
  };
  const double spread = 0.98 * std::sqrt(n);
  return {{"median", quantile(0.5)}, {"low", at(std::floor(n / 2 - spread))}, {"high", at(std::ceil(n / 2 + spread))}, {"quarter", quantile(0.25)}, {"three_quarters", quantile(0.75)}, {"of", values.size()}};
}

Json mode_json(const Flow& flow, std::size_t mode, const Pairs& pairs) {
  Board board;
  Rate words;
  Mean cer;
  std::vector<double> ms;
  Json settings;
  for (const auto& [number, pair] : pairs) {
    const FlowPicture& p = pair.pictures[mode];
    board.add(p.judged);
    ms.push_back(p.ms);
    settings = p.settings;
    if (p.cer) cer.add(*p.cer), words.add(says_its_words(p.judged));
  }
  Json out = {{"asked", flow.name}, {"model", flow.model.string()}, {"settings", settings}, {"ms", median_json(ms)}, {"words_exact", words.json()}, {"character_error_rate", cer.json()}};
  out.update(board.json());
  return out;
}

// How often each mode is right where the other is not, and the difference fast - faithful of the shares, picture by picture.
Json paired_json(const Pairs& pairs, const std::function<std::optional<bool>(const FlowPicture&)>& right) {
  int both = 0, only_fast = 0, only_faithful = 0, neither = 0;
  Mean difference;
  for (const auto& [number, pair] : pairs) {
    const auto fast = right(pair.pictures[kFast]), faithful = right(pair.pictures[kFaithful]);
    if (!fast || !faithful) continue;
    ++(*fast ? (*faithful ? both : only_fast) : (*faithful ? only_faithful : neither));
    difference.add(static_cast<double>(*fast) - static_cast<double>(*faithful));
  }
  if (difference.of == 0) return nullptr;
  return {{"both", both}, {"only_fast", only_fast}, {"only_faithful", only_faithful}, {"neither", neither}, {"fast_less_faithful", difference.json()}};
}

std::string shown(const Json& rate) {
  if (!rate.is_object()) return "-";
  return fmt::format("{:.3f} ({:.3f} to {:.3f}) of {}", rate["rate"].get<double>(), rate["low"].get<double>(), rate["high"].get<double>(), rate["of"].get<int>());
}

std::string shown_mean(const Json& mean) {
  if (!mean.is_object()) return "-";
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", mean["mean"].get<double>(), mean["low"].get<double>(), mean["high"].get<double>());
}

std::string shown_median(const Json& median, const char* unit) {
  if (!median.is_object()) return "-";
  return fmt::format("{:.4g}{} ({:.4g} to {:.4g})", median["median"].get<double>(), unit, median["low"].get<double>(), median["high"].get<double>());
}

std::string shown_difference(const Json& paired) { return paired.is_object() ? shown_mean(paired["fast_less_faithful"]) : "-"; }

// Name, fast, faithful, difference.
std::vector<std::array<std::string, 4>> score_rows(const Json& json) {
  const Json &fast = json["modes"]["fast"], &faithful = json["modes"]["faithful"], &paired = json["paired"];
  std::vector<std::array<std::string, 4>> rows = {
      {"time a picture, median", shown_median(fast["ms"], " ms"), shown_median(faithful["ms"], " ms"), "faithful takes " + shown_median(paired["times_as_long"], "") + " times as long"},
      {"all claims right", shown(fast["all"]["right"]), shown(faithful["all"]["right"]), shown_difference(paired["right"])},
      {"well made", shown(fast["all"]["well_made"]), shown(faithful["all"]["well_made"]), shown_difference(paired["well_made"])},
      {"words exact", shown(fast["words_exact"]), shown(faithful["words_exact"]), shown_difference(paired["words_exact"])},
      {"character error rate", shown_mean(fast["character_error_rate"]), shown_mean(faithful["character_error_rate"]), shown_difference(paired["character_error_rate"])}};
  for (const auto& [task, scores] : faithful["tasks"].items()) rows.push_back({"  " + task, shown(fast["tasks"][task]["right"]), shown(scores["right"]), ""});
  return rows;
}

std::string figure(const std::filesystem::path& out, std::size_t mode, const FlowPair& pair) {
  const FlowPicture& p = pair.pictures[mode];
  const Json url = picture_url(flow_picture_file(out, mode, pair.number));
  std::string markup = fmt::format("<figure{}>{}<figcaption>{} <small>{:.0f} ms</small>", p.judged.check.all() ? "" : " class=\"wrong\"",
                                   url.is_string() ? "<img alt=\"\" src=\"" + url.get<std::string>() + "\">" : "<div class=\"missing\">no longer there</div>", kFlowNames[mode], p.ms);
  if (!p.judged.check.all()) markup += "<span class=\"reason\">" + escaped_markup(p.judged.check.reasons()) + "</span>";
  for (const std::string& problem : p.judged.problems) markup += "<span class=\"ill-made\">" + escaped_markup(problem) + "</span>";
  return markup + "</figcaption></figure>";
}

std::string page(const std::filesystem::path& out, const FlowPlan& plan, const Pairs& pairs, const Json& json) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& r : score_rows(json)) rows.push_back({escaped_markup(r[0]), escaped_markup(r[1]), escaped_markup(r[2]), escaped_markup(r[3])});
  const Json& paired = json["paired"]["right"];
  std::string body = "<section class=\"scores\"><p class=\"sentence\" id=\"sentence\">" + escaped_markup(fmt::format("{} of {} prompts, each drawn with the same seed in both modes", pairs.size(), plan.prompts.size())) + "</p>\n" +
                     html_table({"", "fast: " + plan.flows[kFast].name, "faithful: " + plan.flows[kFaithful].name, "fast less faithful, paired"}, rows) +
                     "<p class=\"note\">Shares have Wilson intervals, medians intervals by rank, differences Student's t over the pairs; all of 95 %. Each mode's pictures are drawn right after the other's, by turns first; opening a model is not counted, the post-filter is.</p>";
  if (paired.is_object())
    body += "<p class=\"note\">" + fmt::format("Both right: {}; only fast: {}; only faithful: {}; neither: {}.", paired["both"].get<int>(), paired["only_fast"].get<int>(), paired["only_faithful"].get<int>(), paired["neither"].get<int>()) + "</p>";
  body += "<details><summary>settings</summary><pre>" + escaped_markup(fmt::format("fast {}\nfaithful {}", json["modes"]["fast"]["settings"].dump(), json["modes"]["faithful"]["settings"].dump())) + "</pre></details></section>\n";
  body += fmt::format("<h2>{} pairs in the order of the prompts, unselected{}</h2>\n<div class=\"pairs\">", std::min(pairs.size(), kPagePairs), pairs.size() > kPagePairs ? "; the others lie under pictures/" : "");
  std::size_t shown_pairs = 0;
  for (const auto& [number, pair] : pairs) {
    if (shown_pairs++ == kPagePairs) break;
    const EvalPrompt& prompt = plan.prompts[number];
    body += "<div class=\"pair-card\"><p>" + escaped_markup(prompt.text) + fmt::format(" <small>{}, seed {}{}</small></p><div class=\"two\">", escaped_markup(prompt.task), number, prompt.held_out ? ", held out" : "") +
            figure(out, kFast, pair) + figure(out, kFaithful, pair) + "</div></div>\n";
  }
  return html_page("Safelight: fast against faithful", "fast against faithful", body + "</div>\n", kStyle);
}

}  // namespace

Json flows_json(const FlowPlan& plan, const Pairs& pairs) {
  std::vector<double> ratios;
  for (const auto& [number, pair] : pairs) ratios.push_back(pair.pictures[kFaithful].ms / std::max(pair.pictures[kFast].ms, 1e-6));
  Mean cer;
  for (const auto& [number, pair] : pairs)
    if (pair.pictures[kFast].cer && pair.pictures[kFaithful].cer) cer.add(*pair.pictures[kFast].cer - *pair.pictures[kFaithful].cer);
  Json out = {{"pairs", pairs.size()}, {"of_pairs", plan.prompts.size()}, {"finished", pairs.size() == plan.prompts.size()}, {"modes", Json::object()}};
  for (std::size_t m = 0; m < kFlowModes; ++m) out["modes"][kFlowNames[m]] = mode_json(plan.flows[m], m, pairs);
  out["paired"] = {{"times_as_long", median_json(ratios)},
                   {"right", paired_json(pairs, [](const FlowPicture& p) { return std::optional(p.judged.check.all()); })},
                   {"well_made", paired_json(pairs, [](const FlowPicture& p) { return std::optional(p.judged.problems.empty()); })},
                   {"words_exact", paired_json(pairs, [](const FlowPicture& p) { return p.cer ? std::optional(says_its_words(p.judged)) : std::nullopt; })},
                   {"character_error_rate", cer.of == 0 ? Json(nullptr) : Json{{"fast_less_faithful", cer.json()}}}};
  return out;
}

std::vector<std::string> flows_table(const Json& json) {
  std::vector<std::string> out = {fmt::format("{:<24}{:<36}{:<36}{}", "", "fast", "faithful", "fast less faithful, paired")};
  for (const auto& r : score_rows(json)) out.push_back(fmt::format("{:<24}{:<36}{:<36}{}", r[0], r[1], r[2], r[3]));
  return out;
}

void write_flows(const std::filesystem::path& out, const FlowPlan& plan, const Pairs& pairs, const Json& json) {
  write_file_atomic(out / "flows.json", json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  write_file_atomic(out / "flows.html", page(out, plan, pairs, json));
}

}  // namespace safelight::app
