// lab bench: time, the arithmetic counted for the same work, and the machine's ceiling measured between the same rounds.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "apps/lab/bench_ceiling.h"
#include "apps/lab/bench_page.h"
#include "apps/lab/bench_shapes.h"
#include "apps/lab/bench_spread.h"
#include "apps/lab/lab.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/memory.h"
#include "common/base/processors.h"
#include "engine/tensor/device.h"
#include "engine/tensor/faster_type.h"
#include "engine/tensor/flash_attention.h"
#include "engine/tensor/plain.h"
#include "engine/tensor/threads.h"
#include "engine/tensor/work.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string architecture = "sd15", dtype, device, page, model, prompt = "a red circle left of a blue square";
  int size = 0, batch = 1, steps = 0, rounds = 5, threads = 0;
  ModelBench serving;   // its settings for --serve
};

constexpr int kUsualSize_px = 512;

at::ScalarType dtype_of(const std::string& name, at::Device device) {
  if (name.empty()) return device.is_cpu() ? faster_type() : at::kBFloat16;
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16" || name == "bf16") return at::kBFloat16;
  throw Error(ErrorCode::invalid_argument, "--dtype '" + name + "' is unknown; known: float32, bfloat16 (bf16)");
}

// What is known of one stage after all rounds. Elsewhere than on the processor only the whole is timed: layers are begun there, and done later.
struct Timed {
  std::vector<double> seconds;
  std::vector<WorkTally> tallies;
};

Json stage_json(const Timed& t, double ceiling, bool by_kind) {
  const Spread s = spread_of(t.seconds);
  const double flops = t.tallies.front().all_flops();
  Json kinds = Json::object();
  double inside = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    std::vector<double> seconds;
    for (const WorkTally& w : t.tallies) seconds.push_back(w.seconds[k]);
    const double median = spread_of(seconds).median, share = t.tallies.front().flops[k];
    inside += median;
    if (share > 0) kinds[kWorkNames[k]] = {{"seconds", median}, {"flops", share}, {"calls", t.tallies.front().calls[k]}, {"ratio", share / median / ceiling}};
  }
  kinds["other"] = {{"seconds", std::max(0.0, s.median - inside)}};
  if (!by_kind) kinds = Json::object();
  return {{"seconds", to_json(s)}, {"flops", flops}, {"ratio", flops / s.median / ceiling}, {"floor_seconds", flops / ceiling}, {"kinds", kinds}};
}

void tell(const Json& j) {
  print_line(fmt::format("{} {} px, batch {}, {}, {}, {} threads: {:.0f} million parameters, {:.2f} GB", j["architecture"].get<std::string>(), j["size"].get<int>(), j["batch"].get<int>(),
                         j["dtype"].get<std::string>(), j["device"].get<std::string>(), j["threads"].get<int>(), j["parameters"].get<double>() / 1e6, j["weight_bytes"].get<double>() / 1e9));
  const Json& c = j["ceiling"];
  print_line(fmt::format("ceiling  product {:.0f}, convolution {:.0f} GFLOP/s; copy {:.1f} GB/s", c["product"]["median"].get<double>() / 1e9, c["convolution"]["median"].get<double>() / 1e9,
                         c["copy"]["median"].get<double>() / 1e9));
  print_line(fmt::format("{:<20} {:>10} {:>22} {:>9} {:>9} {:>7}", "", "seconds", "lowest .. highest", "TFLOP", "floor s", "ratio"));
  for (const auto& [name, s] : j["stages"].items()) {
    print_line(fmt::format("{:<20} {:>10.4f} {:>10.4f} .. {:>8.4f} {:>9.4f} {:>9.4f} {:>6.1f} %", name, s["seconds"]["median"].get<double>(), s["seconds"]["low"].get<double>(),
                           s["seconds"]["high"].get<double>(), s["flops"].get<double>() / 1e12, s["floor_seconds"].get<double>(), 100 * s["ratio"].get<double>()));
    for (const auto& [kind, k] : s["kinds"].items())
      if (k.contains("flops"))
        print_line(fmt::format("  {:<18} {:>10.4f} {:>22} {:>9.4f} {:>9} {:>6.1f} %", kind, k["seconds"].get<double>(), fmt::format("{} calls", k["calls"].get<int>()), k["flops"].get<double>() / 1e12, "",
                               100 * k["ratio"].get<double>()));
      else print_line(fmt::format("  {:<18} {:>10.4f}", kind, k["seconds"].get<double>()));
  }
  print_line(fmt::format("peak     {:.2f} GB resident", j["peak_bytes"].get<double>() / 1e9));
}

int bench(const Arguments& a, const Common& common) {
  at::NoGradGuard no_grad;
  set_compute_threads(a.threads > 0 ? a.threads : processors());
  const BenchArchitecture& architecture = bench_architecture(a.architecture);
  const at::Device device = device_named(a.device.empty() ? "cpu" : a.device);
  const BenchShape wanted{.size_px = a.size > 0 ? a.size : kUsualSize_px, .batch = a.batch, .dtype = dtype_of(a.dtype, device), .device = device, .share_weights = std::string(architecture.name) == "flux"};
  if (wanted.size_px % 64 != 0) throw Error(ErrorCode::invalid_argument, "--size " + std::to_string(wanted.size_px) + " is not a multiple of 64");
  note("making the weights");
  const BenchModel model = architecture.build(wanted);
  BenchModel plain;
  if (!a.page.empty()) {
    BenchShape unfrozen = wanted;
    unfrozen.frozen = false;
    plain = architecture.build(unfrozen);
  }
  const std::uint64_t before = peak_resident_bytes();
  std::map<std::string, Timed> timed, timed_plain;
  std::vector<double> products, convolutions, copies;
  const auto time = [&](const BenchStage& stage, std::map<std::string, Timed>* keep) {
    const WorkMeter meter;
    wait_for(device);
    const auto start = std::chrono::steady_clock::now();
    stage.run();
    wait_for(device);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (keep) (*keep)[stage.name].seconds.push_back(seconds), (*keep)[stage.name].tallies.push_back(meter.tally());
  };
  const auto time_plain = [&](std::map<std::string, Timed>* keep) {
    const PlainKernels scope;
    for (const BenchStage& stage : plain.stages) time(stage, keep);
  };
  ProgressBar bar(true);
  const auto began = std::chrono::steady_clock::now();
  for (const BenchStage& stage : model.stages) time(stage, nullptr);   // the first call makes plans and touches memory
  const std::uint64_t peak = peak_resident_bytes();
  time_plain(nullptr);
  const Ceiling ceiling(wanted.dtype, device);
  for (int round = 0; round < a.rounds; ++round) {   // interleaved, so that drift hits all alike
    const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    bar.show("timing", static_cast<double>(round) / a.rounds, spent / (round + 1) * (a.rounds - round), fmt::format("round {} of {},", round + 1, a.rounds));
    products.push_back(ceiling.product());
    for (const BenchStage& stage : model.stages) time(stage, &timed);
    time_plain(&timed_plain);
    convolutions.push_back(ceiling.convolution());
    copies.push_back(ceiling.copy());
  }
  const double most = std::max(spread_of(products).median, spread_of(convolutions).median);
  Json stages = Json::object();
  for (const BenchStage& stage : model.stages) stages[stage.name] = stage_json(timed.at(stage.name), most, device.is_cpu());
  Json out = {{"architecture", architecture.name}, {"size", wanted.size_px}, {"batch", a.batch}, {"dtype", wanted.dtype == at::kFloat ? "float32" : "bfloat16"}, {"device", device.str()}, {"threads", at::get_num_threads()},
                    {"rounds", a.rounds}, {"parameters", model.parameters}, {"weight_bytes", model.weight_bytes}, {"shared_weights", wanted.share_weights}, {"attention_kernels", flash_kernels()},
                    {"ceiling", {{"product", to_json(spread_of(products))}, {"convolution", to_json(spread_of(convolutions))}, {"copy", to_json(spread_of(copies))}}},
                    {"stages", stages}, {"loaded_bytes", before}, {"peak_bytes", peak}};
  if (!a.page.empty()) {
    out["plain_stages"] = Json::object();
    for (const BenchStage& stage : plain.stages) out["plain_stages"][stage.name] = stage_json(timed_plain.at(stage.name), most, device.is_cpu());
    write_file_atomic(a.page, profile_page(out));
  }
  if (common.json) print_json(out);
  else tell(out);
  return 0;
}

void tell_model(const Json& j) {
  print_line(fmt::format("{} {} x {} px, {} steps, {}: {:.0f} pictures an hour", j["model"].get<std::string>(), j["resolved"]["width"].get<int>(), j["resolved"]["height"].get<int>(),
                         j["resolved"]["steps"].get<int>(), j["resolved"]["dtype"].get<std::string>(), j["images_per_hour"].get<double>()));
  for (const auto& [name, s] : j["stages_ms"].items()) print_line(fmt::format("  {:<14} {:>9.2f} ms", name, s["median"].get<double>()));
  print_line(fmt::format("{:<10} {:>9} {:>22} {:>9} {:>10}", "probes", "ms", "lowest .. highest", "cost", "bytes"));
  for (const char* level : {"none", "summary", "full"}) {
    const Json& l = j["levels"][level];
    print_line(fmt::format("{:<10} {:>9.2f} {:>10.2f} .. {:>8.2f} {:>7.1f} % {:>10.0f}", level, l["ms"]["median"].get<double>(), l["ms"]["low"].get<double>(), l["ms"]["high"].get<double>(),
                           100 * l["cost"]["median"].get<double>(), l["bytes"].get<double>()));
  }
}

void tell_serving(const Json& j) {
  print_line(fmt::format("{} {} x {} px, {} steps, {}; batches of up to {} rows; {} pictures a load and server", j["model"].get<std::string>(), j["width"].get<int>(), j["height"].get<int>(),
                         j["steps"].get<int>(), j["dtype"].get<std::string>(), j["rows"].get<int>(), j["requests"].get<int>() * j["rounds"].get<int>()));
  for (const Json& l : j["layouts"])
    print_line(fmt::format("{} passes side by side of {} threads: {:.2f} pictures/s one by one, {:.2f} without shared batches, {:.2f} with", l["passes"].get<int>(), l["threads"].get<int>(),
                           l["one_by_one"].get<double>(), l["side_by_side"].get<double>(), l["batched"].get<double>()));
  print_line(fmt::format("served below: one by one with {} threads, batched with {} passes of {} threads", j["one_by_one"]["threads"].get<int>(), j["batched"]["passes"].get<int>(), j["batched"]["threads"].get<int>()));
  print_line(fmt::format("{:>6} {:>9}   {:^27}   {:^27} {:>8} {:>10}", "", "offered", "one by one", "step-level batching", "", "pictures"));
  print_line(fmt::format("{:>6} {:>9}   {:>9} {:>8} {:>8}   {:>9} {:>8} {:>8} {:>8} {:>10}", "load", "/s", "/s", "p50 s", "p95 s", "/s", "p50 s", "p95 s", "ratio", "in a pass"));
  const auto server = [](const Json& s) { return fmt::format("{:>9.2f} {:>8.2f} {:>8.2f}", s["images_per_second"].get<double>(), s["p50_s"].get<double>(), s["p95_s"].get<double>()); };
  for (const Json& l : j["serving"])
    print_line(fmt::format("{:>6.2f} {:>9.2f}   {}   {} {:>8.2f} {:>10.2f}", l["load"].get<double>(), l["offered_per_second"].get<double>(), server(l["one_by_one"]), server(l["batched"]),
                           l["throughput_ratio"].get<double>(), l["mean_pictures_in_a_pass"].get<double>()));
  print_line(fmt::format("batched pictures against those made one by one: PSNR at least {:.1f} dB, median {:.1f} dB", j["psnr_db"]["lowest"].get<double>(), j["psnr_db"]["median"].get<double>()));
}

void tell_points(const Json& j) {
  print_line(fmt::format("{:<12} {:<14} {:>6} {:>9} {:>12} {:>10} {:>22} {:>8} {:>16}", "point", "model", "steps", "guidance", "pixels", "ms", "lowest .. highest", "at once", "pictures an hour"));
  for (const Json& p : j["points"])
    print_line(fmt::format("{:<12} {:<14} {:>6} {:>9.3g} {:>12} {:>10.1f} {:>10.1f} .. {:>8.1f} {:>8} {:>16.0f}", p["name"].get<std::string>(), p["model"].get<std::string>(), p["steps"].get<int>(), p["guidance"].get<double>(),
                           fmt::format("{} x {}", p["width"].get<int>(), p["height"].get<int>()), p["ms"]["median"].get<double>(), p["ms"]["low"].get<double>(), p["ms"]["high"].get<double>(),
                           p["at_once"].get<int>(), p["images_per_hour"].get<double>()));
}

int bench_whole(const Arguments& a, const Common& common, const ModelBencher& model) {
  if (!model) throw Error(ErrorCode::unsupported, "this build has only --architecture");
  ModelBench wanted = a.serving;
  wanted.model = a.model;
  wanted.prompt = a.prompt;
  wanted.dtype = a.dtype == "bf16" ? "bfloat16" : a.dtype;
  wanted.device = a.device;
  wanted.size_px = a.size;
  wanted.batch = a.batch;
  wanted.steps = a.steps;
  wanted.threads = a.threads;
  if (!wanted.serve) wanted.rounds = a.rounds;
  const Json out = model(wanted);
  if (common.json) print_json(out);
  else if (!wanted.points.empty()) tell_points(out);
  else if (wanted.serve) tell_serving(out);
  else tell_model(out);
  return 0;
}

}  // namespace

Command lab_bench(CLI::App& parent, const Common& common, ModelBencher model) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = parent.add_subcommand("bench", "Time a model's stages against the machine's ceiling, measured between the same rounds");
  CLI::Option* named = c->add_option("--model", a->model, "a model by name or directory: whole pictures, and what each probe level costs");
  c->add_option("--prompt", a->prompt, "what --model paints");
  c->add_option("--steps", a->steps, "of --model; 0: as recommended")->check(CLI::Range(0, 1000));
  c->add_option("--architecture", a->architecture, "shapes of a published model with random weights: sd15, sdxl, sd3, flux")->excludes(named);
  c->add_option("--size", a->size, "pixels of a side; without it 512, or the model's own")->check(CLI::Range(64, 4096));
  c->add_option("--batch", a->batch, "pictures at a time")->check(CLI::Range(1, 64));
  c->add_option("--dtype", a->dtype, "float32 or bfloat16; without it what the processor is faster in, as measured, and bfloat16 on a GPU; of --model and --points float32");
  c->add_option("--device", a->device, "cpu, cuda or cuda:N; without it the processor");
  c->add_option("--page", a->page, "write a Markdown page: where the time goes, beside the same layers by the library's plain calls")->excludes(named);
  c->add_option("--points", a->serving.points, "pictures an hour of operating points, drawn as generate --from does: NAME=MODEL, or NAME=MODEL+UPSCALER for a cascade, comma separated")->delimiter(',')->excludes(named);
  CLI::Option* rounds = c->add_option("--rounds", a->rounds, "measurements of everything, interleaved; without it 5, or 2 with --serve")->check(CLI::Range(1, 1000));
  c->add_flag("--serve", a->serving.serve, "with --model: pictures that arrive by chance, one by one against step-level batching")->needs(named);
  c->add_option("--loads", a->serving.loads, "of --serve: offered loads, in what serving one by one sustains")->delimiter(',')->check(CLI::Range(0.01, 100.0));
  c->add_option("--requests", a->serving.requests, "of --serve: pictures a round, load and server")->check(CLI::Range(1, 10000));
  c->add_option("--rows", a->serving.rows, "of --serve: most rows of a shared batch; a picture with guidance takes two")->check(CLI::Range(1, 1024));
  c->add_option("--threads", a->threads, "0: one for each processor")->check(CLI::Range(0, 1024));
  return {c, [a, c, &common, model, rounds] {
            inherit(*c, "--threads", a->threads);
            inherit(*c, "--device", a->device);
            a->serving.rounds = rounds->count() > 0 ? a->rounds : 2;
            return a->model.empty() && a->serving.points.empty() ? bench(*a, common) : bench_whole(*a, common, model);
          }};
}

}  // namespace safelight::app
