// The rule under which a change to a picture stays.
#pragma once

#include "finish/typography/text_fix.h"

namespace safelight {

// Reads the whole picture again: true when target t has a lower character error rate than `before`, and no other target a higher one. Then sets
// fix.read_after and fix.cer_after.
bool accepted(TextReader& reader, const Image& changed, const TextCheck& before, std::size_t t, TextFix& fix);

}  // namespace safelight
