#include <fmt/format.h>

#include <chrono>
#include <mutex>
#include <set>
#include <sstream>

#include "apps/cli/context.h"
#include "apps/cli/finished_run.h"
#include "apps/console/seed_option.h"
#include "bridge/diagnosis.h"
#include "common/api/json.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "common/base/memory.h"
#include "common/base/processors.h"
#include "common/base/side_by_side.h"
#include "engine/facade/thread_choice.h"
#include "engine/tensor/faster_type.h"
#include "insight/diagnosis/text.h"

namespace safelight::app {
namespace {

struct Arguments {
  GenerateRequest request;
  std::string out, from, interventions;
  std::string refiner, upscaler;  // second stages of a cascade
  double refine_at = 0.8;
  bool diagnose = false;
  int counterfactuals = 25;
};

Json run_json(const FinishedRun& run) {
  Json images = Json::array(), stages = Json::array();
  for (std::size_t i = 0; i < run.result.images.size(); ++i) images.push_back((run.directory / ("image-" + std::to_string(i) + ".png")).string());
  for (const StageTime& s : run.result.stages) stages.push_back({{"name", s.name}, {"ms", s.ms}});
  return {{"run", run.directory.string()}, {"images", images}, {"resolved", run.result.resolved}, {"total_ms", run.result.total_ms},
          {"probe_ms", run.result.probe_ms}, {"probe_share", run.result.probe_ms / std::max(run.result.total_ms - run.result.probe_ms, 1e-9)},
          {"memory", {{"weights_bytes", run.weight_bytes}, {"resident_before_run_bytes", run.loaded_bytes}, {"peak_bytes", peak_resident_bytes()}}},
          {"stages", stages}, {"unknown_words", run.result.unknown_words}, {"truncated", run.result.truncated}, {"split_words", run.result.split_words}};
}

// One request; with --diagnose its verdict goes into run.json and the result. `bar`: null where another one is shown.
Json generate_one(const Arguments& a, const GenerateRequest& request, const Interventions& change, Context& context,
                  const std::filesystem::path& directory, ProgressBar* bar) {
  const auto show = [bar](const std::string& what, double part, double seconds_left, const std::string& where) {
    if (bar) bar->show(what, part, seconds_left, where);
  };
  RunCalls calls{.progress = [&](const RunProgress& p) {
                   if (p.total > 0) show("denoising", static_cast<double>(p.step) / p.total, p.seconds_left, fmt::format("step {} of {},", p.step, p.total));
                 },
                 .cancelled = stop_requested};
  Json json;
  try {
    json = run_json(context.engine().generate(request, change, directory, calls));
  } catch (const Error& e) {
    if (!a.diagnose || e.code() == ErrorCode::invalid_argument || e.code() == ErrorCode::cancelled) throw;
    return {{"run", nullptr}, {"refused", true}, {"error", {{"code", name(e.code())}, {"message", e.what()}}}, {"verdict", to_json(refusal(e))}};
  }
  if (a.diagnose) json["verdict"] = to_json(diagnose_run(context.engine(), directory, {.counterfactuals = a.counterfactuals}, [&](const std::string& what, double part) {
    show("diagnosing", part, 0, what + ",");
  }));
  return json;
}

void tell(const Json& json) {
  if (json.contains("images"))
    for (const Json& image : json["images"]) print_line("image   " + image.get<std::string>());
  if (json.contains("run") && json["run"].is_string()) print_line("trace   " + json["run"].get<std::string>());
  if (json.contains("total_ms"))
    print_line(fmt::format("time    {:.0f} ms, probes {:.1f} % of it", json["total_ms"].get<double>(), 100 * json["probe_share"].get<double>()));
  if (json.contains("memory")) {
    const auto megabytes = [&](const char* key) { return json["memory"][key].get<double>() / 1e6; };
    print_line(fmt::format("memory  {:.0f} MB at most; {:.0f} MB when loaded, {:.0f} MB of them weights", megabytes("peak_bytes"), megabytes("resident_before_run_bytes"), megabytes("weights_bytes")));
  }
  for (const Json& word : json.value("unknown_words", Json::array()))
    note("the model does not know the word '" + word.get<std::string>() + "'; it had no effect");
  for (const Json& word : json.value("split_words", Json::array()))
    note("the word '" + word.get<std::string>() + "' is cut by the border between two chunks of the prompt");
  if (!json.value("truncated", Json::array()).empty()) note(fmt::format("the prompt is too long: {} tokens were cut off", json["truncated"].size()));
  if (json.contains("verdict")) print_line(verdict_text(verdict_from_json(json["verdict"])));
}

// Two stages: the first one's run lies in first/ and is kept, so that a second call goes on from there.
Json generate_cascade(const Arguments& a, const Interventions& change, Context& context, const std::filesystem::path& directory, ProgressBar* bar) {
  const auto first = directory / "first";
  GenerateRequest base = a.request, second = a.request;
  if (!a.refiner.empty()) {
    base.part.end = a.refine_at;
    second.part = {.end = {}, .start = a.refine_at, .from = first.string()};
    second.model = a.refiner;
  } else {
    second.picture = {.file = (first / "image-0.png").string(), .strength = 1, .mask = "", .noise_level = a.request.picture.noise_level};
    second.model = a.upscaler;
    second.width = second.height = 0;
    second.count = 1;
  }
  second.base.clear();
  second.adapters.clear();
  second.embeddings.clear();
  second.control = {};
  const std::filesystem::path later = context.engine().find_model(second.model);   // before anything is drawn
  if (!a.upscaler.empty() && context.engine().open(second)->denoiser->beside() != Beside::low_resolution_image)
    throw Error(ErrorCode::conflict, "'" + later.string() + "' enlarges no picture; --upscaler takes a diffusion upscaler such as signs-up, and `safelight upscale --model` the other kinds");
  Json json = Json::object();
  if (holds_finished_run(first, base)) note("the first stage in '" + first.string() + "' is finished; going on from there");
  else generate_one(a, base, change, context, first, bar);
  json = generate_one(a, second, {}, context, directory, bar);
  json["first_stage"] = first.string();
  return json;
}

// One line of --from: its number, counted from 0, and what it says.
struct Line {
  int number = 0;
  std::string text;
};

GenerateRequest request_of(const Line& line, const Arguments& a) {
  GenerateRequest request = a.request;
  request.prompt = line.text;
  if (line.text.front() != '{') return request;
  Json merged = to_json(a.request);
  merged.merge_patch(parse_json(line.text, a.from + " line " + std::to_string(line.number + 1)));
  return request_from_json(merged);
}

Json generate_line(const Line& line, const Arguments& a, const Interventions& change, Context& context, const std::filesystem::path& directory) {
  try {
    const GenerateRequest request = request_of(line, a);
    if (holds_finished_run(directory, request)) return {{"run", directory.string()}, {"skipped", "already finished"}};
    return generate_one(a, request, change, context, directory, nullptr);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::cancelled) throw;
    return {{"line", line.number + 1}, {"error", {{"code", name(e.code())}, {"message", e.what()}}}};
  }
}

// How many lines are drawn at once: as many as the largest of their models allows.
int lines_at_once(const std::vector<Line>& lines, const Arguments& a, Context& context) {
  if (a.diagnose) return 1;   // its reruns close and reopen models
  int most = processors();
  std::set<std::string> asked;
  for (const Line& line : lines) try {
      const GenerateRequest request = request_of(line, a);
      if (asked.insert(request.model).second) most = std::min(most, thread_choice(context.engine(), request).runs_at_once);
    } catch (const Error&) {
      // said when the line is drawn
    }
  return most;
}

// What is wrong with the options themselves is said once, before any line is drawn.
void require_sound(const GenerateRequest& options) {
  GenerateRequest any = options;
  if (any.prompt.empty()) any.prompt = "any";
  require_no(check(any), "request");
}

int generate_many(const Arguments& a, const Interventions& change, Context& context) {
  require_sound(a.request);
  std::vector<Line> lines;
  std::istringstream in(read_file(a.from));
  int number = 0;
  for (std::string line; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") != std::string::npos) lines.push_back({number, line});
  }
  const std::filesystem::path base = a.out.empty() ? context.new_run_directory() : std::filesystem::path(a.out);
  ProgressBar bar(true);
  const auto start = std::chrono::steady_clock::now();
  std::mutex mutex;
  std::vector<Json> results(lines.size());
  std::size_t done = 0, drawn = 0;
  int failed = 0;
  side_by_side(lines.size(), lines_at_once(lines, a, context), [&](std::size_t i) {
    Json result = generate_line(lines[i], a, change, context, base / fmt::format("{:05}", lines[i].number));
    const std::lock_guard lock(mutex);
    failed += result.contains("error");
    drawn += !result.contains("skipped");
    ++done;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    bar.show("generating", static_cast<double>(done) / static_cast<double>(lines.size()), seconds / static_cast<double>(std::max<std::size_t>(drawn, 1)) * static_cast<double>(lines.size() - done),
             fmt::format("{} of {},", done, lines.size()));
    if (result.contains("error")) note(fmt::format("line {}: {}", lines[i].number + 1, result["error"]["message"].get<std::string>()));
    results[i] = std::move(result);
  });
  if (context.common.json) print_json({{"runs", results}, {"failed", failed}});
  else print_line(fmt::format("{} prompts, {} failed; runs in {}", results.size(), failed, base.string()));
  return failed > 0 ? 1 : 0;
}

int generate(Arguments a, Context& context) {
  if (a.request.dtype == "auto") a.request.dtype = context.engine().settings().device.is_cpu() && faster_type() == at::kFloat ? "float32" : "bfloat16";
  Interventions change;
  if (!a.interventions.empty()) {
    const bool file = a.interventions.front() != '{';
    try {
      change = interventions_from_json(file ? read_json(a.interventions) : parse_json(a.interventions, "--interventions"));
    } catch (const Error& e) {
      if (file || e.code() != ErrorCode::corrupt_file) throw;
      throw Error(ErrorCode::invalid_argument, e.what());   // no file is at fault
    }
  }
  catch_interrupts();
  const bool cascade = !a.refiner.empty() || !a.upscaler.empty();
  if (!a.from.empty() && (cascade || !a.request.prompt.empty())) throw Error(ErrorCode::invalid_argument, "--from takes the prompts from its lines, one stage each: leave the prompt, --refiner and --upscaler out");
  if (cascade && a.request.part.end) throw Error(ErrorCode::invalid_argument, "--stop-at is for a run that goes on later; a cascade hands over at --refine-at");
  if (!a.from.empty()) return generate_many(a, change, context);
  require_no(check(a.request), "request");
  const std::filesystem::path directory = a.out.empty() ? context.new_run_directory() : std::filesystem::path(a.out);
  ProgressBar bar(true);
  const Json json = cascade ? generate_cascade(a, change, context, directory, &bar) : generate_one(a, a.request, change, context, directory, &bar);
  if (context.common.json) print_json(json);
  else tell(json);
  return json.contains("refused") ? 1 : 0;
}

// A number that may be absent, so that 0 and "as the model recommends" stay two things.
void add_optional(CLI::App& c, const std::string& name, std::optional<double>& value, const std::string& help) {
  c.add_option_function<double>(name, [&value](const double& v) { value = v; }, help);
}

// "FILE" or "FILE:WEIGHT".
AdapterChoice adapter_of(const std::string& text) {
  AdapterChoice out{text, 1};
  const std::size_t colon = text.rfind(':');
  double weight = 0;
  if (colon != std::string::npos && CLI::detail::lexical_cast(text.substr(colon + 1), weight)) out = {text.substr(0, colon), weight};
  return out;
}

// "FILE" or "WORD=FILE".
EmbeddingChoice embedding_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {text, ""};
  return {text.substr(equals + 1), text.substr(0, equals)};
}

void add_model_options(CLI::App& c, GenerateRequest& r) {
  c.add_option("--model", r.model, "name of an embedded model, a model directory, a single-file checkpoint or a GGUF file; default: $SAFELIGHT_MODEL, else signs-base");
  c.add_option("--base", r.base, "directory that lends a checkpoint the components that it does not hold");
  c.add_option_function<std::vector<std::string>>("--lora", [&r](const std::vector<std::string>& v) { for (const auto& t : v) r.adapters.push_back(adapter_of(t)); }, "LoRA file, or FILE:WEIGHT; may be repeated")->allow_extra_args(false);
  c.add_option_function<std::vector<std::string>>("--embedding", [&r](const std::vector<std::string>& v) { for (const auto& t : v) r.embeddings.push_back(embedding_of(t)); }, "textual inversion file, or WORD=FILE; may be repeated")->allow_extra_args(false);
  c.add_option("--vae", r.vae, "folder of another autoencoder, for example a tiny one");
  c.add_flag("--unpack", r.unpack, "GGUF: unpack when loading instead of at every use: faster, larger");
  c.add_option("--dtype", r.dtype, "float32, bfloat16, or auto: what this processor is faster in, as measured, and bfloat16 on a GPU; without it float32");
}

void add_text_options(CLI::App& c, GenerateRequest& r) {
  c.add_option("--negative", r.negative, "what to lead away from");
  c.add_option("--prompt-2", r.prompt_2, "prompt of the second text encoder");
  c.add_option("--prompt-3", r.prompt_3, "prompt of the third text encoder");
  c.add_option("--negative-2", r.negative_2, "negative prompt of the second text encoder");
  c.add_option("--negative-3", r.negative_3, "negative prompt of the third text encoder");
  c.add_option("--clip-skip", r.clip_skip, "layers left out at the end of CLIP's text encoder");
  c.add_option("--long-prompt", r.long_prompt, "cut, or chunks: what becomes of more tokens than CLIP takes");
  c.add_option("--text-tokens", r.max_text_tokens, "tokens that T5 reads");
}

void add_guidance_options(CLI::App& c, GenerateRequest& r) {
  add_optional(c, "--guidance", r.guidance, "guidance scale; up to 1 switches it off");
  c.add_option("--guidance-form", r.guidance_form.kind, "cfg, cfg++ or apg; see `safelight list guidance`");
  c.add_option("--guidance-rescale", r.guidance_form.rescale, "0 to 1: towards the spread without guidance");
  c.add_option("--guidance-from", r.guidance_form.from, "share of the run where guidance begins");
  c.add_option("--guidance-to", r.guidance_form.to, "share of the run where guidance ends");
  c.add_option("--apg-parallel", r.guidance_form.parallel, "apg: share of the part along the estimate that stays");
  c.add_option("--apg-norm", r.guidance_form.norm, "apg: longest update; 0: no limit");
}

void add_shortcut_options(CLI::App& c, GenerateRequest& r) {
  c.add_option("--cache-interval", r.shortcuts.cache_interval, "UNets: every n-th step is whole, the others keep deep features; faster, another picture");
  c.add_option("--cache-depth", r.shortcuts.cache_depth, "skip connections besides the outermost that the other steps still compute");
  c.add_option("--cache-threshold", r.shortcuts.cache_threshold, "transformers: change of the first block below which the others are not computed, for example 0.08");
  c.add_option("--merge-tokens", r.shortcuts.merge_tokens, "UNets: share of the finest self-attention's tokens that are merged, 0 to 0.75");
}

void add_picture_options(CLI::App& c, GenerateRequest& r) {
  c.add_option("--image", r.picture.file, "PNG to start from; the small picture for the x4 upscaler");
  c.add_option("--strength", r.picture.strength, "0 keeps the picture, 1 ignores it");
  c.add_option("--mask", r.picture.mask, "PNG, white where the picture is repainted");
  c.add_option("--mask-blur", r.picture.mask_blur, "pixels inside the mask over which old and new are mixed");
  c.add_option("--crop-padding", r.picture.crop_padding, "work on the mask's surroundings alone, with this many pixels round it");
  c.add_option("--noise-level", r.picture.noise_level, "x4 upscaler: noise on the small picture, in training steps");
  c.add_option("--control", r.control.model, "ControlNet directory");
  c.add_option("--control-image", r.control.file, "PNG with the hint");
  c.add_option("--control-scale", r.control.scale, "strength of the ControlNet");
  c.add_flag("--control-guess", r.control.guess, "rising strength, for the conditional half alone");
}

void add_size_options(CLI::App& c, GenerateRequest& r) {
  c.add_option("--width", r.width, "pixels");
  c.add_option("--height", r.height, "pixels");
  const auto pair = [&c](const std::string& name, int& first, int& second, const std::string& help) {
    c.add_option_function<std::vector<int>>(name, [&first, &second](const std::vector<int>& v) { first = v[0], second = v[1]; }, help)->expected(2);
  };
  pair("--original-size", r.sizes.original_width, r.sizes.original_height, "width and height that SDXL is told the picture had");
  pair("--crop", r.sizes.crop_left, r.sizes.crop_top, "left and top of the crop that SDXL is told");
  pair("--target-size", r.sizes.target_width, r.sizes.target_height, "width and height that SDXL is told to aim at");
  add_optional(c, "--stop-at", r.part.end, "stop at this share of the noise schedule; another run can go on");
  add_optional(c, "--start-at", r.part.start, "begin at this share, with --from-run");
  c.add_option("--from-run", r.part.from, "run directory that was stopped with --stop-at");
}

}  // namespace

Command generate_command(CLI::App& app, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("generate", "Make a picture from a prompt, with a trace of every step");
  c->add_option("prompt", a->request.prompt, "what to paint; (words:1.3) weighs words");
  add_model_options(*c, a->request);
  add_text_options(*c, a->request);
  add_guidance_options(*c, a->request);
  add_shortcut_options(*c, a->request);
  add_picture_options(*c, a->request);
  add_size_options(*c, a->request);
  c->add_option("--scheduler", a->request.scheduler.solver, "solver; see `safelight list schedulers`");
  c->add_option("--spacing", a->request.scheduler.spacing, "leading, trailing, linspace, sgm-uniform, beta, karras or exponential");
  add_optional(*c, "--eta", a->request.scheduler.eta, "fresh noise per step for ddim and tcd, 0 to 1");
  c->add_option("--steps", a->request.steps, "denoising steps, 1 to 1000")->check(CLI::Range(1, 1000));
  c->add_option("--seed", a->request.seed, "seed of the initial noise")->check(is_seed());
  c->add_option("--count", a->request.count, "images, with seeds seed, seed + 1, ...");
  c->add_option("--probes", a->request.probes, "none, summary or full");
  CLI::Option* refiner = c->add_option("--refiner", a->refiner, "cascade: model that finishes what the first one stops at");
  c->add_option("--refine-at", a->refine_at, "share of the noise schedule that the first model runs")->check(CLI::Range(0.01, 0.99))->needs(refiner);
  c->add_option("--upscaler", a->upscaler, "cascade: x4 upscaler model for the first one's picture")->excludes(refiner);
  c->add_option("--out", a->out, "directory for the run");
  c->add_option("--from", a->from, "file with a prompt or a JSON request on each line; finished ones are skipped on a second call. Small models draw as many at once as there are processors, unless --threads says otherwise");
  c->add_option("--interventions", a->interventions, "JSON, or a file with it: what to change in the run");
  CLI::Option* diagnose = c->add_flag("--diagnose", a->diagnose, "say whether the picture is healthy, and if not what broke it");
  c->add_option("--counterfactuals", a->counterfactuals, "reruns that diagnosis may use")->check(CLI::Range(0, 1000))->needs(diagnose);
  return {c, [a, &context] { return generate(*a, context); }};
}

}  // namespace safelight::app
