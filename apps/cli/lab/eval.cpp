#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <initializer_list>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "apps/cli/context.h"
#include "apps/cli/enlarger.h"
#include "apps/cli/lab/eval_autoencoder.h"
#include "apps/cli/lab/eval_board.h"
#include "apps/cli/lab/eval_sheet.h"
#include "apps/cli/lab/eval_upscaler.h"
#include "apps/cli/lab/text_fixing.h"
#include "apps/cli/shard.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/side_by_side.h"
#include "common/formats/png.h"
#include "engine/facade/thread_choice.h"
#include "engine/training/recipe.h"

namespace safelight::app {
namespace {

constexpr int kMostAtOnce = 16;  // pictures of one request

struct Arguments {
  GenerateRequest request;       // model and sampling
  std::vector<std::string> tasks;
  std::string out, shard = "1/1";
  std::string fix_text;          // of kFixLimits; empty: pictures are judged as they were drawn
  int count = 100, seeds = 4;
  bool attention = false;
  bool autoencoder = false;      // the model's autoencoder alone
  int factor = 0, low_px = 0;    // of upscalers
};

struct NumberedPrompt {
  EvalPrompt prompt;
  int number = 0;   // within its task
};

class Evaluation {
 public:
  Evaluation(const Arguments& a, Context& context)
      : a_(a), context_(context), model_(context.engine().find_model(a.request.model)), world_(world_of(model_)),
        scratch_(std::filesystem::temp_directory_path() / fmt::format("safelight-eval-{}", ::getpid())) {
    const Shard shard = shard_of(a.shard);
    const std::vector<std::string> tasks = a.tasks.empty() ? eval_tasks(world_) : a.tasks;
    for (const std::string& task : tasks) {
      int number = 0;
      for (const EvalPrompt& p : eval_prompts(task, world_, a.count)) {
        if (number % shard.of == shard.index - 1) prompts_.push_back({p, number});
        ++number;
      }
    }
    tasks_ = std::max<std::size_t>(tasks.size(), 1);
    pictures_.resize(prompts_.size());
    if (!a.fix_text.empty()) fixing_.emplace(a.fix_text);
  }
  ~Evaluation() {
    std::error_code ignored;
    std::filesystem::remove_all(scratch_, ignored);
  }

  void run() {
    try {
      side_by_side(prompts_.size(), prompts_at_once(), [&](std::size_t i) {
        for (int seed = 0; seed < a_.seeds && !stop_requested();) seed += draw(i, seed);
      });
    } catch (const Error& e) {
      if (e.code() != ErrorCode::cancelled) throw;  // what was reached is reported
    }
  }

  bool finished() const { return done_ == total(); }
  std::vector<std::string> table() const {
    std::vector<std::string> out = board_.table();
    if (fixing_ && fixed_words_.before.of > 0)
      for (const auto& [judge, was, is] : {std::tuple{"the checker", fixed_words_.before, fixed_words_.after}, {"the fixer's reader", fixing_->read_before(), fixing_->read_after()}})
        out.push_back(fmt::format("words exact, by {}: {} of {} as drawn, {} of {} once fixed", judge, was.right, was.of, is.right, is.of));
    if (fixing_) out.push_back(fmt::format("the scores above are of the fixed pictures; {} words were made worse", fixed_words_.worse));
    return out;
  }

  Json json() const {
    Json json = {{"model", model_.filename().string()}, {"world", to_json(world_)}, {"settings", settings_}, {"prompts_per_task", a_.count}, {"seeds", a_.seeds},
                 {"shard", a_.shard}, {"pictures", done_}, {"of_pictures", total()}, {"finished", finished()}, {"seconds", seconds()}, {"unknown_words", unknown_words_}};
    json.update(board_.json());
    if (fixing_) {
      json["fixed_words"] = fixed_words_.json();
      json["fixed_words"].update({{"limit", a_.fix_text}, {"read_exact_before", fixing_->read_before().json()}, {"read_exact_after", fixing_->read_after().json()}});
    }
    return json;
  }

  void write(const std::filesystem::path& out) {
    std::vector<SheetPicture> all;   // in the order of the prompts, whichever was drawn first
    for (std::vector<SheetPicture>& of_prompt : pictures_) std::move(of_prompt.begin(), of_prompt.end(), std::back_inserter(all));
    pictures_.clear();
    std::filesystem::create_directories(out);
    write_file_atomic(out / "board.json", json().dump(2) + "\n");
    std::string lines;
    for (const SheetPicture& p : all) lines += p.judged.json().dump() + "\n";
    write_file_atomic(out / "pictures.jsonl", lines);
    if (all.empty()) return;
    if (const Image sheet = sheet_of(all); sheet.width > 0) write_file_atomic(out / "sheet.png", encode_png(sheet, {}));
    write_file_atomic(out / "sheet.html", sheet_page("Pictures of " + a_.request.model, table(), all));
  }

 private:
  int total() const { return static_cast<int>(prompts_.size()) * a_.seeds; }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

  int prompts_at_once() const {
    if (a_.attention || fixing_) return 1;   // both work on one picture at a time
    return thread_choice(context_.engine(), a_.request).runs_at_once;
  }

  // Draws and judges as many seeds of a prompt as fit into one request; returns how many. Attention is stored for the first picture
  // of a request only, so that each gets its own where it is asked for. Called by several threads.
  int draw(std::size_t which, int first_seed) {
    const NumberedPrompt& prompt = prompts_[which];
    GenerateRequest request = a_.request;
    request.prompt = prompt.prompt.text;
    request.seed = static_cast<std::uint64_t>(first_seed);
    request.count = a_.attention ? 1 : std::min(a_.seeds - first_seed, kMostAtOnce);
    request.probes = a_.attention ? "full" : "none";
    const auto directory = a_.attention ? scratch_ / std::to_string(done_) : std::filesystem::path();
    const FinishedRun run = context_.engine().generate(request, {}, directory, {.progress = {}, .cancelled = stop_requested});
    const std::lock_guard lock(mutex_);
    settings_ = run.result.resolved;
    for (const char* varying : {"prompt", "seed", "count", "probes", "directory"}) settings_.erase(varying);
    unknown_words_.insert(run.result.unknown_words.begin(), run.result.unknown_words.end());
    for (std::size_t i = 0; i < run.result.images.size(); ++i) judge(which, request.seed + i, run.result.images[i], directory);
    if (a_.attention) std::filesystem::remove_all(directory);
    const double left = seconds() / std::max(done_, 1) * (total() - done_);
    bar_.show("evaluating", static_cast<double>(done_) / total(), left, fmt::format("{}, {} of {},", prompt.prompt.task, done_, total()));
    return request.count;
  }

  void judge(std::size_t which, std::uint64_t seed, const Image& drawn, const std::filesystem::path& trace) {
    const NumberedPrompt& prompt = prompts_[which];
    std::optional<TraceReader> run;
    if (!trace.empty()) run.emplace(trace);
    const PromptClaims claims = parse_prompt(prompt.prompt.text);
    Judged judged = judged_picture(prompt.prompt, seed, see_picture(drawn), claims, run ? &*run : nullptr);
    const Image image = fixing_ ? fixing_->fixed(drawn, prompt.prompt.text) : drawn;
    if (fixing_) {
      const Judged as_drawn = std::exchange(judged, judged_picture(prompt.prompt, seed, see_picture(image), claims, run ? &*run : nullptr));
      fixed_words_.add(as_drawn, judged);
    }
    board_.add(judged);
    ++done_;
    if (a_.out.empty()) return;
    const bool on_sheet = seed == 0 && static_cast<std::size_t>(prompt.number) * tasks_ < kSheetPictures;
    pictures_[which].push_back({std::move(judged), prompt.number, encode_png(image, {}), on_sheet ? image : Image{}});
  }

  const Arguments& a_;
  Context& context_;
  std::filesystem::path model_;
  SceneOptions world_;
  std::filesystem::path scratch_;
  std::vector<NumberedPrompt> prompts_;
  std::size_t tasks_ = 1;
  int done_ = 0;
  Board board_;
  std::optional<TextFixing> fixing_;
  FixedWords fixed_words_;
  std::vector<std::vector<SheetPicture>> pictures_;   // of each prompt; with --out alone
  std::mutex mutex_;             // what follows the drawing
  Json settings_ = Json::object();
  std::set<std::string> unknown_words_;
  ProgressBar bar_{true};
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// An option that says nothing about this kind of model is an error, not ignored.
void refuse_given(const CLI::App& command, std::initializer_list<const char*> options, const char* of) {
  for (const char* option : options)
    if (command.get_option(option)->count() > 0) throw Error(ErrorCode::invalid_argument, std::string(option) + " is for " + of + "; this model is none");
}

int eval(const CLI::App& command, const Arguments& a, Context& context) {
  const auto model = context.engine().find_model(a.request.model);
  if (is_upscaler(model)) {
    refuse_given(command, {"--tasks", "--seeds", "--attention", "--fix-text", "--shard"}, "models that paint from a prompt");
    return evaluate_upscaler({.model = model, .request = a.request, .count = a.count, .factor = a.factor, .low_px = a.low_px, .out = a.out}, context);
  }
  refuse_given(command, {"--factor", "--low-px", "--noise-level"}, "upscalers");
  if (a.autoencoder || is_autoencoder(model)) {
    refuse_given(command, {"--tasks", "--seeds", "--attention", "--fix-text", "--shard", "--steps", "--guidance", "--scheduler"}, "models that paint from a prompt");
    return evaluate_autoencoder(model, a.count, a.out, context);
  }
  catch_interrupts();
  Json json;
  std::vector<std::string> table;
  {
    Evaluation evaluation(a, context);
    evaluation.run();
    if (!a.out.empty()) evaluation.write(a.out);
    json = evaluation.json();
    table = evaluation.table();
  }
  if (!json["finished"].get<bool>()) note(fmt::format("stopped after {} of {} pictures", json["pictures"].get<int>(), json["of_pictures"].get<int>()));
  if (a.attention && json["all"]["attention_iou"].is_null()) note("the runs stored no attention maps");
  for (const Json& word : json["unknown_words"]) note("the model does not know the word '" + word.get<std::string>() + "'");
  if (context.common.json) print_json(json);
  else
    for (const std::string& line : table) print_line(line);
  return 0;
}

}  // namespace

Command lab_eval(CLI::App& lab, Context& context) {
  auto a = std::make_shared<Arguments>();
  a->request.model = "signs-base";
  CLI::App* c = lab.add_subcommand("eval", "Score an embedded model's pictures: claims of the prompts, structure, attention");
  c->add_option("model", a->request.model, "name or directory");
  c->add_option("--count", a->count, "prompts per task; of an upscaler scenes per group, of an autoencoder scenes")->check(CLI::Range(1, 100'000));
  c->add_option("--seeds", a->seeds, "pictures per prompt, of the seeds 0, 1, ...")->check(CLI::Range(1, 1000));
  c->add_option("--tasks", a->tasks, "tasks, comma separated; without it all that the model's world knows")->delimiter(',');
  c->add_option("--steps", a->request.steps, "denoising steps");
  c->add_option_function<double>("--guidance", [a](const double& v) { a->request.guidance = v; }, "guidance scale");
  c->add_option("--scheduler", a->request.scheduler.solver, "see `safelight list schedulers`");
  c->add_option("--out", a->out, "directory for board.json, pictures.jsonl, sheet.png and sheet.html");
  c->add_flag("--attention", a->attention, "also compare attention maps with the objects that are seen (slow: one picture at a time)");
  c->add_flag("--autoencoder", a->autoencoder, "score the model's autoencoder alone: what it keeps of --count scenes, and what that costs");
  c->add_option("--fix-text", a->fix_text, "write wrong words of signs anew before judging, as far as the limit allows: same_style, contrast, plate or overlay; says how many that made right");
  c->add_option("--shard", a->shard, "i/n: every n-th prompt from the i-th on");
  c->add_option("--factor", a->factor, "of an upscaler: times the side; one of latents makes more than 2 in several passes")->check(CLI::Range(2, 16));
  c->add_option("--low-px", a->low_px, "of an upscaler: side of the small pictures; without it as in training")->check(CLI::Range(16, 1024));
  c->add_option("--noise-level", a->request.picture.noise_level, "of a cascaded upscaler: noise on the small picture");
  return {c, [c, a, &context] { return eval(*c, *a, context); }};
}

}  // namespace safelight::app
