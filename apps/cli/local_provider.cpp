#include "apps/cli/local_provider.h"

#include "bridge/diagnosis.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/sha256.h"
#include "common/formats/png.h"

namespace safelight::app {
namespace {

GenerateRequest engine_request(const ProviderCall& call, const std::filesystem::path& directory) {
  const ImageRequest& r = call.request;
  GenerateRequest out;
  out.model = call.row.wire_model;
  out.prompt = r.prompt, out.negative = r.negative;
  out.width = call.size.width_px, out.height = call.size.height_px, out.count = r.count;
  out.steps = r.steps.value_or(0);
  out.guidance = r.guidance;
  out.seed = r.seed.value_or(0);
  if (r.init.empty()) return out;
  out.picture.file = directory.string() + "-init.png";
  write_file_atomic(out.picture.file, r.init);
  if (r.strength) out.picture.strength = *r.strength;
  if (r.mask.empty()) return out;
  out.picture.mask = directory.string() + "-mask.png";
  write_file_atomic(out.picture.mask, r.mask);
  return out;
}

// What an error of the engine means for a route. Nothing was paid for, whatever it is.
ProviderFailure failure_of(const Error& e, const ProviderCall& call) {
  ProviderFailure out{.failure = FailureClass::transient, .message = "model '" + call.row.id + "': " + e.what(), .acceptance = Acceptance::rejected};
  switch (e.code()) {
    case ErrorCode::cancelled: out.failure = call.cancel && *call.cancel ? FailureClass::cancelled : FailureClass::deadline; break;
    case ErrorCode::not_found: case ErrorCode::corrupt_file: out.failure = FailureClass::model_not_found; break;
    case ErrorCode::invalid_argument: case ErrorCode::conflict: out.failure = FailureClass::caller_error; break;
    case ErrorCode::unsupported: out.failure = FailureClass::unsupported; break;
    default: break;
  }
  return out;
}

CallOutcome call_engine(Context& context, LocalRuns& made, const ProviderCall& call) {
  CallOutcome out;
  const std::filesystem::path directory = context.new_run_directory();
  out.request_id = directory.filename().string();
  const RunCalls calls{.progress = {}, .cancelled = [&] {
                         return (call.cancel && *call.cancel) || (call.deadline_ms > 0 && call.clock.steady_ms() >= call.deadline_ms);
                       }};
  try {
    std::filesystem::create_directories(context.runs_dir);
    const GenerateRequest request = engine_request(call, directory);
    const FinishedRun run = context.engine().generate(request, {}, directory, calls);
    // The engine paints what is not finite black, and its trace says why. That is no picture.
    if (run.result.pixels.defined() && !at::isfinite(run.result.pixels).all().item<bool>()) {
      out.failure = ProviderFailure{.failure = FailureClass::no_image, .message = "model '" + call.row.id + "' gave numbers that are not finite; see run " + out.request_id, .acceptance = Acceptance::accepted};
      return out;
    }
    for (std::size_t i = 0; i < run.result.images.size(); ++i) out.images.push_back({.bytes = encode_png(run.result.images[i], {}), .seed = request.seed + i});
    if (!out.images.empty()) {   // the trace describes the first of a batch
      const std::lock_guard lock(made.mutex);
      made.by_picture[sha256_hex(out.images.front().bytes)] = directory;
    }
    for (const std::string& word : run.result.unknown_words) out.warnings.push_back("the model does not know the word '" + word + "'");
  } catch (const Error& e) {
    out.failure = failure_of(e, call);
  }
  return out;
}

}  // namespace

ProviderEntry local_provider(Context& context, std::shared_ptr<LocalRuns> made) {
  const auto problem = [&context](const ModelRow& row) {
    try {
      context.engine().find_model(row.wire_model);
      return std::string();
    } catch (const Error&) {
      return "the model '" + row.wire_model + "' is not here";
    }
  };
  return {.name = "local", .summary = "the models here, by the engine", .dialects = {},
          .call = [&context, made](const ProviderCall& call) { return call_engine(context, *made, call); }, .problem = problem};
}

std::optional<Verdict> judge_local(Context& context, LocalRuns& made, const std::string& png) {
  std::filesystem::path run;
  {
    const std::lock_guard lock(made.mutex);
    const auto found = made.by_picture.find(sha256_hex(png));
    if (found == made.by_picture.end()) return {};
    run = found->second;
  }
  return diagnose_run(context.engine(), run, {.counterfactuals = 1}, {});
}

}  // namespace safelight::app
