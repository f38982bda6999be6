#include "apps/cli/context.h"
#include "bridge/diagnosis.h"
#include "common/api/json.h"
#include "common/base/error.h"

namespace safelight::app {
namespace {

int replay(const std::string& name, Context& context) {
  const TraceReader stored(context.find_run(name));
  const Json drawn = stored.run().value("images", Json::array());
  if (!drawn.is_array() || drawn.empty())
    throw Error(ErrorCode::conflict, "the stored run '" + stored.directory().string() + "' has no pictures to compare with (" + stored.run().value("status", std::string("unknown")) + "); `safelight generate` draws it anew");
  const Interventions change = interventions_from_json(stored.run().value("interventions", Json::object()));
  const auto directory = context.new_run_directory();
  const FinishedRun again = context.engine().generate(stored_request(stored), change, directory, {});
  const TraceReader second(directory);
  Json images = Json::array();
  const Json redrawn = second.run().value("images", Json::array());
  bool agree = drawn.size() == redrawn.size();
  for (std::size_t i = 0; i < std::min(drawn.size(), redrawn.size()); ++i) {
    const Json a = drawn[i].value("sha256", Json()), b = redrawn[i].value("sha256", Json());
    agree = agree && a == b;
    images.push_back({{"stored", a}, {"replayed", b}, {"agree", a == b}});
  }
  Json differences = Json::array();
  for (const char* key : {"environment", "weights"})
    if (stored.run().value(key, Json()) != second.run().value(key, Json())) differences.push_back(key);
  if (context.common.json) print_json({{"agree", agree}, {"run", directory.string()}, {"images", images}, {"differences", differences}});
  else print_line(std::string(agree ? "the bytes agree" : "the bytes differ") + "; replayed into " + directory.string());
  for (const Json& d : differences) note("differs from the stored run: " + d.get<std::string>());
  return agree ? 0 : 1;
}

}  // namespace

Command replay_command(CLI::App& app, Context& context) {
  auto run = std::make_shared<std::string>("latest");
  CLI::App* c = app.add_subcommand("replay", "Run a stored run again and say whether the bytes agree");
  c->add_option("run", *run, "id or directory of a run, or latest");
  return {c, [run, &context] { return replay(*run, context); }};
}

}  // namespace safelight::app
