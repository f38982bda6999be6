// The state machine: takes a recorded run from wherever it stands to its end, or to where it has to wait. Safe to stop at any moment: what is
// finished is on disk, and the next call goes on from there.
#pragma once

#include <functional>
#include <string>

#include "service/jobs/services.h"

namespace safelight {

struct StageProgress {
  std::string stage, kind;
  StageState state = StageState::pending;
  std::size_t number = 0, of = 0;    // from 0
  bool reused = false;
};

// One process at a time works on a run: held as long as the object lives, and let go by the system when the process dies.
class RunLock {
 public:
  // Throws Error(conflict) while another process works on the run, Error(io).
  RunLock(const std::filesystem::path& folder, const std::string& run);
  ~RunLock();
  RunLock(const RunLock&) = delete;

 private:
  int descriptor_ = -1;
};

// Returns the run's state: done, waiting, rejected, failed, uncertain, interrupted (cancelled). Throws what ends a run for reasons of the
// machine (disk full): it can be resumed afterwards.
std::string run_pipeline(const std::string& run, JobServices& services, const std::function<void(const StageProgress&)>& progress);

// What a person is asked at the stage that waits; throws Error(conflict) where none does.
struct Question {
  std::string stage, shown, text;
  std::vector<Picture> pictures;
  std::string next_prompt;           // what the next stage will be asked for; empty: it does not draw
};
Question open_question(const RunRecord& run, const Pipeline& pipeline, const std::vector<StageEntry>& injected = {});

// Everything that is known of a run: stages with their times and costs, attempts, request ids, approvals.
Json report_of(const RunRecord& run, std::size_t stages);

}  // namespace safelight
