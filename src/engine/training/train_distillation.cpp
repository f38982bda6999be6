#include <ATen/ATen.h>

#include "common/base/error.h"
#include "common/base/sha256.h"
#include "engine/families/model_files.h"
#include "engine/training/low_rank.h"
#include "engine/training/model_export.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

// In the second half the student is cut to what the adapter can say every so many steps, and so learns to do with it: what is
// cut away at the end is then nearly nothing (iterative hard thresholding, Blumensath and Davies, arXiv:0805.0510).
constexpr int64_t kStepsPerCut = 25;

// A change of a bias or a norm has no low rank to be said in.
bool adaptable(const Parameter& p) { return p.shape.size() >= 2; }

// The recipe says of its teacher what the teacher says of itself.
void require_same(const Json& recipe, const Json& teacher, const std::string& table, const Teacher& whose) {
  for (const auto& [key, value] : recipe.items())
    if (const auto it = teacher.find(key); it == teacher.end() || *it != value)
      throw Error(ErrorCode::conflict, "'" + key + "' of the recipe's " + table + " is " + value.dump() + ", the teacher '" + whose.directory.string() + "' has " +
                                           (it == teacher.end() ? "no such key" : it->dump()) + "; it is not this recipe's teacher");
}

// Links to the teacher's parts, as the student is shipped: in a directory beside the teacher's.
void link_parts(const std::filesystem::path& model, const Teacher& teacher) {
  const auto linked = [](const std::filesystem::path& target, const std::filesystem::path& link) {
    if (std::filesystem::is_symlink(link)) std::filesystem::remove(link);
    else if (std::filesystem::exists(link))
      throw Error(ErrorCode::conflict, "'" + link.string() + "' is in the way of a link to the teacher; distil into another directory");
    std::filesystem::create_directory_symlink(target, link);
  };
  std::filesystem::create_directories(model);
  for (const char* part : {"unet", "vae", "text_encoder", "tokenizer"}) linked(std::filesystem::path("..") / teacher.name / part, model / part);
  // Here the teacher lies elsewhere: so that the links lead to it already, its name leads there.
  const auto beside = std::filesystem::absolute(model).lexically_normal().parent_path() / teacher.name;
  if (!std::filesystem::exists(beside) || !std::filesystem::equivalent(beside, teacher.directory)) linked(teacher.directory, beside);
}

}  // namespace

DistillationStage::DistillationStage(const Recipe& recipe, const TrainOptions& options)
    : recipe_(recipe), options_(options), teacher_(options.from, recipe.distillation.bfloat16 ? at::kBFloat16 : at::kFloat, options.device),
      grid_(teacher_.scheduler, recipe.student_steps, recipe.teacher_steps) {
  if (recipe.distillation.batch % recipe.student_steps != 0)
    throw Error(ErrorCode::invalid_argument, "[train_distillation]: batch must be a multiple of student_steps, so that every step of the student counts the same");
  require_same(recipe.unet, teacher_.unet_config, "[unet]", teacher_);
  require_same(recipe.scheduler, teacher_.scheduler, "[scheduler]", teacher_);
  student_ = std::make_unique<Unet>(ParameterScope(student_parameters_), teacher_.unet->config());
  load_weights(student_parameters_, *directory_files(teacher_.directory)->component("unet").weights, {});
  for (const Parameter& p : student_parameters_.all()) {
    p.tensor.set_data(p.tensor.to(options.device, at::kFloat, false, /*copy=*/true));  // the file's mapping is not written to
    p.tensor.set_requires_grad(adaptable(p));
    base_.push_back(p.tensor.detach().clone());
  }
}

// Mean over the nodes of the mean square in x0, each in units of what it was at the start: 1 before any training.
at::Tensor DistillationStage::loss(int64_t step) {
  pool_->refresh(step);
  if (!weights_.defined()) weights_ = 1 / pool_->gap().clamp_min(1e-4);
  const TrajectoryBatch b = pool_->draw(step);
  const at::Tensor x = at::cat(b.x);
  std::vector<at::Tensor> timesteps;
  for (std::size_t n = 0; n < b.x.size(); ++n) timesteps.push_back(at::full({b.x[n].size(0)}, grid_.nodes[n].timestep, x.options()));
  UnetInputs in;
  in.sample = x.to(student_parameters_.all().front().tensor.scalar_type());
  in.timesteps = at::cat(timesteps);
  in.text = teacher_.encode(b.ids);
  const std::vector<at::Tensor> raw = student_->forward(in, {}).to(at::kFloat).chunk(static_cast<int64_t>(b.x.size()));
  const Converter converter(grid_.student);
  at::Tensor total;
  for (std::size_t n = 0; n < b.x.size(); ++n) {
    const at::Tensor target = landing_x0(b.x[n], b.landed[n], grid_.nodes[n], grid_.nodes[n + 1]);
    const at::Tensor error = (converter.x0(raw[n], b.x[n], grid_.nodes[n]) - target).square().mean() * weights_[static_cast<int64_t>(n)].item<double>();
    total = total.defined() ? total + error : error;
  }
  return total / static_cast<double>(b.x.size());
}

void DistillationStage::cut_to_rank(AdamW& optimiser) const {
  for (std::size_t i = 0; i < base_.size(); ++i) {
    if (!adaptable(student_parameters_.all()[i])) continue;
    const LowRank change = low_rank(optimiser.weights()[i] - base_[i], recipe_.adapter_rank);
    optimiser.set_weight(i, base_[i] + at::mm(change.up, change.down).view(base_[i].sizes()).to(base_[i].device()));
  }
}

bool DistillationStage::run(Deadline deadline) {
  const StageRecipe& s = recipe_.distillation;
  const Json decisive = {{"recipe", recipe_.name}, {"seed", recipe_.seed}, {"scenes", to_json(recipe_.scenes)}, {"teacher", teacher_.weights_hash}, {"guidance", teacher_.guidance},
                         {"scheduler", grid_.student_scheduler}, {"student_steps", recipe_.student_steps}, {"teacher_steps", recipe_.teacher_steps}, {"rank", recipe_.adapter_rank},
                         {"pool", recipe_.pool}, {"batch", s.batch}, {"bfloat16", s.bfloat16}};
  const std::string hash = sha256_hex(decisive.dump()).substr(0, 16);
  const LoopPlan plan{.stage = "distillation",
                      .recipe = s,
                      .recipe_hash = hash,
                      .weight_decay = 0};  // what decays is not a change that the adapter should have to carry
  TrainingLoop loop(student_parameters_, plan, options_, deadline);
  link_parts(options_.out / "model", teacher_);
  const auto trajectories = options_.out / ("trajectories-" + hash);
  pool_ = std::make_unique<TrajectoryPool>(recipe_, teacher_, grid_, trajectories);
  const bool done = loop.run(
      [&](int64_t step) {
        if (step * s.batch * 2 >= s.samples && step % kStepsPerCut == 0) cut_to_rank(loop.optimiser());
        return loss(step);
      },
      [&] {
        samples_ = loop.samples();
        export_student(loop.optimiser());
        loop.evaluate(options_.out / "model");
      });
  samples_ = loop.samples();
  if (done) std::filesystem::remove_all(trajectories);
  return done;
}

void DistillationStage::export_student(const AdamW& optimiser) const {
  const auto model = options_.out / "model";
  std::vector<std::pair<std::string, at::Tensor>> changes;
  for (std::size_t i = 0; i < base_.size(); ++i)
    if (const Parameter& p = student_parameters_.all()[i]; adaptable(p)) changes.emplace_back(p.name, optimiser.average()[i] - base_[i]);
  const double kept = write_adapter(model / "adapter.safetensors", "unet", changes, recipe_.adapter_rank);
  Recipe student = recipe_;
  student.scheduler = grid_.student_scheduler;
  student.recommended = {{"steps", recipe_.student_steps}, {"guidance", 1.0}, {"scheduler", "ddim"}};
  export_model_frame(model, student, options_,
                     {.safelight = {{"adapters", {{{"file", "adapter.safetensors"}, {"weight", 1.0}}}}},
                      .training = {{"teacher", {{"name", teacher_.name}, {"guidance", teacher_.guidance}, {"steps", recipe_.teacher_steps}, {"weights", teacher_.weights_hash}}},
                                   {"adapter", {{"rank", recipe_.adapter_rank}, {"kept", kept}}}}});
}

}  // namespace safelight
