// safelight: the command line. Lists the commands; apps/console runs the one that was named.
#include "apps/cli/bench_model.h"
#include "apps/cli/context.h"
#include "apps/cli/enlarger.h"
#include "apps/cli/local_provider.h"
#include "apps/cli/typography_stage.h"
#include "apps/cli/upscale_stage.h"
#include "apps/console/program.h"
#include "apps/finish/commands.h"
#include "apps/lab/lab.h"
#include "apps/service/commands.h"
#include "common/formats/png.h"

namespace {

int run(int argc, char** argv) {
  using namespace safelight;
  using namespace safelight::app;
  CLI::App parser{"Safelight: a text-to-image engine that can explain itself"};
  parser.require_subcommand(1);
  parser.set_version_flag("--version", "safelight 0.1.0");
  parser.fallthrough();
  Context context;
  parser.add_flag("--json", context.common.json, "one JSON object on standard output, everything else on standard error");
  parser.add_option("--runs", context.runs_dir, "directory that holds runs")->envname("SAFELIGHT_RUNS");
  parser.add_option("--threads", context.threads, "threads to compute with; 0: one for a small model, one per processor for others")->check(CLI::Range(0, 1024));
  parser.add_option("--device", context.device, "where networks are computed: cpu, cuda or cuda:N; upscalers of one pass stay on the processor");
  std::vector<UpscalerEntry> enlarging = upscalers();
  for (UpscalerEntry& e : model_upscalers(context)) enlarging.push_back(std::move(e));
  const auto made_here = std::make_shared<LocalRuns>();
  ServiceContext service{.common = context.common, .runs_dir = context.runs_dir, .injected = {local_provider(context, made_here)}, .stages = {stage_typography(), stage_upscale_by(enlarging)},
                         .judge = [&context, made_here](const std::string& png, const std::string&) { return judge_local(context, *made_here, png); }};
  std::vector<Command> commands = {generate_command(parser, context), diagnose_command(parser, context), report_command(parser, context, service),
                                   replay_command(parser, context),   runs_command(parser, context),     models_command(parser, context),
                                   list_command(parser, context, service), run_command(parser, service),      approve_command(parser, service),
                                   sweep_command(parser, context),    compare_command(parser, context),  gradients_command(parser, context), text_command(parser, context.common),
                                   upscale_command(parser, context.common, enlarging)};
  CLI::App* lab = parser.add_subcommand("lab", "The laboratory: train, eval, card, calibrate, assay, natural, evidence, flows, knobs, verify, record, bench");
  lab->require_subcommand(1);
  for (Command c : {lab_train(*lab, context.common, [](const Image& image) { return encode_png(image, {}); }), lab_record(*lab, context.common), lab_verify(*lab, context.common), lab_bench(*lab, context.common, [&](const ModelBench& wanted) { return bench_model(context, wanted); }), lab_calibrate(*lab, context), lab_eval(*lab, context), lab_card(*lab, context), lab_assay(*lab, context), lab_knobs(*lab, context), lab_evidence(*lab, context), lab_flows(*lab, context), lab_natural(*lab, context)})
    commands.push_back(c);
  return run_program(parser, argc, argv, commands, context.common);
}

}  // namespace

int main(int argc, char** argv) { safelight::app::leave(run(argc, argv)); }
