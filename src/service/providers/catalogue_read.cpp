#include "service/providers/catalogue_read.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "common/base/error.h"
#include "common/base/fields.h"
#include "common/base/toml_read.h"

namespace safelight {
namespace {

struct QualityWords { std::string draft, standard, high, max; };
struct PriceKeys { std::string quality, size, tier; double usd = -1; };
struct CapabilityKeys {
  std::vector<std::string> sizes, styles, formats = {"png"}, tags;
  SizeRule size_rule;
  int max_count = 1, max_prompt_characters = 0, max_references = 0;
  bool seed = false, negative = false, steps = false, guidance = false, init = false, strength = false;
  bool transparency = false, compression = false, previews = false;
  std::string mask = "no", text = "none";
  QualityWords qualities;
};
struct RowKeys {
  ModelRow row;
  std::string status = "live";
  CapabilityKeys can;
  std::vector<PriceKeys> prices;
};

template <class V> void fields(V& v, QualityWords& q) { v("draft", q.draft), v("standard", q.standard), v("high", q.high), v("max", q.max); }
template <class V> void fields(V& v, PriceKeys& p) { v("quality", p.quality), v("size", p.size), v("tier", p.tier), v("usd", p.usd); }

template <class V> void fields(V& v, CapabilityKeys& c) {
  v("sizes", c.sizes), v("size_rule", c.size_rule), v("max_count", c.max_count), v("max_prompt_characters", c.max_prompt_characters);
  v("max_references", c.max_references), v("seed", c.seed), v("negative", c.negative), v("steps", c.steps), v("guidance", c.guidance);
  v("init", c.init), v("strength", c.strength), v("mask", c.mask), v("transparency", c.transparency), v("compression", c.compression);
  v("previews", c.previews), v("qualities", c.qualities), v("styles", c.styles), v("formats", c.formats), v("text", c.text), v("tags", c.tags);
}

template <class V> void fields(V& v, RowKeys& k) {
  ModelRow& r = k.row;
  v("title", r.title), v("protocol", r.protocol), v("dialect", r.dialect), v("wire_model", r.wire_model), v("base_url", r.base_url);
  v("vendor_hosts", r.vendor_hosts), v("credential", r.credential), v("ca_file", r.ca_file), v("licence", r.licence), v("status", k.status);
  v("shutdown_date", r.shutdown_date), v("successor", r.successor), v("default_quality", r.default_quality), v("free", r.free);
  v("timeout_ms", r.timeout_ms), v("typical_latency_ms", r.typical_latency_ms), v("concurrency", r.concurrency), v("workflow", r.workflow);
  v("can", k.can), v("prices", k.prices), v("tokens", r.tokens);
}

// The value whose name is `word`; a problem that lists the names when there is none.
template <class E>
E word_of(const std::string& word, std::initializer_list<E> values, const std::string& where, std::vector<Problem>& problems) {
  std::string known;
  for (const E value : values) {
    if (word == name(value)) return value;
    known += (known.empty() ? "" : ", ") + std::string(name(value));
  }
  problems.push_back({where, "is '" + word.substr(0, 40) + "'", "known: " + known});
  return *values.begin();
}

bool parse_pixels(std::string_view text, int& width, int& height) {
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, width);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != 'x') return false;
  const auto second = std::from_chars(first.ptr + 1, end, height);
  return second.ec == std::errc() && second.ptr == end && width > 0 && height > 0 && width <= 16384 && height <= 16384;
}

// "1376x768 16:9 1K"
std::optional<SizeOption> parse_size(const std::string& text) {
  std::istringstream in(text);
  std::string pixels, rest;
  SizeOption size;
  in >> pixels >> size.aspect >> size.tier;
  if (in >> rest || !parse_pixels(pixels, size.width_px, size.height_px)) return {};
  return size;
}

bool is_date(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  for (std::size_t i = 0; i < 10; ++i)
    if (i != 4 && i != 7 && (text[i] < '0' || text[i] > '9')) return false;
  const int month = std::stoi(text.substr(5, 2)), day = std::stoi(text.substr(8, 2));
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

void check_place(const ModelRow& row, const std::string& where, std::vector<Problem>& problems) {
  std::string known;
  const ProtocolName* protocol = nullptr;
  for (const ProtocolName& p : protocol_names()) {
    known += (known.empty() ? "" : ", ") + p.name;
    if (p.name == row.protocol) protocol = &p;
  }
  if (!protocol) return problems.push_back({where + "protocol", "is '" + row.protocol.substr(0, 40) + "'", "known: " + known});
  if (!row.dialect.empty() && std::find(protocol->dialects.begin(), protocol->dialects.end(), row.dialect) == protocol->dialects.end()) {
    std::string names;
    for (const std::string& d : protocol->dialects) names += (names.empty() ? "" : ", ") + d;
    problems.push_back({where + "dialect", "is '" + row.dialect.substr(0, 40) + "'", "known for " + row.protocol + ": " + (names.empty() ? "none" : names)});
  }
  if (row.wire_model.empty()) problems.push_back({where + "wire_model", "is missing", "give the provider's own name of the model"});
  if (row.protocol == "local") return;
  const bool loopback = url_host(row.base_url) == "127.0.0.1" || url_host(row.base_url) == "localhost" || url_host(row.base_url) == "[::1]";
  const bool plain = row.base_url.starts_with("http://");
  if (url_host(row.base_url).empty() || row.base_url.back() == '/' || row.base_url.find_first_of("?#@ ") != std::string::npos)
    problems.push_back({where + "base_url", "is '" + row.base_url.substr(0, 80) + "'", "use https://host[:port][/path] without query, user or trailing slash"});
  else if (plain && !loopback && !row.credential.empty())
    problems.push_back({where + "base_url", "would send a key without encryption", "use https, or no credential"});
}

void check_numbers(const ModelRow& row, const std::string& where, std::vector<Problem>& problems) {
  const auto range = [&](const char* key, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high)
      problems.push_back({where + key, "is " + std::to_string(value), "use " + std::to_string(low) + " to " + std::to_string(high)});
  };
  range("timeout_ms", row.timeout_ms, 1, 3600000);
  range("typical_latency_ms", row.typical_latency_ms, 0, 3600000);
  range("concurrency", row.concurrency, 1, 1000);
  range("can.max_count", row.can.max_count, 1, 64);
  range("can.max_prompt_characters", row.can.max_prompt_characters, 0, 1000000);
  range("can.max_references", row.can.max_references, 0, 64);
  const SizeRule& rule = row.can.size_rule;
  range("can.size_rule.multiple_px", rule.multiple_px, 0, 1024);
  range("can.size_rule.min_side_px", rule.min_side_px, 1, rule.max_side_px);
  range("can.size_rule.max_side_px", rule.max_side_px, 1, 16384);
  range("can.size_rule.max_pixels", rule.max_pixels, 1, std::int64_t{1} << 28);
  if (!(rule.max_ratio >= 1)) problems.push_back({where + "can.size_rule.max_ratio", "is below 1", "use longer side over shorter"});
  if (row.can.sizes.empty()) problems.push_back({where + "can.sizes", "is empty", "give at least the default size"});
  if (row.can.formats.empty()) problems.push_back({where + "can.formats", "is empty", "known: png, jpeg, webp"});
  for (const std::string& f : row.can.formats)
    if (f != "png" && f != "jpeg" && f != "webp") problems.push_back({where + "can.formats", "has '" + f.substr(0, 40) + "'", "known: png, jpeg, webp"});
  for (const double usd : {row.tokens.text_in, row.tokens.image_in, row.tokens.image_out})
    if (!(usd >= 0 && usd < 1e6)) problems.push_back({where + "tokens", "has a price outside its range", "use US dollars for a million tokens"});
}

void take_capabilities(const RowKeys& keys, ModelRow& row, const std::string& where, std::vector<Problem>& problems) {
  const CapabilityKeys& c = keys.can;
  row.can = {.size_rule = c.size_rule, .max_count = c.max_count, .max_prompt_characters = c.max_prompt_characters, .max_references = c.max_references,
             .seed = c.seed, .negative = c.negative, .steps = c.steps, .guidance = c.guidance, .init = c.init, .strength = c.strength,
             .transparency = c.transparency, .compression = c.compression, .previews = c.previews, .styles = c.styles, .formats = c.formats, .tags = c.tags};
  row.can.mask = word_of(c.mask, {MaskSupport::no, MaskSupport::emulated, MaskSupport::native}, where + "can.mask", problems);
  row.can.text = word_of(c.text, {TextQuality::none, TextQuality::weak, TextQuality::good, TextQuality::strong}, where + "can.text", problems);
  for (const std::string& text : c.sizes) {
    if (const auto size = parse_size(text)) row.can.sizes.push_back(*size);
    else problems.push_back({where + "can.sizes", "has '" + text.substr(0, 40) + "'", "write \"1376x768\", \"1376x768 16:9\" or \"1376x768 16:9 1K\""});
  }
  const std::pair<const char*, const std::string*> tiers[] = {
      {"draft", &c.qualities.draft}, {"standard", &c.qualities.standard}, {"high", &c.qualities.high}, {"max", &c.qualities.max}};
  for (const auto& [tier, word] : tiers)
    if (!word->empty()) row.can.qualities[tier] = *word;
}

void take_prices(const RowKeys& keys, ModelRow& row, const std::string& where, std::vector<Problem>& problems) {
  for (const PriceKeys& p : keys.prices) {
    Price price{.quality = p.quality, .tier = p.tier, .usd = p.usd};
    if (!p.size.empty() && !parse_pixels(p.size, price.width_px, price.height_px))
      problems.push_back({where + "prices", "has size '" + p.size.substr(0, 40) + "'", "write \"1024x1024\""});
    if (!(p.usd >= 0 && p.usd < 1000)) problems.push_back({where + "prices", "has no usd from 0 to 1000", "give the price of one picture"});
    if (!p.quality.empty() && !row.can.qualities.count(p.quality))
      problems.push_back({where + "prices", "names quality '" + p.quality.substr(0, 40) + "'", "use a tier of can.qualities"});
    row.prices.push_back(price);
  }
  if (!row.default_quality.empty() && !row.can.qualities.count(row.default_quality))
    problems.push_back({where + "default_quality", "is '" + row.default_quality.substr(0, 40) + "'", "use a tier of can.qualities"});
}

}  // namespace

template <class V> void fields(V& v, SizeRule& r) {
  v("multiple_px", r.multiple_px), v("min_side_px", r.min_side_px), v("max_side_px", r.max_side_px), v("max_pixels", r.max_pixels), v("max_ratio", r.max_ratio);
}
template <class V> void fields(V& v, TokenPrices& t) { v("text_in", t.text_in), v("image_in", t.image_in), v("image_out", t.image_out); }

std::map<std::string, Json> read_model_tables(std::string_view toml, const std::string& source) {
  std::map<std::string, Json> out;
  const Json root = json_of(parse_toml(toml, source), source);
  for (const auto& [key, value] : root.items())
    if (key != "models" || !value.is_object())
      throw Error(ErrorCode::invalid_argument, source + ": '" + key.substr(0, 64) + "' is unknown; a catalogue has tables [models.ID]");
  if (!root.contains("models")) return out;
  for (const auto& [id, row] : root["models"].items()) {
    if (!row.is_object()) throw Error(ErrorCode::invalid_argument, source + ": models." + id.substr(0, 64) + " is not a table");
    out[id] = row;
  }
  return out;
}

ModelRow row_from_keys(const std::string& id, const Json& json, std::vector<Problem>& problems) {
  const std::string where = "models." + id.substr(0, 64) + ".";
  RowKeys keys;
  fields_from_json(keys, json, where.substr(0, where.size() - 1), problems);
  ModelRow row = std::move(keys.row);
  row.id = id;
  row.status = word_of(keys.status, {ModelStatus::live, ModelStatus::deprecated, ModelStatus::retired}, where + "status", problems);
  take_capabilities(keys, row, where, problems);
  take_prices(keys, row, where, problems);
  check_place(row, where, problems);
  check_numbers(row, where, problems);
  if (!row.shutdown_date.empty() && !is_date(row.shutdown_date))
    problems.push_back({where + "shutdown_date", "is '" + row.shutdown_date.substr(0, 40) + "'", "write 2026-05-12"});
  return row;
}

}  // namespace safelight
