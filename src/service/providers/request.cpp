#include "service/providers/request.h"

#include <sstream>

#include "common/base/error.h"
#include "common/formats/png.h"
#include "service/providers/encoding.h"

namespace safelight {
namespace {

constexpr std::size_t kMaxPictureBytes = std::size_t{50} << 20;
constexpr std::size_t kMaxPromptBytes = 64 * 1024;

class Checks {
 public:
  void range(const char* where, double value, double low, double high, const char* unit = "") {
    if (value >= low && value <= high) return;  // NaN fails
    std::ostringstream what, remedy;
    what << "is " << value;
    remedy << "use " << low << " to " << high << unit;
    problems.push_back({where, what.str(), remedy.str()});
  }
  void word(const char* where, const std::string& value, std::initializer_list<const char*> known) {
    std::string names;
    for (const char* k : known) {
      if (value == k) return;
      names += (names.empty() ? "" : ", ") + std::string(k);
    }
    problems.push_back({where, "is '" + value.substr(0, 40) + "'", "known: " + names});
  }
  void picture(const char* where, const std::string& bytes) {
    if (bytes.size() > kMaxPictureBytes) problems.push_back({where, "is larger than 50 MiB", "send a smaller picture"});
    else if (!picture_header(bytes)) problems.push_back({where, "is no picture", "use PNG, JPEG or WebP"});
  }
  std::vector<Problem> problems;
};

void check_pictures(Checks& c, const ImageRequest& r) {
  for (const std::string& picture : r.references) c.picture("references", picture);
  if (!r.init.empty()) c.picture("init", r.init);
  if (r.strength && r.init.empty()) c.problems.push_back({"strength", "is set without init", "give the picture to start from"});
  if (r.mask.empty()) return;
  if (r.init.empty()) return c.problems.push_back({"mask", "is set without init", "give the picture that it belongs to"});
  const auto mask = picture_header(r.mask), init = picture_header(r.init);
  if (!mask || mask->mime != "image/png") return c.problems.push_back({"mask", "is no PNG", "use a PNG, white where it is repainted"});
  if (!init) return;
  const std::string size = std::to_string(init->width_px) + "x" + std::to_string(init->height_px);
  if (init->width_px != mask->width_px || init->height_px != mask->height_px) c.problems.push_back({"mask", "has another size than init", "use " + size});
  if (r.width_px != 0 && (r.width_px != init->width_px || r.height_px != init->height_px))
    c.problems.push_back({"width_px", "differs from init, which a mask belongs to", "use " + size + ", or leave the size out"});
  try {
    decode_png(r.mask, "mask");
  } catch (const Error&) {
    c.problems.push_back({"mask", "is a damaged PNG", "write it again"});
  }
}

}  // namespace

std::vector<Problem> check(const ImageRequest& r) {
  Checks c;
  if (r.model.empty()) c.problems.push_back({"model", "is missing", "name a row of the catalogue"});
  if (r.prompt.empty()) c.problems.push_back({"prompt", "is empty", "say what to paint"});
  if (r.prompt.size() > kMaxPromptBytes || r.negative.size() > kMaxPromptBytes) c.problems.push_back({"prompt", "is longer than 65536 bytes", "shorten it"});
  c.range("count", r.count, 1, 64);
  if (r.width_px != 0 || r.height_px != 0) {
    c.range("width_px", r.width_px, 1, 16384, " px");
    c.range("height_px", r.height_px, 1, 16384, " px");
  }
  if (r.steps) c.range("steps", *r.steps, 1, 1000);
  if (r.guidance) c.range("guidance", *r.guidance, 0, 100);
  if (r.compression) c.range("compression", *r.compression, 0, 100);
  if (r.strength) c.range("strength", *r.strength, 0, 1);
  if (!r.quality.empty()) c.word("quality", r.quality, {"draft", "standard", "high", "max"});
  if (!r.format.empty()) c.word("format", r.format, {"png", "jpeg", "webp"});
  if (r.compression && (r.format.empty() || r.format == "png")) c.problems.push_back({"compression", "is set without a lossy format", "set format to jpeg or webp"});
  if (r.transparent && r.format == "jpeg") c.problems.push_back({"transparent", "is set with jpeg", "use png or webp"});
  c.range("previews", r.previews, 0, 3);
  c.range("max_usd", r.max_usd, 0, 1e6, " USD");
  c.range("deadline_ms", static_cast<double>(r.deadline_ms), 0, 24 * 3600 * 1000, " ms");
  check_pictures(c, r);
  return std::move(c.problems);
}

}  // namespace safelight
