// Where attempts are recorded. The rule that keeps money safe: an attempt is recorded before its first byte is sent, so that after a crash
// nothing that may have been paid for is unknown.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "service/providers/request.h"

namespace safelight {

class Ledger {
 public:
  virtual ~Ledger() = default;
  // Must be durable when it returns; throws to prevent the sending (disk full, spend cap reached).
  virtual void open(const AttemptRecord& attempt) = 0;
  // The peer's id of the work, as soon as it is known and before it is polled.
  virtual void note_remote_id(const std::string& attempt_id, const std::string& remote_id) = 0;
  // How it ended. Must not throw: the money is spent.
  virtual void close(const AttemptRecord& attempt) noexcept = 0;
};

// Keeps attempts in memory: for tests and for one-off commands. Thread-safe.
class MemoryLedger final : public Ledger {
 public:
  void open(const AttemptRecord& attempt) override;
  void note_remote_id(const std::string& attempt_id, const std::string& remote_id) override;
  void close(const AttemptRecord& attempt) noexcept override;
  std::vector<AttemptRecord> attempts() const;

 private:
  mutable std::mutex mutex_;
  std::vector<AttemptRecord> attempts_;
};

}  // namespace safelight
