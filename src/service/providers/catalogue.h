// The catalogue: which models there are, over which wire protocol each is reached, what it can do, costs and permits.
// Read from TOML; later files overlay earlier ones row by row and key by key. Immutable once read; safe between threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace safelight {

enum class ModelStatus { live, deprecated, retired };
enum class TextQuality { none, weak, good, strong };  // how well it writes asked words into a picture
enum class MaskSupport { no, emulated, native };      // emulated: the area outside the mask is put back afterwards

struct SizeOption {
  int width_px = 0, height_px = 0;
  std::string aspect;              // what the wire asks for it, "16:9"; empty: the pixels themselves
  std::string tier;                // likewise "1K", "2K"; empty: none
};

// Sizes of which only the rule is known. multiple_px 0: there is no rule, the list of sizes is all.
struct SizeRule {
  int multiple_px = 0;             // both sides are multiples of it
  int min_side_px = 64;
  int max_side_px = 8192;
  std::int64_t max_pixels = std::int64_t{8192} * 8192;
  double max_ratio = 8;            // longer side over shorter
};

struct Capabilities {
  std::vector<SizeOption> sizes;   // the first is the default
  SizeRule size_rule;
  int max_count = 1;               // pictures a call; more are asked for by several calls
  int max_prompt_characters = 0;   // Unicode code points; 0: no limit known
  int max_references = 0;          // pictures to look at
  bool seed = false, negative = false, steps = false, guidance = false;
  bool init = false;               // starts from a picture
  bool strength = false;           // how far it goes from that picture
  MaskSupport mask = MaskSupport::no;
  bool transparency = false;       // can make a transparent background
  bool compression = false;        // takes a quality for lossy formats
  bool previews = false;           // sends partial pictures
  std::map<std::string, std::string> qualities;  // tier (draft, standard, high, max) -> the wire's word
  std::vector<std::string> styles;   // the wire's words
  std::vector<std::string> formats = {"png"};    // png, jpeg, webp; the first is the default
  TextQuality text = TextQuality::none;
  std::vector<std::string> tags;   // free words that profiles may ask for, for example "fast", "faithful"
};

struct Price {
  std::string quality;             // tier; empty: any
  int width_px = 0, height_px = 0; // 0: any
  std::string tier;                // of the size, "2K"; empty: any
  double usd = 0;                  // for one picture
};

// US dollars for a million tokens; 0: not known.
struct TokenPrices {
  double text_in = 0, image_in = 0, image_out = 0;
};

struct ModelRow {
  std::string id;                  // how requests name it: "dall-e-3-hd"
  std::string title;               // for people
  std::string protocol;            // a name of protocol_names()
  std::string dialect;             // a dialect of that protocol; empty: its first
  std::string wire_model;          // the provider's own name; local: an engine model
  std::string base_url;            // https://host[:port][/path], no trailing slash; empty for local
  std::vector<std::string> vendor_hosts;  // hosts of the vendor itself: status and shutdown date hold there only
  std::string credential;          // name of the environment variable with the key; empty: none is sent
  std::string ca_file;             // PEM of an own certificate authority; empty: the system's
  std::string licence;             // of what it makes, or of the weights
  ModelStatus status = ModelStatus::live;
  std::string shutdown_date;       // "2026-05-12": the first day without it; empty: none announced
  std::string successor;           // id of the row that replaces it; empty: none
  std::string default_quality;     // tier used when a request names none; empty: the provider's own
  bool free = false;               // costs nothing: a repeated call cannot be billed twice
  int timeout_ms = 120000;         // for one call
  int typical_latency_ms = 0;      // as its vendor or its measurement says; 0: not known
  int concurrency = 4;             // calls at one time
  std::string workflow;            // comfyui: the graph (JSON text); empty: the built-in one
  Capabilities can;
  std::vector<Price> prices;       // the first that fits counts
  TokenPrices tokens;
  std::string source;              // the file that defined it, or "shipped"
};

// A wire protocol that rows may name, and its dialects (the first is the default).
struct ProtocolName {
  std::string name;
  std::vector<std::string> dialects;
};
const std::vector<ProtocolName>& protocol_names();

class Catalogue {
 public:
  // The rows that ship with Safelight.
  static Catalogue shipped();
  // Overlays a file or a text over this catalogue: tables [models.ID] with only the keys that differ. Throws Error(invalid_argument)
  // listing every problem, or Error(not_found, io, corrupt_file); then nothing has changed.
  void overlay_file(const std::filesystem::path& file);
  void overlay(std::string_view toml, const std::string& source, const std::filesystem::path& folder = {});

  const std::vector<ModelRow>& rows() const { return rows_; }  // ordered by id
  const ModelRow* find(std::string_view id) const;             // null: there is none
  const ModelRow& row(std::string_view id) const;              // throws Error(not_found) with the known ids

 private:
  std::vector<ModelRow> rows_;
  std::map<std::string, std::string> raw_;  // id -> its keys as JSON text, so that a later file can overlay them
};

std::string_view name(ModelStatus status);
std::string_view name(TextQuality quality);
std::string_view name(MaskSupport support);

// Host of a URL in lower case without port; empty when it is none.
std::string url_host(std::string_view url);

// The status on a day ("2026-11-25"): a shutdown date that has come makes a row retired.
ModelStatus status_on(const ModelRow& row, std::string_view date);

// Whether a call to it would meet the vendor's shutdown: retired on that day and base_url is one of the vendor's hosts.
bool retired_at_vendor(const ModelRow& row, std::string_view date);

// The size option or size of the rule that fits exactly; empty: the row cannot make it. 0 x 0 asks for the default.
std::optional<SizeOption> size_for(const ModelRow& row, int width_px, int height_px);
// The nearest size that it can make: least change of shape first, then of area.
SizeOption nearest_size(const ModelRow& row, int width_px, int height_px);

// US dollars for one picture, from the table alone; empty: not known. `quality`: a tier, empty for the row's default.
std::optional<double> price_usd(const ModelRow& row, const std::string& quality, const SizeOption& size);

}  // namespace safelight
