// Fits a request to what its model can do, or says why not. Nothing is sent.
#include <algorithm>

#include "service/providers/encoding.h"
#include "service/providers/provider.h"

namespace safelight {
namespace {

class Fitting {
 public:
  Fitting(const ImageRequest& request, const ModelRow& row) : row_(row) { plan_.request = request; }

  CallPlan fit(const std::string& date) {
    if (retired_at_vendor(row_, date)) return refuse_retired(), std::move(plan_);
    fit_prompt();
    fit_numbers();
    fit_words();
    fit_pictures();
    fit_size();
    if (plan_.failure) return std::move(plan_);
    plan_.calls = (plan_.request.count + row_.can.max_count - 1) / row_.can.max_count;
    if (const auto each = price_usd(row_, plan_.request.quality, plan_.size)) plan_.usd = *each * plan_.request.count;
    return std::move(plan_);
  }

 private:
  ImageRequest& request() { return plan_.request; }

  void refuse_retired() {
    std::string message = "model '" + row_.id + "' was shut down by its vendor" + (row_.shutdown_date.empty() ? "" : " on " + row_.shutdown_date);
    message += row_.successor.empty() ? "; choose another" : "; its successor is '" + row_.successor + "'";
    plan_.failure = ProviderFailure{.failure = FailureClass::model_retired, .message = message + ", or set base_url to a compatible relay", .successor = row_.successor};
  }

  // What the model lacks, in the words of the request, and how to leave it out.
  template <class Drop>
  void lacks(const std::string& what, const Drop& drop) {
    if (request().unsupported == UnsupportedPolicy::drop) {
      drop();
      plan_.warnings.push_back(what + " was left out: model '" + row_.id + "' does not take it");
      return;
    }
    refuse("model '" + row_.id + "' does not take " + what + "; leave it out, choose another model, or let unsupported parameters be dropped");
  }

  void refuse(const std::string& message) {
    if (!plan_.failure) plan_.failure = ProviderFailure{.failure = FailureClass::unsupported, .message = message};
  }

  void fit_prompt() {
    const auto letters = std::count_if(request().prompt.begin(), request().prompt.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; });
    if (row_.can.max_prompt_characters > 0 && letters > row_.can.max_prompt_characters)
      refuse("the prompt has " + std::to_string(letters) + " characters and model '" + row_.id + "' takes " + std::to_string(row_.can.max_prompt_characters) + "; shorten it or choose another model");
    if (!request().negative.empty() && !row_.can.negative) lacks("a negative prompt", [&] { request().negative.clear(); });
  }

  void fit_numbers() {
    const Capabilities& can = row_.can;
    if (request().seed && !can.seed) lacks("a seed", [&] { request().seed.reset(); });
    if (request().steps && !can.steps) lacks("a number of steps", [&] { request().steps.reset(); });
    if (request().guidance && !can.guidance) lacks("a guidance scale", [&] { request().guidance.reset(); });
    if (request().compression && !can.compression) lacks("a compression", [&] { request().compression.reset(); });
    if (request().previews > 0 && !can.previews) lacks("previews", [&] { request().previews = 0; });
    if (request().transparent && !can.transparency) lacks("a transparent background", [&] { request().transparent = false; });
  }

  void fit_words() {
    const Capabilities& can = row_.can;
    std::string& quality = request().quality;
    if (!quality.empty() && !can.qualities.count(quality)) {
      if (can.qualities.empty()) lacks("a quality", [&] { quality.clear(); });
      else lacks("the quality '" + quality + "'", [&] { quality.clear(); });
    }
    if (quality.empty()) quality = row_.default_quality;
    std::string& style = request().style;
    if (!style.empty() && std::find(can.styles.begin(), can.styles.end(), style) == can.styles.end()) lacks("the style '" + style + "'", [&] { style.clear(); });
    std::string& format = request().format;
    if (!format.empty() && std::find(can.formats.begin(), can.formats.end(), format) == can.formats.end()) lacks("the format '" + format + "'", [&] { format.clear(); });
    if (format.empty()) format = can.formats.front();
  }

  void fit_pictures() {
    const Capabilities& can = row_.can;
    const int given = static_cast<int>(request().references.size());
    if (given > can.max_references)
      lacks(std::to_string(given) + " reference pictures (at most " + std::to_string(can.max_references) + ")", [&] { request().references.resize(static_cast<std::size_t>(can.max_references)); });
    if (!request().init.empty() && !can.init) lacks("a picture to start from", [&] { request().init.clear(), request().mask.clear(), request().strength.reset(); });
    if (request().strength && !can.strength) lacks("a strength", [&] { request().strength.reset(); });
    if (request().mask.empty()) return;
    const auto init = picture_header(request().init);
    if (init) request().width_px = init->width_px, request().height_px = init->height_px;  // what is repainted keeps its size
    if (can.mask == MaskSupport::native) return;
    if (can.mask == MaskSupport::emulated && request().unsupported == UnsupportedPolicy::emulate) {
      if (!init || init->mime != "image/png") return refuse("model '" + row_.id + "' does not keep to a mask, and what is outside can be put back into a PNG alone: give init as PNG");
      request().format = "png";
      plan_.warnings.push_back("model '" + row_.id + "' does not keep to a mask: the area outside it is put back afterwards");
      return;
    }
    lacks("a mask", [&] { request().mask.clear(); });
  }

  void fit_size() {
    if (const auto size = size_for(row_, request().width_px, request().height_px)) {
      plan_.size = *size;
      return;
    }
    const std::string asked = std::to_string(request().width_px) + "x" + std::to_string(request().height_px);
    const SizeOption near = nearest_size(row_, request().width_px, request().height_px);
    const std::string made = std::to_string(near.width_px) + "x" + std::to_string(near.height_px);
    if (request().unsupported != UnsupportedPolicy::emulate)
      return lacks("the size " + asked + " (nearest: " + made + ")", [&] { plan_.size = *size_for(row_, 0, 0); });
    plan_.size = near;
    plan_.warnings.push_back("the size " + asked + " became " + made + ", the nearest that model '" + row_.id + "' makes");
  }

  const ModelRow& row_;
  CallPlan plan_;
};

}  // namespace

CallPlan plan_call(const ImageRequest& request, const ModelRow& row, const std::string& date) { return Fitting(request, row).fit(date); }

}  // namespace safelight
