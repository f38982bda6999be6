#include "service/router/eligibility.h"

#include <fmt/format.h>

#include <algorithm>

#include "service/providers/clock.h"

namespace safelight {
namespace {

bool holds(const std::vector<std::string>& list, const std::string& id) { return std::find(list.begin(), list.end(), id) != list.end(); }

std::int64_t characters(const std::string& utf8) {
  return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// The first thing that the request asks for and the row cannot do; empty: none.
std::string lacking(const ModelRow& row, const RouteRequest& request) {
  const Capabilities& can = row.can;
  const ImageRequest& r = request.image;
  const bool typography = request.profile.mode == RouteMode::typography && request.profile.letters > 0;
  if (can.text < (typography ? TextQuality::good : request.profile.letters > 0 ? TextQuality::weak : TextQuality::none)) return "text";
  if (!r.init.empty() && !can.init) return "init";
  if (!r.mask.empty() && can.mask == MaskSupport::no) return "mask";
  if (static_cast<int>(r.references.size()) > can.max_references) return "references";
  if (r.transparent && !can.transparency) return "transparency";
  if (!r.format.empty() && !holds(can.formats, r.format)) return "format";
  if (!r.style.empty() && !holds(can.styles, r.style)) return "style";
  if (!r.quality.empty() && !can.qualities.empty() && !can.qualities.contains(r.quality)) return "quality";
  if (r.unsupported != UnsupportedPolicy::strict) return "";
  if (r.seed && !can.seed) return "seed";
  if (!r.negative.empty() && !can.negative) return "negative";
  if (r.steps && !can.steps) return "steps";
  if (r.guidance && !can.guidance) return "guidance";
  if (r.strength && !can.strength) return "strength";
  if (r.compression && !can.compression) return "compression";
  return "";
}

std::optional<Ineligible> unable(const ModelRow& row, const RouteRequest& request) {
  if (const std::string what = lacking(row, request); !what.empty()) return Ineligible{"no_capability:" + what, "it cannot do what the request asks: " + what};
  const int most = row.can.max_prompt_characters;
  if (most > 0 && characters(request.image.prompt) > most) return Ineligible{"prompt_too_long", fmt::format("it takes {} characters of prompt", most)};
  if (request.image.unsupported != UnsupportedPolicy::emulate && !size_for(row, request.image.width_px, request.image.height_px))
    return Ineligible{"size_unsupported", fmt::format("it cannot make {}x{} pixels", request.image.width_px, request.image.height_px)};
  return {};
}

std::optional<Ineligible> too_dear(const ModelRow& row, const RouteRequest& request, const Slo& slo, const RouterState& state, const Moment& now) {
  const auto usd = request_usd(row, request.image);
  if (!usd) return Ineligible{"price_unknown", "the catalogue has no price for this size and quality, so it cannot be kept within a cap"};
  const double cap = slo.cost.per_image_usd * request.image.count;
  if (musd(*usd) > musd(cap)) return Ineligible{"over_price", fmt::format("it costs {:.4f} USD, the SLO allows {:.4f}", *usd, cap)};
  if (request.image.max_usd > 0 && musd(*usd) > musd(request.image.max_usd))
    return Ineligible{"over_budget", fmt::format("it costs {:.4f} USD, the request allows {:.4f}", *usd, request.image.max_usd)};
  const double left = state.spending.left_usd(slo.name, slo.cost.per_day_usd, now.unix_ms);
  if (*usd > 0 && musd(*usd) > musd(left)) return Ineligible{"over_day_budget", fmt::format("it costs {:.4f} USD, of today's {:.2f} are left {:.4f}", *usd, slo.cost.per_day_usd, left)};
  return {};
}

}  // namespace

std::optional<double> request_usd(const ModelRow& row, const ImageRequest& image, int width_px, int height_px) {
  if (row.free) return 0.0;
  const int width = width_px > 0 ? width_px : image.width_px, height = height_px > 0 ? height_px : image.height_px;
  const auto usd = price_usd(row, image.quality, nearest_size(row, width, height));
  return usd ? std::optional<double>(*usd * image.count) : usd;
}

std::optional<Ineligible> unusable(const ModelRow& row, const RouteRequest& request, const Slo& slo, const RouterState& state, const Moment& now) {
  if (holds(slo.models.never, row.id) || (!slo.models.only.empty() && !holds(slo.models.only, row.id))) return Ineligible{"not_allowed", "the SLO does not let it be used"};
  if (retired_at_vendor(row, date_of(now.unix_ms)))
    return Ineligible{"model_retired", "its vendor has shut it down" + (row.shutdown_date.empty() ? "" : " on " + row.shutdown_date) + (row.successor.empty() ? "" : "; successor: " + row.successor)};
  if (const auto closed = request.closed.find(row.id); closed != request.closed.end()) return closed->second;
  if (auto out = unable(row, request)) return out;
  if (auto out = too_dear(row, request, slo, state, now)) return out;
  if (auto sick = state.health.problem(row, now.steady_ms)) return Ineligible{sick->code, sick->reason, true, sick->may_panic};
  return {};
}

std::map<std::string, Ineligible> unreachable_rows(const Catalogue& catalogue, const std::vector<ProviderEntry>& injected, const CredentialSource& credentials) {
  const auto served = [](const std::vector<ProviderEntry>& table, const std::string& protocol) {
    return std::any_of(table.begin(), table.end(), [&](const ProviderEntry& e) { return e.name == protocol; });
  };
  const auto problem_of = [&](const ModelRow& row) {
    const auto entry = std::find_if(injected.begin(), injected.end(), [&](const ProviderEntry& e) { return e.name == row.protocol; });
    return entry != injected.end() && entry->problem ? entry->problem(row) : std::string();
  };
  std::map<std::string, Ineligible> out;
  for (const ModelRow& row : catalogue.rows()) {
    if (!served(injected, row.protocol) && !served(provider_table(), row.protocol)) {
      out.emplace(row.id, Ineligible{"not_connected", "this program does not speak its protocol '" + row.protocol + "'"});
    } else if (const std::string problem = problem_of(row); !problem.empty()) {
      out.emplace(row.id, Ineligible{"not_here", problem});
    } else if (!row.credential.empty()) {
      const std::optional<Secret> key = credentials ? credentials(row.credential) : std::nullopt;
      if (!key || key->empty()) out.emplace(row.id, Ineligible{"no_credential", "its key " + row.credential + " is not set"});
    }
  }
  return out;
}

std::optional<Ineligible> unfit(const OptionOutlook& outlook, double queue_ms, double limit_ms, const TaskProfile& profile, const Slo& slo) {
  if (!outlook.quality_measured && slo.quality.floor > 0 && slo.quality.unmeasured == "refuse")
    return Ineligible{"quality_unmeasured", "its quality for the task '" + profile.task + "' has not been measured", false};
  // Below by more than chance explains: a row just at the floor would otherwise come and go.
  if (outlook.quality_measured && outlook.quality + outlook.quality_error < slo.quality.floor)
    return Ineligible{"below_quality_floor", fmt::format("{:.1f} % of its pictures are right for the task '{}', the SLO asks {:.1f} %", 100 * outlook.quality, profile.task, 100 * slo.quality.floor), false};
  if (outlook.latency.within(limit_ms - queue_ms) < 0.5)
    return Ineligible{"over_deadline", fmt::format("half of its calls take more than {:.1f} s{}, {:.1f} s are allowed", (queue_ms + outlook.latency.quantile(0.5)) / 1e3,
                                                   queue_ms > 0 ? fmt::format(" ({:.1f} s of it in its queue)", queue_ms / 1e3) : "", limit_ms / 1e3), false};
  return {};
}

}  // namespace safelight
