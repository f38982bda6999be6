#include "apps/cli/lab/text_fixing.h"

#include <algorithm>

#include "finish/typography/text_metric.h"

namespace safelight::app {
namespace {

bool is_text(const ClaimResult& c) { return c.kind == "text"; }

}  // namespace

TextFixing::TextFixing(const std::string& limit) : limit_(fix_limit_named(limit)) {}

Image TextFixing::fixed(const Image& image, const std::string& prompt) {
  const std::vector<std::string> texts = quoted_texts(prompt);
  if (texts.empty()) return image;
  FixedPicture out = fix_text(reader_, typesetter_, image, texts, {.limit = limit_});
  for (const TextFix& f : out.fixes) read_before_.add(f.cer_before == 0), read_after_.add(f.cer_after == 0);
  return std::move(out.image);
}

void FixedWords::add(const Judged& was, const Judged& is) {
  if (std::none_of(is.check.claims.begin(), is.check.claims.end(), is_text)) return;
  const bool right_before = says_its_words(was), right_after = says_its_words(is);
  before.add(right_before);
  after.add(right_after);
  if (!right_before) wrong_made_right.add(right_after);
  worse += right_before && !right_after;
}

Json FixedWords::json() const { return {{"exact_before", before.json()}, {"exact_after", after.json()}, {"wrong_made_right", wrong_made_right.json()}, {"made_worse", worse}}; }

bool says_its_words(const Judged& picture) {
  return std::all_of(picture.check.claims.begin(), picture.check.claims.end(), [](const ClaimResult& c) { return !is_text(c) || c.right; });
}

}  // namespace safelight::app
