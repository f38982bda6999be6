#include "apps/cli/lab/natural_case.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "apps/cli/lab/eval_board.h"
#include "assay/record.h"
#include "bridge/diagnosis.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_lines.h"
#include "common/formats/png.h"
#include "insight/diagnosis/treatments.h"

namespace safelight::app {

template <class V>
void fields(V& v, NaturalTrial& t) {
  v("change", t.change);
  v("subsystem", t.subsystem);
  v("right", t.right);
  v("moved", t.moved);
}

template <class V>
void fields(V& v, NaturalCase& c) {
  v("id", c.id);
  v("task", c.task);
  v("prompt", c.prompt);
  v("seed", c.seed);
  v("right", c.right);
  v("reasons", c.reasons);
  v("tested", c.tested);
  v("unasked", c.unasked);
  v("said", c.said);
  v("ranking", c.ranking);
  v("cause", c.cause);
  v("sentence", c.sentence);
  v("failed", c.failed);
  v("confidence", c.confidence);
  v("seconds", c.seconds);
  v("reruns", c.reruns);
  v("trials", c.trials);
  v("shams", c.shams);
}

Json to_json(const NaturalCase& c) { return fields_to_json(c); }

NaturalCase natural_case_from_json(const Json& json, const std::string& where) {
  return record_of<NaturalCase>(json, where, "record of a natural failure");
}

std::vector<std::string> NaturalCase::cured_by() const {
  std::vector<std::string> out;
  for (const NaturalTrial& t : trials)
    if (!right && t.right && std::find(out.begin(), out.end(), t.subsystem) == out.end()) out.push_back(t.subsystem);
  return out;
}

namespace {

constexpr double kShamSizes[] = {0.05, 0.12, 0.25, 0.45, 0.7};

class Trials {
 public:
  Trials(Context& context, const GenerateRequest& request, const EvalPrompt& prompt, const at::Tensor& before)
      : context_(context), request_(request), prompt_(prompt), claims_(parse_prompt(prompt.text)), before_(before) {
    request_.probes = "none";
  }

  // The picture of the first change that cures is kept for the page.
  NaturalTrial run(const std::string& name, const std::string& subsystem, const Interventions& change) {
    const FinishedRun run = context_.engine().generate(request_, change, {}, {.progress = {}, .cancelled = stop_requested});
    const Image& image = run.result.images.front();
    const at::Tensor after = run.result.latents[0];
    NaturalTrial t{.change = name, .subsystem = subsystem};
    t.right = judged_picture(prompt_, request_.seed, see_picture(image), claims_, nullptr).check.all();
    t.moved = (after - before_).norm().item<double>() / std::max(1e-12, before_.norm().item<double>());
    if (t.right && !cured_ && !subsystem.empty()) cured_ = image;
    return t;
  }

  const std::optional<Image>& cured() const { return cured_; }

 private:
  Context& context_;
  GenerateRequest request_;
  const EvalPrompt& prompt_;
  PromptClaims claims_;
  at::Tensor before_;
  std::optional<Image> cured_;
};

int runs_in(const std::filesystem::path& directory) {
  if (!std::filesystem::is_directory(directory)) return 0;
  return static_cast<int>(std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator()));
}

void diagnose_case(Context& context, const std::filesystem::path& run, int counterfactuals, NaturalCase& c) {
  Answer answer{.said = kUndetermined};
  try {
    DiagnoseOptions options{.counterfactuals = counterfactuals};
    c.unasked = answer_of(diagnose_run(context.engine(), run, options, {})).said;
    const int before = runs_in(run / "counterfactuals");
    const auto start = std::chrono::steady_clock::now();
    options.unlike_prompt = true;
    const Verdict verdict = diagnose_run(context.engine(), run, options, {});
    c.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    c.reruns = runs_in(run / "counterfactuals") - before;
    answer = answer_of(verdict);
    c.sentence = verdict.sentence;
  } catch (const Error& e) {
    if (e.code() == ErrorCode::cancelled) throw;
    c.failed = e.what();
  }
  c.said = answer.said;
  c.ranking = answer.ranking;
  c.cause = answer.cause;
  c.confidence = answer.confidence;
}

}  // namespace

NaturalCase natural_case(Context& context, const NaturalPlan& plan, const EvalPrompt& prompt, const std::string& id, std::uint64_t seed,
                         const std::function<bool(bool right)>& wanted) {
  const auto scratch = plan.out / ("scratch-" + id);
  std::filesystem::remove_all(scratch);
  GenerateRequest request;
  request.model = plan.model;
  request.prompt = prompt.text;
  request.seed = seed;
  const FinishedRun drawn = context.engine().generate(request, {}, scratch / "run", {.progress = {}, .cancelled = stop_requested});
  const Image& image = drawn.result.images.front();
  const Judged judged = judged_picture(prompt, seed, see_picture(image), parse_prompt(prompt.text), nullptr);
  NaturalCase c{.id = id, .task = prompt.task, .prompt = prompt.text, .seed = seed, .right = judged.check.all(), .reasons = judged.check.reasons()};
  c.tested = wanted(c.right);
  if (c.tested) {
    diagnose_case(context, scratch / "run", plan.counterfactuals, c);
    Trials trials(context, request, prompt, drawn.result.latents[0]);
    for (const Treatment& t : single_treatments(TraceReader(scratch / "run"), {})) c.trials.push_back(trials.run(t.name, t.subsystem, t.change));
    for (const double size : kShamSizes) c.shams.push_back(trials.run("sham", "", sham_of({}, size)));
    std::filesystem::create_directories(plan.out / "pictures");
    write_file_atomic(plan.out / "pictures" / (id + ".png"), encode_png(image, {}));
    if (!c.right && trials.cured()) write_file_atomic(plan.out / "pictures" / (id + "-cured.png"), encode_png(*trials.cured(), {}));
  }
  std::filesystem::remove_all(scratch);
  return c;
}

}  // namespace safelight::app
