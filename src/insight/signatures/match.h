// Which known failures a verdict's findings look like.
#pragma once

#include <string>
#include <vector>

#include "common/api/verdict.h"
#include "insight/signatures/signature.h"

namespace safelight {

struct SignatureMatch {
  const Signature* signature = nullptr;
  double agreement = 0;               // 0..1, see match_signatures
  std::vector<std::string> why;       // one line for each sign that the verdict shows
  std::vector<std::string> lacking;   // signs that it does not show, or that were not measured
};

// Entries that agree with the verdict, best first; at most `limit`. Agreement is the harmonic mean of two shares: of the entry's
// signs, each weighted by how rare it is in the library (absent statistics by a third of it), those that the verdict shows; and of the verdict's findings, weighted by
// severity, the part of cause and evidence that the entry accounts for. Only entries of the subsystem that broke (or of the trigger) with at least one
// sign other than looks and trigger count, since those two fit too much. None for healthy and undetermined verdicts without findings.
std::vector<SignatureMatch> match_signatures(const SignatureLibrary& library, const Verdict& verdict, std::size_t limit = 3);

Json to_json(const SignatureMatch& match);
// For the terminal: title, agreement, why, fix and links.
std::string match_text(const SignatureMatch& match);

}  // namespace safelight
