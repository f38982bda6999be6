// The record of pipelines in a file: SQLite. Every change is on disk when its call returns, so that a run goes on after any crash.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "service/jobs/stage.h"

namespace SQLite {
class Database;
}

namespace safelight {

enum class StageState { pending, running, waiting, done, skipped, rejected, failed, uncertain };
std::string_view name(StageState state);

struct StageRecord {
  std::string stage, kind;
  StageState state = StageState::pending;
  std::string key;                   // of its content: kind, settings, prompt, inputs; waiting: what was shown to the person
  std::vector<Picture> outputs;
  Json facts = Json::object();
  std::string message;               // failed, rejected, skipped, uncertain: why
  std::int64_t started_unix_ms = 0, ended_unix_ms = 0;
  double usd = 0, possible_usd = 0;
  bool reused = false;               // another run had done it
};

struct Approval {
  std::string stage, shown;          // shown: the key of what the person saw
  bool approved = false;
  std::vector<int> picked;           // indices of the inputs that go on; empty: all
  std::string reason;                // of a rejection
  std::string prompt;                // for the stage after it; empty: as it is
  std::string by = {};               // who decided, as the machine or the person says; empty in old records
  std::int64_t at_unix_ms = 0;
};

struct RunRecord {
  std::string id;
  std::int64_t created_unix_ms = 0;
  PipelineSource source;
  std::vector<std::string> catalogue;  // files that overlay the shipped one
  std::string folder;                // where deliveries go
  bool fresh = false;                // takes nothing from other runs
  std::vector<StageRecord> stages;   // those that have begun, in order
  std::vector<Approval> approvals;
};

// Thread-safe; several processes may share the file.
class JobStore {
 public:
  // Makes the file where there is none. Throws Error(io), and Error(corrupt_file) for what is no such record.
  explicit JobStore(const std::filesystem::path& file);
  ~JobStore();

  void add(const RunRecord& run);                                       // Error(conflict) for an id that is there
  RunRecord run(const std::string& id) const;                           // Error(not_found)
  std::vector<std::string> run_ids() const;                             // the oldest first
  // With `result` also under its key, for later runs with the same content.
  void set_stage(const std::string& run, std::size_t number, const StageRecord& stage, bool result);
  std::optional<StageRecord> result(const std::string& key) const;
  // At most one decision for what was shown: Error(conflict) for another one.
  void decide(const std::string& run, const Approval& approval);

  // What an attempt brought, kept before the ledger hears that it has ended: nothing that was paid for is lost between the two.
  void keep(const std::string& attempt, const Picture& picture);
  std::optional<Picture> kept(const std::string& attempt) const;
  void drop_kept(const std::string& attempt);

 private:
  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::unique_ptr<SQLite::Database> db_;
};

// Of the stages: done, waiting, rejected, failed, uncertain, or "interrupted" (it can be resumed).
std::string state_of(const RunRecord& run, std::size_t stages);

Json to_json(const Picture& picture);
Json to_json(const StageRecord& stage);

}  // namespace safelight
