// The ledger in a file: SQLite, one row an attempt, on disk before anything is sent.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "service/providers/ledger.h"

namespace SQLite {
class Database;
}

namespace safelight {

// Thread-safe; several processes may share the file. An attempt that never ended (a crash, a close that the disk refused) stays
// `unknown`: it may have been paid for.
class SqliteLedger final : public Ledger {
 public:
  // Makes the file where there is none. Throws Error(io), and Error(corrupt_file) for what is no ledger.
  explicit SqliteLedger(const std::filesystem::path& file);
  ~SqliteLedger() override;

  // Throws Error(conflict) for an id that is recorded, Error(io) where it could not be written.
  void open(const AttemptRecord& attempt) override;
  void note_remote_id(const std::string& attempt_id, const std::string& remote_id) override;
  void close(const AttemptRecord& attempt) noexcept override;

  // Attempts that began at `since_unix_ms` or later, oldest first; of one job, or of all when it is empty. Throws Error(io, corrupt_file).
  std::vector<AttemptRecord> attempts(std::int64_t since_unix_ms = 0, const std::string& job = "") const;

  // Attempts of all jobs whose id begins so, oldest first.
  std::vector<AttemptRecord> attempts_under(const std::string& job_prefix) const;

 private:
  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::unique_ptr<SQLite::Database> db_;
};

}  // namespace safelight
