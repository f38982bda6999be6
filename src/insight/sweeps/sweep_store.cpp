#include "insight/sweeps/sweep_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"

namespace safelight {
namespace {

constexpr const char* kFormat = "safelight-sweep/1";
constexpr std::uint64_t kMostCellBytes = std::uint64_t{1} << 30;

Json read_spec(const std::filesystem::path& directory) {
  const auto file = directory / "sweep.json";
  const Json json = read_json(file);
  if (!json.is_object() || json.value("format", Json()) != kFormat || !json.contains("spec"))
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "' is not a sweep of this version");
  return json["spec"];
}

}  // namespace

SweepSpec stored_sweep(const std::filesystem::path& directory) {
  if (!std::filesystem::exists(directory / "sweep.json"))
    throw Error(ErrorCode::not_found, "'" + directory.string() + "' holds no sweep: it has no sweep.json");
  return sweep_spec_from_json(read_spec(directory));
}

SweepStore::SweepStore(std::filesystem::path directory, const Json& spec) : directory_(std::move(directory)) {
  const bool known = std::filesystem::exists(directory_ / "sweep.json");
  if (!known && std::filesystem::exists(directory_))
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      if (entry.path().filename() != "cells.jsonl")
        throw Error(ErrorCode::conflict, "'" + directory_.string() + "' holds something else than a sweep; name another directory with --out");
  if (known && read_spec(directory_) != spec)
    throw Error(ErrorCode::conflict, "'" + directory_.string() + "' holds a sweep with other settings; name another directory, or go on with --resume");
  std::filesystem::create_directories(directory_);
  const auto file = directory_ / "cells.jsonl";
  descriptor_ = ::open(file.c_str(), O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw Error(ErrorCode::io, "'" + file.string() + "' cannot be opened: " + std::strerror(errno));
  try {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
      throw Error(ErrorCode::conflict, "another process works on the sweep in '" + directory_.string() + "'; wait for it or stop it");
    if (!known) write_file_atomic(directory_ / "sweep.json", Json{{"format", kFormat}, {"spec", spec}}.dump(1) + "\n");
    read_records();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

SweepStore::~SweepStore() { ::close(descriptor_); }

void SweepStore::read_records() {
  const auto file = directory_ / "cells.jsonl";
  const std::string text = read_file(file, kMostCellBytes);
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string where = "'" + file.string() + "' line " + std::to_string(records_.size() + 1);
    records_.push_back(cell_record_from_json(parse_json(std::string_view(text).substr(begin, end - begin), where), where));
  }
  if (begin < text.size() && ::ftruncate(descriptor_, static_cast<off_t>(begin)) != 0)
    throw Error(ErrorCode::io, "'" + file.string() + "' cannot be cut to its last whole line: " + std::strerror(errno));
}

void SweepStore::append(const CellRecord& record) {
  const std::string line = to_json(record).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (::write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    throw Error(ErrorCode::io, "'" + (directory_ / "cells.jsonl").string() + "' cannot be written: " + std::strerror(errno));
  records_.push_back(cell_record_from_json(parse_json(line, "a cell's record"), "a cell's record"));  // as a later call would read it
}

}  // namespace safelight
