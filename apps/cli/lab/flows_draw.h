// Draws the pairs of pictures, judges them, and keeps what was found in a file that survives a kill.
#pragma once

#include <map>
#include <optional>

#include "apps/cli/enlarger.h"
#include "apps/cli/lab/eval_board.h"
#include "apps/cli/lab/flows_plan.h"
#include "apps/cli/lab/text_fixing.h"
#include "common/base/json_lines.h"

namespace safelight::app {

// One picture as it was found.
struct FlowPicture {
  Judged judged;
  double ms = 0;                              // from the request to the filtered picture
  std::optional<double> cer;                  // character error rate of the word that was asked for; absent where none was
  Json settings;                              // what it was drawn with
  std::string sha256;                         // of its file
};

struct FlowPair {
  std::size_t number = 0;                     // index into FlowPlan::prompts, and the seed
  std::array<FlowPicture, kFlowModes> pictures;
};

// pictures/FAST-or-FAITHFUL-NUMBER.png in the directory of the page.
std::filesystem::path flow_picture_file(const std::filesystem::path& out, std::size_t mode, std::size_t number);

// What was drawn so far: pairs.jsonl. One process at a time has it.
class FlowFile {
 public:
  // Keeps the pairs that belong to the plan (same models, settings, prompts and threads) and whose pictures lie there as they were drawn. Throws Error(corrupt_file, conflict, io).
  FlowFile(const std::filesystem::path& out, const FlowPlan& plan, int threads);
  const std::map<std::size_t, FlowPair>& pairs() const { return pairs_; }
  void add(FlowPair pair);                    // its pictures lie on the disk already

 private:
  Json key(std::size_t number) const;
  const FlowPlan& plan_;
  int threads_;
  JsonLines lines_;
  std::map<std::size_t, FlowPair> pairs_;
};

class FlowPainter {
 public:
  FlowPainter(const FlowPlan& plan, Context& context);
  // Both pictures of a prompt, right after each other; which is first takes turns, so that drift of the machine hits both alike. The first call
  // also draws one picture of each mode that nobody sees, for a first one takes longer. Writes the files. Throws Error(cancelled).
  FlowPair pair(std::size_t number);

 private:
  FlowPicture picture(std::size_t mode, std::size_t number, Image* image);
  const FlowPlan& plan_;
  Context& context_;
  std::array<std::optional<TextFixing>, kFlowModes> fixing_;
  std::array<std::optional<LateEnlarger>, kFlowModes> enlargers_;
  bool warm_ = false;
};

}  // namespace safelight::app
