#include "service/jobs/job_store.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "service/jobs/job_json.h"

namespace safelight {
namespace {

constexpr int kApplication = 0x534C4A53;  // "SLJS", in the file's header: whose it is
constexpr int kVersion = 1;
constexpr int kBusy_ms = 5000;            // how long another process may hold the file

void prepare(SQLite::Database& db, const std::filesystem::path& file) {
  const int application = db.execAndGet("PRAGMA application_id").getInt(), version = db.execAndGet("PRAGMA user_version").getInt();
  const bool fresh = application == 0 && db.execAndGet("SELECT count(*) FROM sqlite_master").getInt() == 0;
  if (!fresh && (application != kApplication || version != kVersion))
    throw Error(ErrorCode::corrupt_file, "record of pipelines " + file.string() + " is a database of another kind or version; name another directory with --runs");
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = FULL");
  if (!fresh) return;
  SQLite::Transaction making(db, SQLite::TransactionBehavior::IMMEDIATE);
  for (const char* table : {"run(id TEXT PRIMARY KEY, created_unix_ms INTEGER NOT NULL, record TEXT NOT NULL)",
                            "stage(run TEXT NOT NULL, number INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY(run, number))",
                            "result(key TEXT PRIMARY KEY, record TEXT NOT NULL)",
                            "approval(run TEXT NOT NULL, stage TEXT NOT NULL, shown TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY(run, stage, shown))",
                            "kept(attempt TEXT PRIMARY KEY, record TEXT NOT NULL)"})
    db.exec(std::string("CREATE TABLE IF NOT EXISTS ") + table);
  db.exec("PRAGMA application_id = " + std::to_string(kApplication));
  db.exec("PRAGMA user_version = " + std::to_string(kVersion));
  making.commit();
}

// Runs work on the database and turns its errors into ours.
template <class Work>
auto guarded(const std::filesystem::path& file, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const SQLite::Exception& e) {
    const bool damaged = e.getErrorCode() == SQLITE_CORRUPT || e.getErrorCode() == SQLITE_NOTADB;
    throw Error(damaged ? ErrorCode::corrupt_file : ErrorCode::io, "record of pipelines " + file.string() + ": " + e.what() + (damaged ? "; restore it from a copy" : ""));
  }
}

std::vector<std::string> texts(SQLite::Database& db, const std::string& query, std::initializer_list<std::string> values) {
  SQLite::Statement select(db, query);
  int index = 0;
  for (const std::string& v : values) select.bind(++index, v);
  std::vector<std::string> out;
  while (select.executeStep()) out.push_back(select.getColumn(0).getString());
  return out;
}

void write(SQLite::Database& db, const std::string& query, std::initializer_list<std::string> values) {
  SQLite::Statement insert(db, query);
  int index = 0;
  for (const std::string& v : values) insert.bind(++index, v);
  insert.exec();
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

JobStore::JobStore(const std::filesystem::path& file) : file_(file) {
  guarded(file_, [&] {
    db_ = std::make_unique<SQLite::Database>(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusy_ms);
    prepare(*db_, file);
  });
}

JobStore::~JobStore() = default;

void JobStore::add(const RunRecord& run) {
  const std::lock_guard lock(mutex_);
  guarded(file_, [&] {
    if (!texts(*db_, "SELECT id FROM run WHERE id = ?", {run.id}).empty()) throw Error(ErrorCode::conflict, "run '" + run.id + "' is recorded already");
    write(*db_, "INSERT INTO run(id, created_unix_ms, record) VALUES (?, CAST(? AS INTEGER), ?)", {run.id, std::to_string(run.created_unix_ms), text_of(to_json(run))});
  });
}

RunRecord JobStore::run(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return guarded(file_, [&] {
    const auto found = texts(*db_, "SELECT record FROM run WHERE id = ?", {id});
    if (found.empty()) throw Error(ErrorCode::not_found, "run '" + id.substr(0, 100) + "' is not in the record; `safelight approve` without a run lists those that wait");
    RunRecord out = run_from_json(parse_json(found.front(), "record of run " + id));
    for (const std::string& text : texts(*db_, "SELECT record FROM stage WHERE run = ? ORDER BY number", {id})) out.stages.push_back(stage_from_json(parse_json(text, "stage of run " + id)));
    for (const std::string& text : texts(*db_, "SELECT record FROM approval WHERE run = ? ORDER BY rowid", {id})) out.approvals.push_back(approval_from_json(parse_json(text, "approval of run " + id)));
    return out;
  });
}

std::vector<std::string> JobStore::run_ids() const {
  const std::lock_guard lock(mutex_);
  return guarded(file_, [&] { return texts(*db_, "SELECT id FROM run ORDER BY created_unix_ms, rowid", {}); });
}

void JobStore::set_stage(const std::string& run, std::size_t number, const StageRecord& stage, bool result) {
  const std::lock_guard lock(mutex_);
  guarded(file_, [&] {
    const std::string text = text_of(to_json(stage));
    SQLite::Transaction both(*db_, SQLite::TransactionBehavior::IMMEDIATE);
    write(*db_, "INSERT INTO stage(run, number, record) VALUES (?, CAST(? AS INTEGER), ?) ON CONFLICT(run, number) DO UPDATE SET record = excluded.record", {run, std::to_string(number), text});
    if (result) write(*db_, "INSERT OR REPLACE INTO result(key, record) VALUES (?, ?)", {stage.key, text});
    both.commit();
  });
}

std::optional<StageRecord> JobStore::result(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  return guarded(file_, [&]() -> std::optional<StageRecord> {
    const auto found = texts(*db_, "SELECT record FROM result WHERE key = ?", {key});
    if (found.empty()) return std::nullopt;
    return stage_from_json(parse_json(found.front(), "result " + key));
  });
}

void JobStore::decide(const std::string& run, const Approval& approval) {
  const std::lock_guard lock(mutex_);
  guarded(file_, [&] {
    SQLite::Transaction once(*db_, SQLite::TransactionBehavior::IMMEDIATE);
    const auto before = texts(*db_, "SELECT record FROM approval WHERE run = ? AND stage = ? AND shown = ?", {run, approval.stage, approval.shown});
    if (!before.empty()) throw Error(ErrorCode::conflict, "stage '" + approval.stage + "' of run '" + run + "' was decided already; `safelight run --resume " + run + "` goes on");
    write(*db_, "INSERT INTO approval(run, stage, shown, record) VALUES (?, ?, ?, ?)", {run, approval.stage, approval.shown, text_of(to_json(approval))});
    once.commit();
  });
}

void JobStore::keep(const std::string& attempt, const Picture& picture) {
  const std::lock_guard lock(mutex_);
  guarded(file_, [&] { write(*db_, "INSERT OR REPLACE INTO kept(attempt, record) VALUES (?, ?)", {attempt, text_of(to_json(picture))}); });
}

std::optional<Picture> JobStore::kept(const std::string& attempt) const {
  const std::lock_guard lock(mutex_);
  return guarded(file_, [&]() -> std::optional<Picture> {
    const auto found = texts(*db_, "SELECT record FROM kept WHERE attempt = ?", {attempt});
    if (found.empty()) return std::nullopt;
    return picture_from_json(parse_json(found.front(), "kept picture"));
  });
}

void JobStore::drop_kept(const std::string& attempt) {
  const std::lock_guard lock(mutex_);
  guarded(file_, [&] { write(*db_, "DELETE FROM kept WHERE attempt = ?", {attempt}); });
}

std::string state_of(const RunRecord& run, std::size_t stages) {
  for (const StageRecord& s : run.stages)
    if (s.state == StageState::waiting || s.state == StageState::rejected || s.state == StageState::failed || s.state == StageState::uncertain) return std::string(name(s.state));
  const auto ended = std::count_if(run.stages.begin(), run.stages.end(), [](const StageRecord& s) { return s.state == StageState::done || s.state == StageState::skipped; });
  return static_cast<std::size_t>(ended) == stages ? "done" : "interrupted";
}

}  // namespace safelight
