#include "engine/training/trajectory_pool.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "engine/training/scene_batch.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

constexpr uint64_t kTrajectoryStream = 40;
constexpr int64_t kFirstGroups = 4;   // one a step, so that the student starts at once
constexpr int64_t kStepsPerGroup = 16;

}  // namespace

TrajectoryPool::TrajectoryPool(const Recipe& recipe, const Teacher& teacher, const DistillationGrid& grid, std::filesystem::path folder)
    : recipe_(recipe), teacher_(teacher), grid_(grid), folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
}

int64_t TrajectoryPool::groups(int64_t step) { return std::min(step + 1, kFirstGroups + step / kStepsPerGroup); }

at::Tensor TrajectoryPool::captions(int64_t index) const {
  const int64_t batch = recipe_.distillation.batch;
  std::vector<Scene> scenes;
  std::vector<const Scene*> pointers;
  for (int64_t i = 0; i < batch; ++i) scenes.push_back(make_scene(recipe_.scenes, mix_seed(recipe_.seed, kTrajectoryStream, 0), static_cast<uint64_t>(index * batch + i)));
  for (const Scene& s : scenes) pointers.push_back(&s);
  return caption_batch(pointers, std::vector<bool>(scenes.size(), false), mix_seed(recipe_.seed, kTrajectoryStream + 1, index), *teacher_.tokenizer, recipe_.text_length).ids;
}

TrajectoryPool::Group TrajectoryPool::group(int64_t index) const {
  const auto file = folder_ / ("group-" + std::to_string(index) + ".safetensors");
  if (std::filesystem::exists(file)) return {{read_tensor(file, "latents"), read_tensor(file, "gap")}, read_tensor(file, "ids")};
  const UnetConfig& unet = teacher_.unet->config();
  const at::Tensor noise = seeded_noise({recipe_.distillation.batch, unet.out_channels, unet.sample_size, unet.sample_size}, mix_seed(recipe_.seed, kTrajectoryStream + 2, index));
  const at::Tensor empty = at::tensor(teacher_.tokenizer->encode("", static_cast<int>(recipe_.text_length)).ids, at::kLong).unsqueeze(0);
  Group made{{}, captions(index)};
  made.latents_and_gap = run_teacher(teacher_, grid_, noise, made.ids, empty);
  write_tensors(file, {{"latents", made.latents_and_gap.latents}, {"gap", made.latents_and_gap.gap}, {"ids", made.ids}}, {});
  return made;
}

void TrajectoryPool::refresh(int64_t step) {
  const int64_t batch = recipe_.distillation.batch, wanted = groups(step);
  for (next_ = std::max(next_, wanted - held()); next_ < wanted; ++next_) {
    const Group g = group(next_);
    if (!latents_.defined()) {
      std::vector<int64_t> shape = g.latents_and_gap.latents.sizes().vec();
      shape[0] = held() * batch;
      latents_ = at::zeros(shape, teacher_.unet_parameters.all().front().tensor.options().dtype(at::kFloat));
      ids_ = at::zeros({shape[0], g.ids.size(1)}, at::kLong);
    }
    const int64_t row = next_ % held() * batch;
    latents_.narrow(0, row, batch).copy_(g.latents_and_gap.latents);
    ids_.narrow(0, row, batch).copy_(g.ids);
  }
}

TrajectoryBatch TrajectoryPool::draw(int64_t step) const {
  const int64_t batch = recipe_.distillation.batch, nodes = recipe_.student_steps, there = std::min(groups(step), held()) * batch;
  at::Generator generator = at::detail::createCPUGenerator(mix_seed(recipe_.seed, kTrajectoryStream + 3, step));
  const at::Tensor rows = at::randint(there, {batch}, generator, at::TensorOptions(at::kLong));
  const auto parts = rows.chunk(nodes);
  TrajectoryBatch out;
  for (int64_t n = 0; n < nodes; ++n) {
    const at::Tensor here = latents_.index_select(0, parts[static_cast<std::size_t>(n)].to(latents_.device()));
    out.x.push_back(here.select(1, n));
    out.landed.push_back(here.select(1, n + 1));
  }
  out.ids = ids_.index_select(0, rows);
  return out;
}

}  // namespace safelight
