#include "engine/facade/engine.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/stat.h>
#include <torch/version.h>

#include <bit>
#include <chrono>

#include "common/api/json.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "common/base/memory.h"
#include "common/base/sha256.h"
#include "engine/facade/run_inputs.h"
#include "engine/facade/thread_choice.h"
#include "engine/families/control.h"
#include "engine/probes/table.h"
#include "engine/tensor/threads.h"

namespace safelight {
namespace {

std::string time_text() {
  const auto exact = std::chrono::system_clock::now();
  const std::time_t now = std::chrono::system_clock::to_time_t(exact);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(exact.time_since_epoch()).count() % 1000;
  return text + ("." + std::to_string(1000 + ms).substr(1)) + "Z";   // runs of one second keep their order
}

std::string hash_key(const std::filesystem::path& file) {
  struct stat s {};
  if (::stat(file.c_str(), &s) != 0) return "";
  return std::filesystem::absolute(file).string() + "|" + std::to_string(s.st_size) + "|" + std::to_string(s.st_mtim.tv_sec) + "." +
         std::to_string(s.st_mtim.tv_nsec) + "|" + std::to_string(s.st_ino);
}

// The model's own baseline knows its cheap decode from clean data; it stays right when the decoder is damaged.
std::vector<std::array<double, 3>> stored_latent_to_rgb(const std::filesystem::path& model, int64_t channels) {
  const auto file = model / "baseline.json";
  if (!std::filesystem::exists(file)) return {};
  const Json json = read_json(file);
  if (!json.is_object() || !json.contains("latent_to_rgb")) return {};
  try {
    auto rows = json["latent_to_rgb"].get<std::vector<std::array<double, 3>>>();
    if (rows.size() == static_cast<std::size_t>(channels) + 1) return rows;
  } catch (const Json::exception&) {
  }
  throw Error(ErrorCode::corrupt_file, "'" + file.string() + "': latent_to_rgb does not fit the model; run `safelight lab calibrate` again");
}

}  // namespace

std::vector<std::array<double, 3>> measure_latent_to_rgb(const Autoencoder& autoencoder, int64_t channels) {
  at::NoGradGuard no_grad;
  at::Tensor latents = at::zeros({channels + 1, channels, 4, 4});
  for (int64_t c = 0; c < channels; ++c) latents[c][c].fill_(1.0);
  const at::Tensor rgb = autoencoder.decode(latents, {}).mean(std::vector<int64_t>{2, 3}).to(at::kDouble);
  std::vector<std::array<double, 3>> out;
  for (int64_t c = 0; c <= channels; ++c) {
    std::array<double, 3> row{};
    for (int64_t k = 0; k < 3; ++k)
      row[static_cast<std::size_t>(k)] = rgb[c][k].item<double>() - (c < channels ? rgb[channels][k].item<double>() : 0.0);
    out.push_back(row);
  }
  return out;
}

Engine::Engine(EngineSettings settings) : settings_(std::move(settings)) {
  if (settings_.threads > 0) set_compute_threads(settings_.threads);
}

std::vector<std::filesystem::path> Engine::list_models() const {
  std::vector<std::filesystem::path> out;
  for (const auto& dir : settings_.model_dirs) {
    if (!std::filesystem::is_directory(dir)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(dir))
      if (std::filesystem::exists(entry.path() / "model_index.json")) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::filesystem::path Engine::find_model(const std::string& name) const {
  const std::string wanted = name.empty() ? settings_.default_model : name;
  if (wanted.find('/') != std::string::npos || std::filesystem::exists(std::filesystem::path(wanted) / "model_index.json")) {
    const std::filesystem::path path = wanted;
    return path.has_filename() ? path : path.parent_path();   // "models/mine/" is named as "models/mine" is
  }
  std::string known;
  for (const auto& model : list_models()) {
    if (model.filename() == wanted) return model;
    known += (known.empty() ? "" : ", ") + model.filename().string();
  }
  if (std::filesystem::is_regular_file(wanted)) return wanted;   // a checkpoint in the current folder
  throw Error(ErrorCode::not_found, "model '" + wanted + "' is not known; known: " + (known.empty() ? "none" : known) +
                                        ", or give the path of a model directory or of a checkpoint file");
}

std::shared_ptr<const Components> Engine::open(const std::string& model, const std::string& dtype) {
  GenerateRequest request;
  request.model = model;
  request.dtype = dtype;
  return open(request);
}

std::shared_ptr<const Components> Engine::open(const GenerateRequest& request) {
  const auto path = find_model(request.model);
  std::string added;
  for (const AdapterChoice& a : request.adapters) added += "|" + a.file + ":" + std::to_string(std::bit_cast<std::uint64_t>(a.weight));
  for (const EmbeddingChoice& e : request.embeddings) added += "|" + e.token + "=" + e.file;
  const std::string key = std::filesystem::absolute(path).string() + "|" + request.dtype + "|" + request.base + "|" + request.vae + (request.unpack ? "|unpacked|" : "|") + added;
  const std::lock_guard lock(mutex_);
  auto& slot = open_[key];
  if (slot) return slot;
  Components c = open_model(path, {.dtype = request.dtype, .device = settings_.device, .without = {}, .vocabulary = settings_.clip_vocabulary,
                                   .base = request.base.empty() ? std::filesystem::path() : find_model(request.base), .vae = request.vae, .keep_packed = !request.unpack,
                                   .adapters = request.adapters, .embeddings = request.embeddings});
  if (std::filesystem::is_directory(path)) c.latent_to_rgb = stored_latent_to_rgb(path, c.denoiser->latent_channels());
  if (c.latent_to_rgb.empty()) c.latent_to_rgb = measure_latent_to_rgb(*c.autoencoder, c.denoiser->latent_channels());
  auto opened = std::make_shared<const Components>(std::move(c));
  return slot = settings_.wrap ? settings_.wrap(std::move(opened)) : std::move(opened);
}

void Engine::close(const std::string& model) {
  const std::string path = std::filesystem::absolute(find_model(model)).string();
  const std::lock_guard lock(mutex_);
  std::erase_if(open_, [&](const auto& entry) { return entry.first.rfind(path + "|", 0) == 0; });
}

std::string Engine::hash_of(const std::filesystem::path& file) {
  const std::string key = hash_key(file);
  const auto cache_file = settings_.cache_dir / "weight-hashes.json";
  Json cache = Json::object();
  if (!settings_.cache_dir.empty() && std::filesystem::exists(cache_file)) {
    try {
      cache = read_json(cache_file);
    } catch (const Error&) {
      cache = Json::object();  // a damaged cache is made anew
    }
    if (cache.is_object() && cache.contains(key) && cache[key].is_string()) return cache[key].get<std::string>();
  }
  const std::string hash = sha256_file(file);
  if (!settings_.cache_dir.empty()) {
    cache[key] = hash;
    std::filesystem::create_directories(settings_.cache_dir);
    write_file_atomic(cache_file, cache.dump(1));
  }
  return hash;
}

Json Engine::new_run_record(const Components& c, const GenerateRequest& request, const Interventions& change, const std::string& id) {
  Json weights = Json::array();
  for (const WeightFile& w : c.weights)
    weights.push_back({{"component", w.component}, {"file", w.file.string()}, {"bytes", std::filesystem::file_size(w.file)}, {"sha256", hash_of(w.file)}});
  return {{"format", "safelight-trace/1"}, {"id", id}, {"created", time_text()}, {"request", to_json(request)},
          {"interventions", to_json(change)},
          {"environment", {{"safelight", "0.1.0"}, {"libtorch", TORCH_VERSION}, {"device", settings_.device.str()}, {"dtype", c.dtype},
                           {"threads", at::get_num_threads()}, {"kernels", "aten"}}},
          {"recommended", {{"steps", c.recommended.steps}, {"guidance", c.recommended.guidance}, {"solver", c.recommended.solver}}},
          {"weights", weights}, {"images", Json::array()}};
}

Image Engine::read_picture(const std::string& file) const {
  if (!settings_.read_picture) throw Error(ErrorCode::unsupported, "this build reads no pictures");
  return settings_.read_picture(file);
}

void Engine::read_inputs(const GenerateRequest& asked, const Components& components, GenerateRequest& sized, RunOptions& options) const {
  if (!asked.picture.file.empty()) {
    std::optional<Image> mask;
    if (!asked.picture.mask.empty()) mask = read_picture(asked.picture.mask);
    options.inputs = run_inputs(components, sized, read_picture(asked.picture.file), mask);
  }
  if (!asked.part.from.empty()) {
    const StoredTensor stored = TraceReader(asked.part.from).partial_latents();
    options.inputs.latents = at::tensor(stored.values, at::kFloat).view(stored.shape);
    const auto downscale = components.autoencoder->downscale();
    if (stored.shape.size() != 4 || stored.shape[1] != components.denoiser->latent_channels())
      throw Error(ErrorCode::conflict, "the latents of '" + asked.part.from + "' do not fit this model");
    sized.count = static_cast<int>(stored.shape[0]);
    sized.height = static_cast<int>(stored.shape[2] * downscale);
    sized.width = static_cast<int>(stored.shape[3] * downscale);
  }
}

Engine::Prepared Engine::prepare(const GenerateRequest& request, const Interventions& change, const RunCalls& calls, RunOptions& options) {
  std::shared_ptr<const Components> components = open(request);
  set_compute_threads(thread_choice(components->weight_bytes, settings_.threads).of_a_run);
  require_no(check(request), "request");
  GenerateRequest sized = request;
  read_inputs(request, *components, sized, options);
  const GenerateRequest resolved = resolved_request(*components, sized, change);   // also refuses interventions that cannot be, before anything is opened for them
  if (!request.control.model.empty()) {
    auto with = std::make_shared<Components>(*components);
    with->denoiser = controlled(components->denoiser, {.directory = request.control.model, .dtype = request.dtype, .device = settings_.device,
                                                       .hint = hint_of(read_picture(request.control.file), resolved),
                                                       .scale = request.control.scale, .guess = request.control.guess});
    components = with;
  }
  options.interventions = change;
  options.progress = calls.progress;
  options.cancelled = calls.cancelled;
  if (change.decoder && change.decoder->kind == "float32") options.other_decoder = open(request.model, "float32")->autoencoder;
  if (change.decoder && change.decoder->kind == "other") options.other_decoder = open(change.decoder->path, request.dtype)->autoencoder;
  return {std::move(components), std::move(sized)};
}

FinishedRun Engine::generate(const GenerateRequest& request, const Interventions& change, const std::filesystem::path& directory,
                             const RunCalls& calls) {
  RunOptions options;
  const auto [components, sized] = prepare(request, change, calls, options);
  if (resolved_request(*components, sized, change).probes != "none") options.probes = make_probes();
  std::unique_ptr<TraceFile> trace;
  if (!directory.empty()) {
    trace = std::make_unique<TraceFile>(directory, new_run_record(*components, request, change, directory.filename().string()), settings_.encoder);
    options.trace = trace.get();
  }
  const std::uint64_t loaded = resident_bytes();
  return {directory, run(*components, sized, std::move(options)), components->weight_bytes, loaded};
}

Gradients Engine::gradients(const GenerateRequest& request, const Interventions& change, const GradientQuestion& question, const RunCalls& calls) {
  RunOptions options;
  const auto [components, sized] = prepare(request, change, calls, options);
  return safelight::gradients(*components, sized, std::move(options), question);
}

}  // namespace safelight
