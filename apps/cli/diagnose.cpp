#include "apps/cli/context.h"
#include "bridge/diagnosis.h"
#include "common/api/json.h"
#include "insight/diagnosis/text.h"

namespace safelight::app {

Command diagnose_command(CLI::App& app, Context& context) {
  struct Arguments {
    std::string run = "latest";
    int counterfactuals = 25;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("diagnose", "Say what broke a stored run, and prove it by reruns");
  c->add_option("run", a->run, "id or directory of a run, or latest");
  c->add_option("--counterfactuals", a->counterfactuals, "reruns that may be spent")->check(CLI::Range(0, 1000));
  return {c, [a, &context] {
            const auto run = context.find_run(a->run);
            ProgressBar bar(true);
            const Verdict v = diagnose_run(context.engine(), run, {.counterfactuals = a->counterfactuals},
                                           [&](const std::string& what, double part) { bar.show("diagnosing", part, 0, what + ","); });
            if (context.common.json) print_json({{"run", run.string()}, {"verdict", to_json(v)}});
            else print_line(verdict_text(v));
            return 0;
          }};
}

}  // namespace safelight::app
