#include "common/base/problem.h"

#include "common/base/error.h"

namespace safelight {

void require_no(const std::vector<Problem>& problems, const std::string& subject) {
  if (problems.empty()) return;
  std::string text = subject + ":";
  for (const Problem& p : problems) text += " " + p.where + " " + p.what + " (" + p.remedy + ");";
  text.pop_back();
  throw Error(ErrorCode::invalid_argument, text);
}

}  // namespace safelight
