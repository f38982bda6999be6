// safelight: the command line. Parses, runs one command, turns errors into an exit status.
#include "apps/cli/context.h"
#include "apps/finish/commands.h"
#include "apps/lab/lab.h"
#include "common/base/error.h"
#include "common/formats/png.h"

namespace {

int tell_error(const safelight::app::Context& context, std::string_view code, const std::string& message, int status) {
  using namespace safelight::app;
  const std::string text = printable(message);
  if (context.common.json) print_json({{"error", {{"code", code}, {"message", text}}}});
  note("safelight: " + text);
  return status;
}

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
  std::vector<Command> commands = {generate_command(parser, context), diagnose_command(parser, context), report_command(parser, context),
                                   replay_command(parser, context),   runs_command(parser, context),     models_command(parser, context),
                                   list_command(parser, context),     sweep_command(parser, context),    compare_command(parser, context),
                                   text_command(parser, context.common), upscale_command(parser, context.common, upscalers())};
  CLI::App* lab = parser.add_subcommand("lab", "The laboratory: train, eval, card, calibrate, assay, knobs, verify, record");
  lab->require_subcommand(1);
  for (Command c : {lab_train(*lab, context.common, [](const Image& image) { return encode_png(image, {}); }), lab_record(*lab, context.common), lab_verify(*lab, context.common), lab_calibrate(*lab, context), lab_eval(*lab, context), lab_card(*lab, context), lab_assay(*lab, context), lab_knobs(*lab, context), lab_evidence(*lab, context)})
    commands.push_back(c);
  try {
    parser.parse(argc, argv);
    for (const Command& c : commands)
      if (c.parser->parsed()) return c.run();
  } catch (const CLI::ParseError& e) {
    return parser.exit(e, std::cerr, std::cerr) == 0 ? 0 : 2;
  } catch (const Error& e) {
    return tell_error(context, name(e.code()), e.what(), e.code() == ErrorCode::invalid_argument ? 2 : 1);
  } catch (const std::filesystem::filesystem_error& e) {
    return tell_error(context, name(ErrorCode::io), "'" + e.path1().string() + "': " + e.code().message(), 1);
  } catch (const std::exception& e) {
    return tell_error(context, name(ErrorCode::internal), e.what(), 1);
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) { safelight::app::leave(run(argc, argv)); }
