// Rows of the catalogue and the wire protocols, for `safelight list`.
#include <fmt/format.h>

#include <algorithm>

#include "apps/service/catalogue_files.h"
#include "apps/service/commands.h"
#include "common/base/error.h"
#include "service/providers/clock.h"

namespace safelight::app {
namespace {

Json rows_of_providers(const ServiceContext& context, const std::vector<std::string>&) {
  Json rows = Json::array();
  for (const auto* table : {&context.injected, &provider_table()})
    for (const ProviderEntry& e : *table) rows.push_back({{"name", e.name}, {"summary", e.summary}, {"dialects", e.dialects}});
  return rows;
}

Json sizes_of(const Capabilities& can) {
  Json out = Json::array();
  for (const SizeOption& s : can.sizes) out.push_back(fmt::format("{}x{}", s.width_px, s.height_px));
  return out;
}

// Why it cannot be called today; empty: it can.
std::string obstacle(const ModelRow& row, const std::string& today, const std::map<std::string, Ineligible>& unreachable) {
  if (retired_at_vendor(row, today)) return "model_retired";
  const auto it = unreachable.find(row.id);
  return it == unreachable.end() ? "" : it->second.code;
}

std::string summary_of(const ModelRow& row, const Json& usd, const std::string& problem) {
  std::string text = fmt::format("{:<24} {:<10} {:<9}", row.protocol, name(row.status), row.free ? "free" : usd.is_null() ? "price ?" : fmt::format("{:.4f} $", usd.get<double>()));
  text += " " + row.title;
  if (!problem.empty()) text += " (" + problem + (row.successor.empty() ? ")" : "; successor: " + row.successor + ")");
  return text;
}

Json rows_of_models(const ServiceContext& context, const std::vector<std::string>& files) {
  const Catalogue catalogue = open_catalogue(files);
  SystemClock clock;
  const std::string today = date_of(clock.unix_ms());
  const auto unreachable = unreachable_rows(catalogue, context.injected, keys_from_environment());
  Json rows = Json::array();
  for (const ModelRow& row : catalogue.rows()) {
    const auto price = price_usd(row, "", size_for(row, 0, 0).value_or(SizeOption{}));
    const Json usd = row.free ? Json(0.0) : price ? Json(*price) : Json(nullptr);
    const std::string problem = obstacle(row, today, unreachable);
    const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
    rows.push_back({{"name", row.id}, {"title", row.title}, {"protocol", row.protocol}, {"dialect", or_null(row.dialect)}, {"wire_model", row.wire_model},
                    {"base_url", or_null(row.base_url)}, {"credential", or_null(row.credential)}, {"licence", or_null(row.licence)}, {"status", name(status_on(row, today))},
                    {"shutdown_date", or_null(row.shutdown_date)}, {"successor", or_null(row.successor)}, {"usd", usd}, {"sizes", sizes_of(row.can)}, {"text", name(row.can.text)},
                    {"mask", name(row.can.mask)}, {"seed", row.can.seed}, {"tags", row.can.tags}, {"problem", or_null(problem)}, {"source", row.source},
                    {"summary", summary_of(row, usd, problem)}});
  }
  return rows;
}

}  // namespace

const std::vector<ServiceList>& service_lists() {
  static const std::vector<ServiceList> lists = {{"providers", "wire protocols", rows_of_providers}, {"models", "rows of the catalogue", rows_of_models}};
  return lists;
}

void print_rows(const std::string& what, const Json& rows, bool json) {
  if (json) return print_json({{what, rows}});
  for (const Json& r : rows) print_line(printable(fmt::format("{:<24} {}", r["name"].get<std::string>(), r["summary"].get<std::string>())));
}

Command service_list_command(CLI::App& app, ServiceContext& context) {
  struct Arguments {
    std::string what;
    std::vector<std::string> catalogue;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("list", "What there is: providers, models");
  std::vector<std::string> known;
  for (const ServiceList& list : service_lists()) known.push_back(list.what);
  c->add_option("what", a->what, "providers or models")->required()->check(CLI::IsMember(known));
  add_catalogue_flag(*c, a->catalogue);
  return {c, [a, &context] {
            for (const ServiceList& list : service_lists())
              if (list.what == a->what) print_rows(a->what, list.rows(context, a->catalogue), context.common.json);
            return 0;
          }};
}

}  // namespace safelight::app
