// Where the time of a model's stages goes, as a page for people.
#pragma once

#include <string>

#include "common/base/json.h"

namespace safelight::app {

// Markdown. bench: what `lab bench --architecture` prints as JSON, with "plain_stages" beside "stages".
std::string profile_page(const Json& bench);

}  // namespace safelight::app
