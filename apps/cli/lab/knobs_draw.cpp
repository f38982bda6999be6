#include "apps/cli/lab/knobs_draw.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>

#include "apps/cli/lab/eval_autoencoder.h"
#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/base/memory.h"

namespace safelight::app {
namespace {

constexpr int kMostAtOnce = 16;   // pictures of one request
constexpr int kTimedPictures = 8;

// What a process of its own makes of `work`. Its result or error comes back through a pipe.
Json in_child(const std::function<Json()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) throw Error(ErrorCode::io, "no pipe to a child process; free some file descriptors");
  const pid_t child = ::fork();
  if (child < 0) throw Error(ErrorCode::out_of_memory, "no child process can be started");
  if (child == 0) {
    ::close(ends[0]);
    Json answer;
    try {
      answer = {{"result", work()}};
    } catch (const Error& e) {
      answer = {{"error", e.what()}, {"code", static_cast<int>(e.code())}};
    } catch (const std::exception& e) {
      answer = {{"error", e.what()}, {"code", static_cast<int>(ErrorCode::internal)}};
    }
    const std::string text = answer.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::size_t done = 0;
    for (ssize_t n = 1; done < text.size() && n > 0; done += static_cast<std::size_t>(std::max<ssize_t>(n, 0))) n = ::write(ends[1], text.data() + done, text.size() - done);
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 1; n != 0;) {
    n = ::read(ends[0], buffer, sizeof buffer);
    if (n < 0 && errno != EINTR) break;
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {}
  if (stop_requested()) throw Error(ErrorCode::cancelled, "stopped by an interrupt");
  if (text.empty()) throw Error(ErrorCode::out_of_memory, "the process that measures time and memory ended early; a system short of memory ends processes");
  const Json answer = parse_json(text, "measurement of time and memory");
  if (answer.contains("error")) throw Error(static_cast<ErrorCode>(answer.at("code").get<int>()), answer.at("error").get<std::string>());
  return answer.at("result");
}

double denoise_ms(const GenerateResult& result) {
  const auto stage = std::find_if(result.stages.begin(), result.stages.end(), [](const StageTime& s) { return s.name == "denoise"; });
  return stage == result.stages.end() ? 0 : stage->ms;
}

}  // namespace

KnobPainter::KnobPainter(const KnobPlan& plan, Context& context)
    : plan_(plan), context_(context), scratch_(std::filesystem::temp_directory_path() / fmt::format("safelight-knobs-{}", ::getpid())) {}

KnobPainter::~KnobPainter() {
  std::error_code ignored;
  std::filesystem::remove_all(scratch_, ignored);
}

FinishedRun KnobPainter::generate(const Subject& subject, GenerateRequest request, const std::filesystem::path& trace) const {
  request.model = subject.model.string();
  request.probes = trace.empty() ? "none" : "full";
  return context_.engine().generate(request, {}, trace, {.progress = {}, .cancelled = stop_requested});
}

Image KnobPainter::enlarged(const Subject& subject, const Image& small, const std::string& prompt, std::uint64_t seed) {
  if (!enlarger_) enlarger_.emplace(subject.upscaler, plan_.options.factor, context_);   // all subjects share one
  return enlarger_->enlarged(small, prompt, seed);
}

Image KnobPainter::painted(const Subject& subject, const std::string& prompt, std::uint64_t seed) {
  GenerateRequest request;
  request.prompt = prompt;
  request.seed = seed;
  Image image = generate(subject, request, {}).result.images.at(0);
  return subject.upscaler.empty() ? image : enlarged(subject, image, prompt, seed);
}

Json KnobPainter::measured(const KnobCell& cell) {
  const Subject& subject = plan_.subjects[cell.setting.subject];
  GenerateRequest request;
  request.prompt = cell.prompt.text;
  request.guidance = cell.setting.guidance;
  request.steps = cell.setting.steps;
  request.shortcuts = cell.setting.shortcuts;
  request.guidance_form.from = cell.setting.guidance_from;
  request.guidance_form.to = cell.setting.guidance_to;
  if (!cell.setting.dtype.empty()) request.dtype = cell.setting.dtype;
  Json pictures = Json::array(), unknown_words = Json::array();
  while (static_cast<int>(pictures.size()) < cell.seeds) {
    request.seed = pictures.size();
    request.count = cell.attention ? 1 : std::min(cell.seeds - static_cast<int>(pictures.size()), kMostAtOnce);
    const auto trace = cell.attention ? scratch_ / "run" : std::filesystem::path();
    if (cell.attention) std::filesystem::remove_all(trace);
    const FinishedRun run = generate(subject, request, trace);
    unknown_words = run.result.unknown_words;
    std::optional<TraceReader> reader;
    if (cell.attention) reader.emplace(trace);
    for (std::size_t i = 0; i < run.result.images.size(); ++i) {
      const std::uint64_t seed = request.seed + i;
      const Image& image = run.result.images[i];
      Values values = app::measured(cell.prompt, subject.upscaler.empty() ? image : enlarged(subject, image, request.prompt, seed), reader ? &*reader : nullptr);
      values["denoise"] = denoise_ms(run.result) / static_cast<double>(run.result.images.size());
      pictures.push_back({{"seed", seed}, {"values", values}});
    }
  }
  return {{"pictures", pictures}, {"unknown_words", unknown_words}};
}

Json measured_cost(const Subject& subject, const KnobPlan& plan, Context& context) {
  return in_child([&] {
    KnobPainter painter(plan, context);
    const auto prompts = eval_prompts(plan.options.tasks.front(), plan.world, 1 + kTimedPictures);
    Json ms = Json::array();
    for (int i = 0; i <= kTimedPictures; ++i) {
      const auto start = std::chrono::steady_clock::now();
      painter.painted(subject, prompts[static_cast<std::size_t>(i) % prompts.size()].text, static_cast<std::uint64_t>(i));
      if (i > 0) ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    return Json{{"ms", ms}, {"peak_bytes", peak_resident_bytes()}};
  });
}

Json measured_codec(const Codec& codec, const KnobPlan& plan, Context& context) {
  return in_child([&] { return autoencoder_scores(codec.model, codec_scenes(plan), context).json(); });
}

}  // namespace safelight::app
