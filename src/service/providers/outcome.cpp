#include "service/providers/outcome.h"

#include <algorithm>

#include "common/base/sha256.h"
#include "service/providers/encoding.h"
#include "service/providers/mask.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

void redact_failure(std::optional<ProviderFailure>& failure, const Secret& key) {
  if (!failure) return;
  failure->message = redact(clean_text(failure->message, 1000), key);
  failure->vendor_code = redact(clean_text(failure->vendor_code, 100), key);
  failure->request_id = redact(clean_text(failure->request_id, 200), key);
}

}  // namespace

void clean(CallOutcome& outcome, const Secret& key) {
  redact_failure(outcome.failure, key);
  outcome.request_id = redact(clean_text(outcome.request_id, 200), key);
  outcome.reported_model = redact(clean_text(outcome.reported_model, 200), key);
  for (std::string& warning : outcome.warnings) warning = redact(clean_text(warning), key);
  for (ProviderImage& image : outcome.images) image.revised_prompt = redact(clean_text(image.revised_prompt, 32'000), key);
}

void examine(CallOutcome& outcome, const ProviderCall& call) {
  const int asked = call.request.count;
  const SizeOption& size = call.size;
  if (static_cast<int>(outcome.images.size()) > asked) {
    outcome.warnings.push_back(std::to_string(outcome.images.size()) + " pictures came where " + std::to_string(asked) + " were asked for; the others were left out");
    outcome.images.resize(static_cast<std::size_t>(asked));
  }
  std::vector<ProviderImage> whole;
  for (ProviderImage& image : outcome.images) {
    const auto header = picture_header(image.bytes);
    if (!header || !picture_is_whole(image.bytes)) continue;
    image.mime = header->mime, image.width_px = header->width_px, image.height_px = header->height_px;
    if (image.width_px != size.width_px || image.height_px != size.height_px)
      outcome.warnings.push_back("the picture came as " + std::to_string(image.width_px) + "x" + std::to_string(image.height_px) + " where " +
                                 std::to_string(size.width_px) + "x" + std::to_string(size.height_px) + " was asked for");
    if (!call.request.mask.empty() && call.row.can.mask == MaskSupport::emulated)
      if (const std::string why = put_back_outside(image, call.request); !why.empty()) outcome.warnings.push_back(why);
    image.sha256 = sha256_hex(image.bytes);
    whole.push_back(std::move(image));
  }
  const std::size_t broken = outcome.images.size() - whole.size();
  outcome.images = std::move(whole);
  if (broken && !outcome.failure)
    outcome.failure = ProviderFailure{.failure = FailureClass::no_image, .message = std::to_string(broken) + " of the pictures that came are no whole PNG, JPEG or WebP", .acceptance = Acceptance::accepted};
}

ProviderCost cost_of(const AttemptRecord& attempt, const CallOutcome& outcome, const ModelRow& row) {
  if (row.free) return {.basis = "free"};
  const int paid = outcome.images.empty() ? attempt.count : static_cast<int>(outcome.images.size());
  const double table_usd = attempt.price_usd * paid / std::max(1, attempt.count);
  const std::string basis = attempt.price_known ? "table" : "unknown";
  if (attempt.acceptance == Acceptance::unknown) return {.possible_usd = attempt.price_usd, .basis = basis};
  if (attempt.acceptance != Acceptance::accepted) return {.basis = basis};
  const TokenPrices& prices = row.tokens;
  const ProviderUsage& usage = outcome.usage;
  if (usage.known && prices.image_out > 0)
    return {.usd = (prices.text_in * static_cast<double>(usage.text_in) + prices.image_in * static_cast<double>(usage.image_in) + prices.image_out * static_cast<double>(usage.image_out)) / 1e6,
            .basis = "usage"};
  return {.usd = table_usd, .basis = basis};
}

}  // namespace safelight
