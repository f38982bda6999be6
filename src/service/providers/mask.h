// Masks for models that repaint more than they were told.
#pragma once

#include <string>

#include "service/providers/request.h"

namespace safelight {

// The picture at the size of `init`, with init's pixels where the mask is black and a mixture where it is gray. Changes nothing and says why
// where the two pictures are not both PNG; empty: done.
std::string put_back_outside(ProviderImage& picture, const ImageRequest& request);

}  // namespace safelight
