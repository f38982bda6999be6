// Fields of the verdict's parts that other records hold too; see common/base/fields.h.
#pragma once

#include "common/api/verdict.h"

namespace safelight {

template <class V>
void fields(V& v, SanityCheck& c) {
  v("name", c.name), v("value", c.value), v("low", c.low), v("high", c.high), v("state", c.state), v("what", c.what);
}

}  // namespace safelight
