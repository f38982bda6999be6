#include "finish/typography/acceptance.h"

namespace safelight {

bool accepted(TextReader& reader, const Image& changed, const TextCheck& before, std::size_t t, TextFix& fix) {
  std::vector<std::string> expected;
  for (const TextTarget& target : before.targets) expected.push_back(target.expected);
  const TextCheck after = check_text(reader, changed, expected);
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (i == t ? after.targets[i].cer >= before.targets[i].cer : after.targets[i].cer > before.targets[i].cer) return false;
  fix.cer_after = after.targets[t].cer, fix.read_after = after.targets[t].read;
  return true;
}

}  // namespace safelight
