#include "service/providers/catalogue.h"

#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "service/providers/catalogue_read.h"

namespace safelight {

std::string_view shipped_catalogue_toml();  // catalogue.toml, embedded

namespace {

constexpr std::size_t kMaxRows = 4096;

// Keys of `over` replace those of `under`; tables are merged, lists are not.
void merge(Json& under, const Json& over) {
  for (const auto& [key, value] : over.items()) {
    if (value.is_object() && under.contains(key) && under[key].is_object()) merge(under[key], value);
    else under[key] = value;
  }
}

bool rule_allows(const SizeRule& rule, int width, int height) {
  if (rule.multiple_px < 1 || width % rule.multiple_px || height % rule.multiple_px) return false;
  const auto [low, high] = std::minmax(width, height);
  return low >= rule.min_side_px && high <= rule.max_side_px && std::int64_t{width} * height <= rule.max_pixels && high <= rule.max_ratio * low;
}

// Change of shape first (0: the same aspect), then of area; both symmetric in enlarging and shrinking.
std::pair<double, double> distance(const SizeOption& size, double width, double height) {
  const double shape = std::abs(std::log(size.width_px / double(size.height_px)) - std::log(width / height));
  const double area = std::abs(std::log(double(size.width_px) * size.height_px) - std::log(width * height));
  return {std::round(shape * 100), area};  // shapes within a hundredth are equal, so that rounding to a multiple does not decide
}

void check_links(const std::vector<ModelRow>& rows, std::vector<Problem>& problems) {
  for (const ModelRow& row : rows) {
    if (row.successor.empty()) continue;
    const auto next = std::find_if(rows.begin(), rows.end(), [&](const ModelRow& r) { return r.id == row.successor; });
    if (next == rows.end() || row.successor == row.id)
      problems.push_back({"models." + row.id + ".successor", "is '" + row.successor.substr(0, 64) + "'", "name another row of the catalogue"});
  }
}

}  // namespace

std::string_view name(ModelStatus status) {
  return status == ModelStatus::live ? "live" : status == ModelStatus::deprecated ? "deprecated" : "retired";
}
std::string_view name(MaskSupport support) {
  return support == MaskSupport::no ? "no" : support == MaskSupport::emulated ? "emulated" : "native";
}
std::string_view name(TextQuality quality) {
  constexpr std::string_view kNames[] = {"none", "weak", "good", "strong"};
  return kNames[static_cast<std::size_t>(quality)];
}

Catalogue Catalogue::shipped() {
  Catalogue catalogue;
  catalogue.overlay(shipped_catalogue_toml(), "shipped");
  return catalogue;
}

void Catalogue::overlay_file(const std::filesystem::path& file) {
  overlay(read_file(file, std::uint64_t{4} << 20), file.string(), file.parent_path());
}

void Catalogue::overlay(std::string_view toml, const std::string& source, const std::filesystem::path& folder) {
  std::map<std::string, std::string> raw = raw_;
  std::map<std::string, ModelRow> rows;
  for (const ModelRow& row : rows_) rows[row.id] = row;
  std::vector<Problem> problems;
  for (auto& [id, keys] : read_model_tables(toml, source)) {
    // A path of a workflow is meant from the folder of the file that names it.
    if (keys.contains("workflow") && keys["workflow"].is_string()) keys["workflow"] = read_file(folder / keys["workflow"].get<std::string>());
    Json all = raw.count(id) ? parse_json(raw[id], source) : Json::object();
    merge(all, keys);
    raw[id] = all.dump();
    rows[id] = row_from_keys(id, all, problems);
    rows[id].source = source;
    if (!rows[id].workflow.empty()) parse_json(rows[id].workflow, source + ": workflow of " + id);
  }
  std::vector<ModelRow> list;
  for (auto& [id, row] : rows) list.push_back(std::move(row));
  if (list.size() > kMaxRows) problems.push_back({"models", "has more than " + std::to_string(kMaxRows) + " rows", "split the catalogue"});
  check_links(list, problems);
  require_no(problems, "catalogue " + source);
  rows_ = std::move(list);
  raw_ = std::move(raw);
}

const ModelRow* Catalogue::find(std::string_view id) const {
  const auto it = std::find_if(rows_.begin(), rows_.end(), [&](const ModelRow& row) { return row.id == id; });
  return it == rows_.end() ? nullptr : &*it;
}

const ModelRow& Catalogue::row(std::string_view id) const {
  if (const ModelRow* found = find(id)) return *found;
  std::string known;
  for (const ModelRow& row : rows_) known += (known.empty() ? "" : ", ") + row.id;
  throw Error(ErrorCode::not_found, "model '" + std::string(id.substr(0, 64)) + "' is not in the catalogue; known: " + known);
}

std::string url_host(std::string_view url) {
  std::string lower(url);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  const std::size_t start = lower.starts_with("https://") ? 8 : lower.starts_with("http://") ? 7 : std::string::npos;
  if (start == std::string::npos) return "";
  const std::string authority = lower.substr(start, lower.find_first_of("/?#", start) - start);
  if (authority.find('@') != std::string::npos) return "";  // a user in a URL hides which host is meant
  if (authority.starts_with("[")) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

ModelStatus status_on(const ModelRow& row, std::string_view date) {
  return !row.shutdown_date.empty() && row.shutdown_date <= date ? ModelStatus::retired : row.status;
}

bool retired_at_vendor(const ModelRow& row, std::string_view date) {
  const auto& hosts = row.vendor_hosts;
  return status_on(row, date) == ModelStatus::retired && std::find(hosts.begin(), hosts.end(), url_host(row.base_url)) != hosts.end();
}

std::optional<SizeOption> size_for(const ModelRow& row, int width_px, int height_px) {
  if (width_px == 0 && height_px == 0) return row.can.sizes.empty() ? std::optional<SizeOption>() : row.can.sizes.front();
  for (const SizeOption& size : row.can.sizes)
    if (size.width_px == width_px && size.height_px == height_px) return size;
  if (width_px > 0 && height_px > 0 && rule_allows(row.can.size_rule, width_px, height_px)) return SizeOption{.width_px = width_px, .height_px = height_px};
  return {};
}

SizeOption nearest_size(const ModelRow& row, int width_px, int height_px) {
  if (const auto exact = size_for(row, width_px, height_px)) return *exact;
  std::vector<SizeOption> options = row.can.sizes;
  const SizeRule& rule = row.can.size_rule;
  const double width = std::max(1, width_px), height = std::max(1, height_px);
  if (rule.multiple_px > 0) {
    const double scale = std::min({1.0, rule.max_side_px / std::max(width, height), std::sqrt(double(rule.max_pixels) / (width * height))});
    for (const double grown : {std::max(scale, rule.min_side_px / std::min(width, height)), scale}) {
      // Down to a multiple, so that no limit is passed; smaller than a multiple becomes one.
      const auto snap = [&](double side) { return std::max(rule.multiple_px, static_cast<int>(side * grown) / rule.multiple_px * rule.multiple_px); };
      if (rule_allows(rule, snap(width), snap(height))) options.push_back({.width_px = snap(width), .height_px = snap(height)});
    }
  }
  if (options.empty()) throw Error(ErrorCode::internal, "model '" + row.id + "' has no size");
  return *std::min_element(options.begin(), options.end(),
                           [&](const SizeOption& a, const SizeOption& b) { return distance(a, width, height) < distance(b, width, height); });
}

std::optional<double> price_usd(const ModelRow& row, const std::string& quality, const SizeOption& size) {
  if (row.free) return 0.0;
  const std::string& asked = quality.empty() ? row.default_quality : quality;
  for (const Price& p : row.prices) {
    const bool size_fits = p.width_px == 0 || (p.width_px == size.width_px && p.height_px == size.height_px);
    if ((p.quality.empty() || p.quality == asked) && (p.tier.empty() || p.tier == size.tier) && size_fits) return p.usd;
  }
  return {};
}

}  // namespace safelight
