// The runs behind the page of evidence: what is done to a healthy run in graded strength, what its probes say, and what becomes of its picture.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/cli/context.h"

namespace safelight::app {

// Attention made ever flatter from a third of the way on, in a run that starts from a rendered scene, so that the renderer's masks are the truth.
struct CollapsePoint {
  int scene = 0;
  double factor = 1;           // of the logits
  double entropy_spike = 0;    // mean routing entropy of the steps concerned, less that of the same run left alone
  double held = 0;             // share of the nouns' attention on their masks in the run left alone, less what attention that is alike everywhere has there
  double agreement_lost = 0;   // that share in the run left alone, less this one's
};

// One latent channel pushed at every step of the last third.
struct PushPoint {
  int scene = 0, channel = 0;
  double amount = 0;
  double drift_db = 0;         // of the channel's SNR at its lowest, less that of the same run left alone
  std::vector<double> predicted, measured;  // shift of the mean colour, -255..255
};

// What had not arrived of the finest detail at four fifths of the run.
struct QueuePoint {
  int scene = 0, steps = 0;
  std::string model;
  double queued = 0;
};

struct EvidencePlan {
  std::string model;
  std::vector<std::string> compared;   // further models, for the detail queue alone
  int scenes = 12;
  std::uint64_t seed = 1;
};

class EvidenceRuns {
 public:
  // Runs are written below `scratch` and taken away again.
  EvidenceRuns(Context& context, const EvidencePlan& plan, std::filesystem::path scratch, std::function<void(const std::string&, double)> progress);
  std::vector<CollapsePoint> collapses();
  std::vector<PushPoint> pushes();
  std::vector<QueuePoint> queues();

 private:
  TraceReader run(GenerateRequest request, const Interventions& change);
  void advance(const std::string& what);

  Context& context_;
  const EvidencePlan& plan_;
  std::filesystem::path scratch_;
  std::function<void(const std::string&, double)> progress_;
  int done_ = 0, total_ = 0, runs_ = 0;
};

}  // namespace safelight::app
