#include "service/providers/sqlite_ledger.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "service/providers/attempt_json.h"

namespace safelight {
namespace {

constexpr int kApplication = 0x534C4147;  // "SLAG", in the file's header: whose it is
constexpr int kVersion = 1;
constexpr int kBusy_ms = 5000;            // how long another process may hold the file

Error error_of(const SQLite::Exception& e, const std::filesystem::path& file) {
  const int code = e.getErrorCode();
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return Error(damaged ? ErrorCode::corrupt_file : ErrorCode::io, "ledger " + file.string() + ": " + e.what() + (damaged ? "; restore it from a copy" : ""));
}

void prepare(SQLite::Database& db, const std::filesystem::path& file) {
  const int application = db.execAndGet("PRAGMA application_id").getInt(), version = db.execAndGet("PRAGMA user_version").getInt();
  const bool fresh = application == 0 && db.execAndGet("SELECT count(*) FROM sqlite_master").getInt() == 0;
  if (!fresh && (application != kApplication || version != kVersion))
    throw Error(ErrorCode::corrupt_file, "ledger " + file.string() + " is a database of another kind or version; name another file");
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = FULL");  // on disk, not in the system's cache, before the call is sent
  if (!fresh) return;
  SQLite::Transaction making(db, SQLite::TransactionBehavior::IMMEDIATE);
  db.exec("CREATE TABLE IF NOT EXISTS attempt(id TEXT PRIMARY KEY, job TEXT NOT NULL, started_unix_ms INTEGER NOT NULL, remote_id TEXT NOT NULL, record TEXT NOT NULL)");
  db.exec("CREATE INDEX IF NOT EXISTS attempt_of_job ON attempt(job)");
  db.exec("CREATE INDEX IF NOT EXISTS attempt_by_start ON attempt(started_unix_ms)");
  db.exec("PRAGMA application_id = " + std::to_string(kApplication));
  db.exec("PRAGMA user_version = " + std::to_string(kVersion));
  making.commit();
}

std::vector<AttemptRecord> records_of(SQLite::Statement& select, const std::filesystem::path& file) {
  std::vector<AttemptRecord> out;
  while (select.executeStep()) {
    out.push_back(attempt_from_json(parse_json(select.getColumn(1).getString(), "ledger " + file.string())));
    out.back().remote_id = select.getColumn(0).getString();
  }
  return out;
}

}  // namespace

SqliteLedger::SqliteLedger(const std::filesystem::path& file) : file_(file) {
  try {
    db_ = std::make_unique<SQLite::Database>(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusy_ms);
    prepare(*db_, file);
  } catch (const SQLite::Exception& e) {
    throw error_of(e, file);
  }
}

SqliteLedger::~SqliteLedger() = default;

void SqliteLedger::open(const AttemptRecord& attempt) {
  const std::lock_guard lock(mutex_);
  try {
    SQLite::Statement insert(*db_, "INSERT INTO attempt(id, job, started_unix_ms, remote_id, record) VALUES (?, ?, ?, '', ?)");
    insert.bind(1, attempt.id);
    insert.bind(2, attempt.job);
    insert.bind(3, attempt.started_unix_ms);
    insert.bind(4, to_json(attempt).dump());
    insert.exec();
  } catch (const SQLite::Exception& e) {
    if (e.getErrorCode() == SQLITE_CONSTRAINT) throw Error(ErrorCode::conflict, "attempt '" + attempt.id + "' is recorded already; an attempt is sent once");
    throw error_of(e, file_);
  }
}

void SqliteLedger::note_remote_id(const std::string& attempt_id, const std::string& remote_id) {
  const std::lock_guard lock(mutex_);
  try {
    SQLite::Statement update(*db_, "UPDATE attempt SET remote_id = ? WHERE id = ?");
    update.bind(1, remote_id);
    update.bind(2, attempt_id);
    update.exec();
  } catch (const SQLite::Exception& e) {
    throw error_of(e, file_);
  }
}

void SqliteLedger::close(const AttemptRecord& attempt) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    SQLite::Statement update(*db_, "UPDATE attempt SET record = ? WHERE id = ?");
    update.bind(1, to_json(attempt).dump());
    update.bind(2, attempt.id);
    update.exec();
  } catch (const std::exception&) {
    // The row of open() stands, so that the attempt counts as one that may have been paid for.
  }
}

std::vector<AttemptRecord> SqliteLedger::attempts(std::int64_t since_unix_ms, const std::string& job) const {
  const std::lock_guard lock(mutex_);
  try {
    SQLite::Statement select(*db_, "SELECT remote_id, record FROM attempt WHERE started_unix_ms >= ? AND (? = '' OR job = ?) ORDER BY started_unix_ms, rowid");
    select.bind(1, since_unix_ms);
    select.bind(2, job);
    select.bind(3, job);
    return records_of(select, file_);
  } catch (const SQLite::Exception& e) {
    throw error_of(e, file_);
  }
}

std::vector<AttemptRecord> SqliteLedger::attempts_under(const std::string& job_prefix) const {
  const std::lock_guard lock(mutex_);
  try {
    SQLite::Statement select(*db_, "SELECT remote_id, record FROM attempt WHERE job >= ? AND job < ? || char(1114111) ORDER BY started_unix_ms, rowid");
    select.bind(1, job_prefix);
    select.bind(2, job_prefix);
    return records_of(select, file_);
  } catch (const SQLite::Exception& e) {
    throw error_of(e, file_);
  }
}

}  // namespace safelight
