// What happens to every answer of every protocol before anybody else sees it.
#pragma once

#include "service/providers/provider.h"

namespace safelight {

// Reads what the pictures are from their bytes; what is no whole picture is a failure, whatever the provider called it. Pictures beyond
// those asked for are left out, another size than asked for is said in a warning.
void examine(CallOutcome& outcome, const ProviderCall& call);

// The one place through which every text of a provider passes on its way in: no key, no control characters, bounded.
void clean(CallOutcome& outcome, const Secret& key);

// What an ended attempt cost, from the vendor's own count of tokens where it gives one and the row has prices for them.
ProviderCost cost_of(const AttemptRecord& attempt, const CallOutcome& outcome, const ModelRow& row);

}  // namespace safelight
