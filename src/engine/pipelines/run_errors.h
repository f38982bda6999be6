// What goes wrong inside libtorch or for want of memory, as an Error.
#pragma once

#include "common/base/error.h"

namespace safelight {

// Of the exception that is being handled; to be called in a catch clause alone. An Error stays as it is; a libtorch failure becomes Error(internal or
// out_of_memory); anything else is thrown on.
Error error_in_flight();

}  // namespace safelight
