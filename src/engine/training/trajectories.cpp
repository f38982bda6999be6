#include "engine/training/trajectories.h"

#include <ATen/ATen.h>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/base/sha256.h"
#include "engine/families/adapters.h"
#include "engine/schedulers/solver.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

SchedulerConfig teacher_config(const Json& scheduler, const std::string& where) {
  SchedulerConfig c = SchedulerConfig::from_json(scheduler, where, "DPMSolverMultistepScheduler");
  c.spacing = "trailing";
  c.sigmas.clear();
  c.solver_order = 2;
  c.algorithm = "dpmsolver++";
  c.final_sigmas = "zero";
  return c;
}

template <class Model, class Config>
std::unique_ptr<Model> frozen(Parameters& parameters, const ComponentFiles& files, at::ScalarType precision, const std::string& device) {
  auto model = std::make_unique<Model>(ParameterScope(parameters), Config::from_json(files.config, files.config_where));
  load_weights(parameters, *files.weights, {});
  for (const Parameter& p : parameters.all()) p.tensor.set_data(p.tensor.to(device, precision));
  return model;
}

// What stands in front of "/unet" when the student's links are shipped beside the teacher.
std::string shipped_name(const std::filesystem::path& directory, const Json& about) {
  const std::string folder = directory.filename().string(), name = folder == "model" ? about.value("name", folder) : folder;  // of a training's output
  if (name.empty() || name == "model" || name == "." || name == ".." || name.find('/') != std::string::npos)
    throw Error(ErrorCode::invalid_argument, "the teacher '" + directory.string() + "' needs a directory of its own name, which the student's links can point to");
  return name;
}

}  // namespace

DistillationGrid::DistillationGrid(const Json& scheduler, int64_t student_steps, int64_t teacher_steps) : student_scheduler(scheduler) {
  const std::string where = "the teacher's scheduler_config.json";
  student_scheduler["_class_name"] = "DDIMScheduler";
  student_scheduler["timestep_spacing"] = "trailing";
  student_scheduler["set_alpha_to_one"] = true;
  student = SchedulerConfig::from_json(student_scheduler, where);
  teacher = teacher_config(scheduler, where);
  if (student_steps < 1 || teacher_steps < student_steps || teacher_steps % student_steps != 0)
    throw Error(ErrorCode::invalid_argument, "teacher_steps " + std::to_string(teacher_steps) + " must be a multiple of student_steps " + std::to_string(student_steps));
  if (teacher_steps > teacher.num_train_timesteps || teacher.num_train_timesteps % student_steps != 0)
    throw Error(ErrorCode::invalid_argument, "student_steps " + std::to_string(student_steps) + " must divide the " + std::to_string(teacher.num_train_timesteps) + " training steps");
  stride = teacher_steps / student_steps;
  teacher_timesteps = spaced_timesteps(teacher, static_cast<int>(teacher_steps));
  const NoiseTable table(student);
  for (const double t : spaced_timesteps(student, static_cast<int>(student_steps))) nodes.push_back(table.node_at(static_cast<int>(t)));
  nodes.push_back({1, 0, 0});
}

at::Tensor landing_x0(const at::Tensor& x, const at::Tensor& landed, const Node& from, const Node& to) {
  const double ratio = to.sigma / from.sigma;
  return (landed - ratio * x) / (to.alpha - ratio * from.alpha);
}

Teacher::Teacher(const std::filesystem::path& model, at::ScalarType precision, const std::string& device)
    : directory(std::filesystem::absolute(model).lexically_normal()) {
  if (!directory.has_filename()) directory = directory.parent_path();
  const auto files = directory_files(directory);
  if (!own_adapters(*files).empty()) throw Error(ErrorCode::unsupported, "'" + directory.string() + "' is another model with an adapter; distil from that model");
  const auto about = directory / "safelight.json";
  const Json json = read_json(about);
  try {
    guidance = json.at("recommended").at("guidance").get<double>();
    name = shipped_name(directory, json);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, "'" + about.string() + "' must give recommended.guidance, which the student learns: " + e.what());
  }
  scheduler = files->scheduler("scheduler").first;
  tokenizer = std::make_unique<ClipTokenizer>(ClipTokenizer::open(files->tokenizer("tokenizer")));
  const ComponentFiles text_files = files->component("text_encoder"), unet_files = files->component("unet");
  unet_config = unet_files.config;
  std::string hashes;
  for (const ComponentFiles* part : {&text_files, &unet_files})
    for (const auto& file : part->files) hashes += sha256_file(file);
  weights_hash = sha256_hex(hashes);
  text = frozen<ClipTextEncoder, ClipTextConfig>(text_parameters, text_files, precision, device);
  unet = frozen<Unet, UnetConfig>(unet_parameters, unet_files, precision, device);
}

at::Tensor Teacher::encode(const at::Tensor& ids) const {
  at::NoGradGuard no_grad;
  return text->forward(ids.to(text_parameters.all().front().tensor.device()), {}, {}).last;
}

Trajectories run_teacher(const Teacher& teacher, const DistillationGrid& grid, const at::Tensor& noise, const at::Tensor& ids, const at::Tensor& empty) {
  at::NoGradGuard no_grad;
  const at::Tensor weight = teacher.unet_parameters.all().front().tensor;
  const bool guided = teacher.guidance > 1;
  UnetInputs in;
  in.text = teacher.encode(ids);
  if (guided) in.text = at::cat({teacher.encode(empty).expand_as(in.text), in.text});
  const Converter converter(grid.teacher);
  const auto solver = make_solver({.config = grid.teacher, .steps = static_cast<int>(grid.teacher_timesteps.size()), .noise = noise.to(weight.device())});
  std::vector<at::Tensor> stops = {solver->latent()}, guesses;
  for (int64_t i = 0; const auto e = solver->next(); ++i) {
    in.sample = (guided ? at::cat({e->model_input, e->model_input}) : e->model_input).to(weight.scalar_type());
    in.timesteps = at::full({in.sample.size(0)}, e->node.timestep, weight.options().dtype(at::kFloat));
    const at::Tensor raw = teacher.unet->forward(in, {}).to(at::kFloat), cond = raw.narrow(0, raw.size(0) - noise.size(0), noise.size(0));
    if (i % grid.stride == 0) guesses.push_back(converter.x0(cond, e->model_input, e->node));
    const at::Tensor uncond = raw.narrow(0, 0, noise.size(0));
    solver->feed(converter.estimate(guided ? uncond + teacher.guidance * (cond - uncond) : cond, e->model_input, e->node));
    if ((i + 1) % grid.stride == 0) stops.push_back(solver->latent());
  }
  std::vector<at::Tensor> gaps;
  for (std::size_t n = 0; n < guesses.size(); ++n)
    gaps.push_back((guesses[n] - landing_x0(stops[n], stops[n + 1], grid.nodes[n], grid.nodes[n + 1])).square().mean());
  return {at::stack(stops, 1), at::stack(gaps)};
}

}  // namespace safelight
