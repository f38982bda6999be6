#include "apps/cli/lab_knobs_cells.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"

namespace safelight::app {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& what) {
  throw Error(ErrorCode::io, "'" + file.string() + "': " + what + ": " + std::strerror(errno));
}

}  // namespace

CellFile::CellFile(const std::filesystem::path& file) : file_(file) {
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) refuse(file, "cannot be opened");
  try {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0)
      throw Error(ErrorCode::conflict, "'" + file.string() + "' is in use by another `safelight lab knobs`; wait for it or choose another --out");
    read();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

CellFile::~CellFile() { ::close(descriptor_); }

void CellFile::read() {
  const std::string text = read_file(file_, kMostBytes);
  std::size_t at = 0;
  int number = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; at = end + 1, end = text.find('\n', at)) {
    const std::string where = "'" + file_.string() + "', line " + std::to_string(++number);
    const Json line = parse_json(std::string_view(text).substr(at, end - at), where);
    if (!line.is_object() || !line.contains("key") || !line.contains("result"))
      throw Error(ErrorCode::corrupt_file, where + " is no cell of `safelight lab knobs`; remove the line or the file");
    results_[line["key"].dump()] = line["result"];
  }
  if (at < text.size() && ::ftruncate(descriptor_, static_cast<off_t>(at)) != 0) refuse(file_, "its unfinished last line cannot be dropped");
}

const Json* CellFile::find(const Json& key) const {
  const auto it = results_.find(key.dump());
  return it == results_.end() ? nullptr : &it->second;
}

void CellFile::add(const Json& key, Json result) {
  const std::string line = Json({{"key", key}, {"result", result}}).dump() + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = ::write(descriptor_, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) refuse(file_, "cannot be written");
    done += static_cast<std::size_t>(n);
  }
  results_[key.dump()] = std::move(result);
}

Json key_of(const KnobCell& cell, const KnobPlan& plan) {
  Json key = {{"measures", kMeasuresVersion}, {"model", plan.subjects[cell.setting.subject].fingerprint}, {"guidance", nullptr}, {"steps", cell.setting.steps},
              {"attention", cell.attention}, {"task", cell.prompt.task}, {"prompt", cell.prompt.text}, {"seeds", cell.seeds}};
  if (cell.setting.guidance) key["guidance"] = *cell.setting.guidance;
  return key;
}

Json cost_key(const Subject& subject, const KnobPlan& plan, int threads) {
  return {{"measures", kMeasuresVersion}, {"cost", subject.fingerprint}, {"threads", threads}, {"task", plan.options.tasks.front()}};
}

std::vector<KnobCell> cells_of(const KnobSection& section, const Setting& setting, const Measure& measure, const KnobPlan& plan) {
  std::vector<KnobCell> out;
  if (measure.kind == MeasureKind::cost) return out;
  const bool attention = measure.kind == MeasureKind::attention;
  for (const std::string& task : section.tasks)
    for (const EvalPrompt& prompt : eval_prompts(task, plan.world, plan.options.count))
      out.push_back({setting, prompt, attention ? 1 : plan.options.seeds, attention});
  return out;
}

std::vector<KnobCell> cells_of(const KnobPlan& plan) {
  std::vector<KnobCell> out;
  std::set<std::string> seen;
  for (const KnobSection& s : plan.sections)
    for (const KnobLine& line : s.lines)
      for (const KnobPoint& p : line.points)
        for (const std::string& measure : s.measures)
          for (KnobCell& cell : cells_of(s, p.setting, knob_measure(measure), plan))
            if (seen.insert(key_of(cell, plan).dump()).second) out.push_back(std::move(cell));
  return out;
}

}  // namespace safelight::app
