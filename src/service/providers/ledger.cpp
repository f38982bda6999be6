#include "service/providers/ledger.h"

#include "common/base/error.h"

namespace safelight {

void MemoryLedger::open(const AttemptRecord& attempt) {
  const std::lock_guard lock(mutex_);
  for (const AttemptRecord& known : attempts_)
    if (known.id == attempt.id) throw Error(ErrorCode::conflict, "attempt '" + attempt.id + "' is recorded already; an attempt is sent once");
  attempts_.push_back(attempt);
}

void MemoryLedger::note_remote_id(const std::string& attempt_id, const std::string& remote_id) {
  const std::lock_guard lock(mutex_);
  for (AttemptRecord& known : attempts_)
    if (known.id == attempt_id) known.remote_id = remote_id;
}

void MemoryLedger::close(const AttemptRecord& attempt) noexcept {
  const std::lock_guard lock(mutex_);
  for (AttemptRecord& known : attempts_)
    if (known.id == attempt.id) {
      std::string remote_id = std::move(known.remote_id);  // which the caller does not know
      known = attempt;
      known.remote_id = std::move(remote_id);
    }
}

std::vector<AttemptRecord> MemoryLedger::attempts() const {
  const std::lock_guard lock(mutex_);
  return attempts_;
}

}  // namespace safelight
