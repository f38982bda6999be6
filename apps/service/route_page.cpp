#include "apps/service/route_page.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "apps/console/page.h"
#include "common/base/markup.h"

namespace safelight::app {
namespace {

// Records are read as they lie on the disk, also those of other versions: what is not there, or of another kind, is empty.
const Json& at(const Json& json, const char* key) {
  static const Json kNothing;
  const auto it = json.is_object() ? json.find(key) : json.end();
  return json.is_object() && it != json.end() ? *it : kNothing;
}
std::string text(const Json& json, const char* key) { return at(json, key).is_string() ? at(json, key).get<std::string>() : ""; }
double number(const Json& json, const char* key) { return at(json, key).is_number() ? at(json, key).get<double>() : 0; }

std::string sentences(const Json& list) {
  if (!list.is_array() || list.empty()) return "";
  std::string out = "<ul>";
  for (const Json& s : list)
    if (s.is_string()) out += "<li>" + escaped_markup(s.get<std::string>()) + "</li>";
  return out + "</ul>";
}

std::string size(const Json& json) {
  const double w = number(json, "width"), h = number(json, "height");
  return w > 0 && h > 0 ? fmt::format(", {:.0f}x{:.0f}", w, h) : "";
}

std::string served_markup(const Json& route) {
  const Json &asked = at(route, "asked"), &served = at(route, "served");
  const std::string model = text(asked, "model"), outcome = text(route, "outcome"), label = text(route, "label");
  std::string out = fmt::format("<p><span class=\"badge {}\">{}</span> asked: {}{}; served: {}{}{}; {}, {}{}</p>", outcome == "full" ? "healthy" : outcome == "degraded" ? "undetermined" : "", escaped_markup(outcome),
                                model.empty() ? "any model" : escaped_markup(model), size(asked), text(served, "model").empty() ? "nothing" : escaped_markup(text(served, "model")), size(served),
                                text(served, "rung").empty() ? "" : " by " + escaped_markup(text(served, "rung")), shown_ms(number(route, "ms")),
                                shown_usd(number(route, "usd"), number(route, "possible_usd")), at(route, "on_time") == Json(false) ? ", later than promised" : "");
  if (!label.empty()) out += "<p class=\"warning label\">" + escaped_markup(label) + "</p>";
  return out + sentences(at(route, "why"));
}

std::string plan_markup(const Json& plan) {
  std::vector<std::vector<std::string>> chosen, dropped;
  if (at(plan, "plan").is_array())
    for (const Json& s : at(plan, "plan")) {
      const Json& expected = at(s, "expected");
      chosen.push_back({fmt::format("{}", chosen.size() + 1), escaped_markup(text(s, "model")), escaped_markup(text(s, "rung")), shown_ms(number(expected, "p50_ms")), shown_usd(number(s, "usd"), 0), escaped_markup(text(s, "why"))});
    }
  if (at(plan, "dropped").is_array())
    for (const Json& d : at(plan, "dropped")) dropped.push_back({escaped_markup(text(d, "model")), escaped_markup(text(d, "code")), escaped_markup(text(d, "reason"))});
  std::string out = "<h3>Plan</h3><p class=\"note\">" + escaped_markup(text(plan, "why")) + "</p>";
  if (!chosen.empty()) out += html_table({"", "model", "rung", "usual time", "price", "why"}, chosen);
  if (!dropped.empty()) out += fmt::format("<details class=\"dropped\"><summary>left out <small>{} rows, each with its reason</small></summary>", dropped.size()) + html_table({"model", "code", "reason"}, dropped) + "</details>\n";
  return out;
}

std::string ending(const Json& attempt) {
  const Json& failure = at(attempt, "failure");
  if (!failure.is_object()) return at(attempt, "ended") == Json(false) ? "<span class=\"warning\">never ended: it may have been paid for</span>" : escaped_markup(text(attempt, "acceptance"));
  std::string out = "<b class=\"failed\">" + escaped_markup(text(failure, "class")) + "</b> " + escaped_markup(text(failure, "message"));
  const std::string code = text(failure, "vendor_code");
  if (number(failure, "http_status") > 0) out += fmt::format(" <small>HTTP {:.0f}{}</small>", number(failure, "http_status"), code.empty() ? "" : ", " + escaped_markup(code));
  return out + "<small> (" + escaped_markup(text(failure, "acceptance")) + ")</small>";
}

std::string request_id(const Json& attempt) {
  const std::string own = text(attempt, "request_id");
  return own.empty() ? text(at(attempt, "failure"), "request_id") : own;
}

}  // namespace

std::string shown_ms(double ms) { return ms < 1000 ? fmt::format("{:.0f} ms", ms) : fmt::format("{:.1f} s", ms / 1e3); }

std::string shown_usd(double usd, double possible_usd) { return fmt::format("{:.4f} USD", usd) + (possible_usd > 0 ? fmt::format(" (perhaps {:.4f} more)", possible_usd) : ""); }

std::string shown_time(std::int64_t unix_ms) {
  if (unix_ms <= 0) return "-";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(unix_ms / 1000)));
}

std::string attempts_markup(const Json& attempts) {
  if (!attempts.is_array() || attempts.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const Json& a : attempts) {
    const Json& cost = at(a, "cost");
    std::string who = escaped_markup(text(a, "protocol"));
    if (!text(a, "host").empty()) who += "<small> " + escaped_markup(text(a, "host")) + "</small>";
    std::string took = shown_ms(number(a, "duration_ms"));
    if (number(a, "waited_ms") > 0) took += "<small> after waiting " + shown_ms(number(a, "waited_ms")) + "</small>";
    rows.push_back({fmt::format("{}", rows.size() + 1), who, escaped_markup(text(a, "model")), shown_time(static_cast<std::int64_t>(number(a, "started_unix_ms"))), took, ending(a),
                    "<code>" + escaped_markup(request_id(a)) + "</code>", shown_usd(number(cost, "usd"), number(cost, "possible_usd")) + "<small> " + escaped_markup(text(cost, "basis")) + "</small>"});
  }
  return "<h3>Attempts</h3><div class=\"attempts\">" + html_table({"", "provider", "model", "began", "took", "ended", "request id", "cost"}, rows) + "</div>\n";
}

std::string candidate_markup(const Json& c) {
  std::string out;
  if (at(c, "resumed") == Json(true)) out += "<p class=\"note\">found again after a crash: nothing was asked a second time</p>";
  if (at(c, "route").is_object()) out += served_markup(at(c, "route"));
  if (at(c, "plan").is_object()) out += plan_markup(at(c, "plan"));
  out += attempts_markup(at(c, "attempts"));
  if (at(c, "earlier_attempts").is_array() && !at(c, "earlier_attempts").empty()) out += "<p class=\"note\">Before a crash:</p>" + attempts_markup(at(c, "earlier_attempts"));
  return out + sentences(at(c, "warnings"));
}

}  // namespace safelight::app
