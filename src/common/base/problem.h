// One thing wrong with a value somebody gave; check() functions return a list of them.
#pragma once

#include <string>
#include <vector>

namespace safelight {

struct Problem {
  std::string where;   // field, for example "width"
  std::string what;    // "is 7"
  std::string remedy;  // "use a multiple of 8 between 8 and 8192"
};

// Throws one Error(invalid_argument) that lists all problems; does nothing for an empty list.
void require_no(const std::vector<Problem>& problems, const std::string& subject);

}  // namespace safelight
