// Text on a place that was kept free for it: the picture is made without the text, which is then set where nothing else is.
#pragma once

#include <optional>

#include "finish/typography/text_fix.h"

namespace safelight {

// The prompt without the texts in quotes and what leads up to them ("that says", "with the words"), which a model would try to paint: `a shop sign
// that says "OPEN"` becomes `a shop sign left blank`.
std::string prompt_left_blank(const std::string& prompt);

// The upright box in which text of `aspect` (width over height) can stand largest with nothing under it. A box with an edge all round, as boards
// have, is preferred to open sky. Empty when nothing has room for text of 7 pixels.
std::optional<Box> blank_area(const Image& image, double aspect);

// Plan-ahead: each text is set into its region, or where there is none into the emptiest place, on as many lines as make it largest. Kept under the
// same rule as a repair. `regions`: none, or one per text; throws Error(invalid_argument) for another count or a region outside the picture.
FixedPicture write_text(TextReader& reader, const Typesetter& typesetter, const Image& image, const std::vector<std::string>& texts, const std::vector<Box>& regions);

// The same for text t of a picture that has been read.
void write_on_blank(TextReader& reader, const Typesetter& typesetter, const TextCheck& before, std::size_t t, const std::optional<Box>& region, FixedPicture& out, TextFix& fix);

}  // namespace safelight
