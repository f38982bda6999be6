#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "engine/families/family.h"
#include "engine/schedulers/solver.h"
#include "engine/training/low_rank.h"
#include "engine/training/model_export.h"
#include "engine/training/train_stages.h"
#include "tests/engine/training/tiny_parts.h"
#include "engine/weights/lora.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

constexpr const char* kOwn = R"(
name = "tiny-fast"
image_px = 16
text_length = 32
student_steps = 4
teacher_steps = 12
adapter_rank = 4
pool = 64
[scenes]
shapes = 3
colours = 3
[train_distillation]
samples = 960
batch = 16
learning_rate = 1e-3
warmup_steps = 2
ema_decay = 0.9
[recommended]
steps = 4
guidance = 3.0
scheduler = "ddim"
[scheduler]
_class_name = "DPMSolverMultistepScheduler"
num_train_timesteps = 1000
beta_start = 0.00085
beta_end = 0.02
beta_schedule = "scaled_linear"
prediction_type = "v_prediction"
clip_sample = false
set_alpha_to_one = false
steps_offset = 1
)";
const std::string kTiny = std::string(kOwn) + kTinyParts + "sample_size = 8\n";

std::vector<at::Tensor> values_of(const Parameters& parameters) {
  std::vector<at::Tensor> out;
  for (const Parameter& p : parameters.all()) out.push_back(p.tensor);
  return out;
}

// A directory with a teacher of random weights.
class Distillation : public testing::Test {
 protected:
  Distillation() : directory_(std::filesystem::temp_directory_path() / ("safelight-distillation-" + std::to_string(::getpid()))) {
    at::set_num_threads(1);
    std::filesystem::create_directories(directory_);
    write_file_atomic(directory_ / "tiny.toml", kTiny);
    Recipe base = recipe();
    base.name = "tiny-base";
    TrainOptions options;
    options.out = directory_ / "base";
    const TextModel text(base, options);  // writes the tokenizer too
    text.export_to(options.out / "model", values_of(text.parameters));
    Parameters vae, unet;
    const AutoencoderKl autoencoder(ParameterScope(vae), AutoencoderKlConfig::from_json(base.vae, "vae"));
    const Unet denoiser(ParameterScope(unet), UnetConfig::from_json(base.unet, "unet"));
    vae.initialise(1), unet.initialise(2);
    for (const Parameter& p : unet.all())
      if (p.name == "conv_out.weight") p.tensor.set_data(0.1 * seeded_noise(p.shape, 3));
    export_component(options.out / "model" / "vae", "diffusion_pytorch_model.safetensors", base.vae, vae, values_of(vae), at::kHalf);
    export_component(options.out / "model" / "unet", "diffusion_pytorch_model.safetensors", base.unet, unet, values_of(unet), at::kFloat);
    export_model_frame(options.out / "model", base, options);
    std::filesystem::rename(options.out / "model", directory_ / "tiny-base");
  }
  ~Distillation() override { std::filesystem::remove_all(directory_); }

  Recipe recipe() const { return Recipe::read(directory_ / "tiny.toml"); }
  TrainOptions into(const char* name) const {
    TrainOptions options;
    options.out = directory_ / name;
    options.from = directory_ / "tiny-base";
    return options;
  }
  // What opening a model whose safelight.json has these adapters says.
  std::string refusal(const std::filesystem::path& model, const Json& adapters) const {
    Json about = read_json(model / "safelight.json");
    about["adapters"] = adapters;
    write_file_atomic(model / "safelight.json", about.dump());
    try {
      open_model(model, {});
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  std::filesystem::path directory_;
};

// The latents at the end of a run of DDIM as the model's own files set it up.
at::Tensor latents_of(const Components& model, const SchedulerConfig& config, int steps, const at::Tensor& noise, const at::Tensor& text) {
  const auto solver = make_solver({.config = config, .steps = steps, .noise = noise});
  const Converter converter(config);
  while (const auto e = solver->next()) {
    Conditioning c;
    c.text = text;
    const at::Tensor raw = model.denoiser->predict(e->model_input, at::full({noise.size(0)}, e->node.timestep), c, {});
    solver->feed(converter.estimate(raw, e->model_input, e->node));
  }
  return solver->latent();
}

TEST_F(Distillation, GridOfTheStudentLiesInTheTeachers) {
  for (const auto& [student, teacher] : {std::pair<int64_t, int64_t>{4, 24}, {4, 4}, {8, 32}, {1, 10}, {5, 25}, {2, 48}}) {
    const DistillationGrid grid(recipe().scheduler, student, teacher);
    ASSERT_EQ(grid.nodes.size(), static_cast<std::size_t>(student) + 1);
    ASSERT_EQ(grid.teacher_timesteps.size(), static_cast<std::size_t>(teacher));
    const auto ddim = make_solver({.config = grid.student, .steps = static_cast<int>(student), .noise = at::zeros({1, 4, 8, 8})});
    for (int64_t i = 0; i <= student; ++i) {
      const Node& node = grid.nodes[static_cast<std::size_t>(i)];
      EXPECT_EQ(node.alpha, ddim->node(static_cast<int>(i)).alpha);
      EXPECT_EQ(node.sigma, ddim->node(static_cast<int>(i)).sigma);
      if (i < student) {
        EXPECT_EQ(node.timestep, grid.teacher_timesteps[static_cast<std::size_t>(i * grid.stride)]);
      }
    }
    EXPECT_EQ(grid.nodes.back().sigma, 0);
  }
  EXPECT_THROW(DistillationGrid(recipe().scheduler, 4, 26), Error);
  EXPECT_THROW(DistillationGrid(recipe().scheduler, 3, 24), Error);  // DDIM would stop at 665, the teacher at 666
}

TEST_F(Distillation, TargetMakesDdimLandOnTheTeachersLatents) {
  const DistillationGrid grid(recipe().scheduler, 4, 24);
  const auto ddim = make_solver({.config = grid.student, .steps = 4, .noise = seeded_noise({2, 4, 8, 8}, 1)});
  const Converter converter(grid.student);
  for (std::size_t n = 0; n < 4; ++n) {
    const auto e = ddim->next();
    const at::Tensor landed = seeded_noise({2, 4, 8, 8}, 2 + n);
    const at::Tensor target = landing_x0(e->model_input, landed, grid.nodes[n], grid.nodes[n + 1]);
    ddim->feed(converter.estimate(converter.raw_of(target, e->model_input, e->node), e->model_input, e->node));
    EXPECT_LT((ddim->latent() - landed).abs().max().item<double>(), 1e-4) << n;
    if (n == 3) {
      EXPECT_TRUE(at::equal(target, landed));
    }
  }
}

TEST_F(Distillation, AdapterSaysAChangeOfLowRankExactly) {
  const at::Tensor linear = at::mm(seeded_noise({6, 3}, 1), seeded_noise({3, 5}, 2)), conv = at::mm(seeded_noise({8, 2}, 3), seeded_noise({2, 27}, 4)).view({8, 3, 3, 3});
  const LowRank parts = low_rank(conv, 2);
  EXPECT_LT((at::mm(parts.up, parts.down) - conv.flatten(1)).abs().max().item<double>(), 1e-5);
  EXPECT_NEAR(low_rank(at::diag(at::tensor({2.0f, 1.0f})), 1).kept / 5, 0.8, 1e-6);

  write_tensors(directory_ / "base.safetensors", {{"a.b.weight", at::ones_like(linear)}, {"conv_in.weight", at::ones_like(conv)}, {"conv_in.bias", at::ones({8})}}, {});
  const double kept = write_adapter(directory_ / "adapter.safetensors", "unet", {{"a.b.weight", linear}, {"conv_in.weight", conv}}, 3);
  EXPECT_NEAR(kept, 1, 1e-6);
  const auto base = safetensors_source({directory_ / "base.safetensors"});
  auto deltas = resolve_loras({{directory_ / "adapter.safetensors", 1.0}}, {{"unet", base->shapes()}});
  const auto adapted = with_loras(base, deltas.at("unet"));
  constexpr double kHalfPrecision = 4e-3;  // of numbers up to 5
  EXPECT_LT((adapted->read("a.b.weight") - 1 - linear).abs().max().item<double>(), kHalfPrecision);
  EXPECT_LT((adapted->read("conv_in.weight") - 1 - conv).abs().max().item<double>(), kHalfPrecision);
  EXPECT_TRUE(at::equal(adapted->read("conv_in.bias"), at::ones({8})));
}

TEST_F(Distillation, StudentOfFewStepsComesNearerToTheGuidedTeacher) {
  const TrainReport report = train(recipe(), into("fast"));
  EXPECT_TRUE(report.finished);
  EXPECT_EQ(report.samples.at("distillation"), 960);
  EXPECT_EQ(std::filesystem::read_symlink(report.model / "unet"), "../tiny-base/unet");
  const Json record = read_json(report.model / "training.json");
  EXPECT_GT(record.at("adapter").at("kept").get<double>(), 0.9);
  EXPECT_LE(record.at("adapter").at("kept").get<double>(), 1);

  const Components student = open_model(report.model, {}), base = open_model(directory_ / "tiny-base", {});
  EXPECT_EQ(student.name, "tiny-fast");
  EXPECT_EQ(student.recommended.steps, 4);
  EXPECT_EQ(student.recommended.guidance, 1.0);
  EXPECT_EQ(student.recommended.solver, "ddim");
  EXPECT_EQ(student.weights.back().component, "adapter");
  EXPECT_EQ(student.weights.size(), base.weights.size() + 1);

  const Teacher teacher(directory_ / "tiny-base", at::kFloat, "cpu");
  const DistillationGrid grid(teacher.scheduler, 4, 12);
  const auto ids = [&](const char* text) { return at::tensor(teacher.tokenizer->encode(text, 32).ids, at::kLong).unsqueeze(0).expand({8, 32}); };
  const at::Tensor noise = seeded_noise({8, 4, 8, 8}, 99), prompt = ids("a red circle");
  const at::Tensor wanted = run_teacher(teacher, grid, noise, prompt, ids("").narrow(0, 0, 1)).latents.select(1, 4);
  const SchedulerConfig config = SchedulerConfig::from_json(student.scheduler_config, student.scheduler_where);
  const auto miss = [&](const Components& model) { return (latents_of(model, config, 4, noise, teacher.encode(prompt)) - wanted).square().mean().item<double>(); };
  EXPECT_LT(miss(student), 0.75 * miss(base));
}

TEST_F(Distillation, StoppedAtEveryStepItGivesTheSameAdapter) {
  Recipe r = recipe();
  r.distillation.samples = 320;
  train(r, into("whole"));
  TrainReport report;
  for (int calls = 0; calls < 40 && !report.finished; ++calls) {
    TrainOptions options = into("parts");
    int steps = 0;
    options.stop = [&] { return ++steps > 7; };
    report = train(r, options);
  }
  EXPECT_TRUE(report.finished);
  EXPECT_EQ(read_file(directory_ / "whole/model/adapter.safetensors"), read_file(directory_ / "parts/model/adapter.safetensors"));
}

TEST_F(Distillation, RefusesWhatDoesNotFit) {
  TrainOptions options = into("fast");
  options.from.clear();
  EXPECT_THROW(train(recipe(), options), Error);  // no teacher
  Recipe other = recipe();
  other.unet["block_out_channels"] = {16, 32};
  EXPECT_THROW(train(other, into("fast")), Error);  // another teacher
  other = recipe();
  other.distillation.batch = 10;
  EXPECT_THROW(train(other, into("fast")), Error);  // nodes would not count the same
}

TEST_F(Distillation, OwnAdaptersLieInTheModelsDirectory) {
  const auto model = directory_ / "tiny-base";
  write_file_atomic(directory_ / "outside.safetensors", "x");
  write_file_atomic(model / "damaged.safetensors", "no safetensors at all");
  for (const char* file : {"../outside.safetensors", "unet/../../outside.safetensors", "/etc/passwd", ""})
    EXPECT_NE(refusal(model, {{{"file", file}}}).find("only files inside the model's directory are read"), std::string::npos) << file;
  EXPECT_NE(refusal(model, {{{"file", "gone.safetensors"}}}).find("gone.safetensors' is missing"), std::string::npos);
  EXPECT_NE(refusal(model, {{{"file", "damaged.safetensors"}}}).find("damaged.safetensors"), std::string::npos);
  EXPECT_NE(refusal(model, {{{"file", "damaged.safetensors"}, {"weight", 11}}}).find("between -10 and 10"), std::string::npos);
  EXPECT_NE(refusal(model, "damaged.safetensors").find("must be a list"), std::string::npos);
  EXPECT_EQ(refusal(model, Json::array()), "");
}

TEST(FastRecipe, IsOfTheBase) {
  const std::filesystem::path recipes = std::filesystem::path(SAFELIGHT_SOURCE) / "recipes";
  const Recipe base = Recipe::read(recipes / "signs-base.toml"), fast = Recipe::read(recipes / "signs-fast.toml");
  EXPECT_EQ(base.unet, fast.unet);
  EXPECT_EQ(base.text_encoder, fast.text_encoder);
  EXPECT_EQ(base.vae, fast.vae);
  EXPECT_EQ(base.scheduler, fast.scheduler);
  EXPECT_EQ(to_json(base.scenes), to_json(fast.scenes));
  EXPECT_EQ(base.text_length, fast.text_length);
  EXPECT_NO_THROW(DistillationGrid(fast.scheduler, fast.student_steps, fast.teacher_steps));
}

}  // namespace
}  // namespace safelight
