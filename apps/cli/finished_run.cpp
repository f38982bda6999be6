#include "apps/cli/finished_run.h"

#include "common/api/json.h"
#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/trace/run_record.h"

namespace safelight::app {
namespace {

// Whether every setting that was asked for is in the stored request, which the model's own have filled up.
bool holds(const Json& stored, const Json& asked, const Json& usual) {
  for (const auto& [key, value] : asked.items()) {
    const Json other = stored.is_object() ? stored.value(key, Json()) : Json();
    if (value.is_object() ? !holds(other, value, usual.value(key, Json::object())) : value != usual.value(key, Json()) && value != other) return false;
  }
  return true;
}

bool is_of(const Json& record, const GenerateRequest& request) {
  const Json stored = record.value("request", Json::object());
  Json asked = to_json(request);
  for (const char* key : {"prompt", "negative"})
    if (stored.value(key, Json()) != asked[key]) return false;
  if (record.value("interventions", Json::object()) != to_json(Interventions{})) return true;   // they are in the stored request too
  for (const char* key : {"seed", "count"})
    if (stored.value(key, Json()) != asked[key]) return false;
  if (std::filesystem::path(request.model).filename() == stored.value("model", std::string())) asked.erase("model");   // stored by its name
  return holds(stored, asked, to_json(GenerateRequest{}));
}

}  // namespace

bool holds_finished_run(const std::filesystem::path& directory, const GenerateRequest& request) {
  if (!std::filesystem::exists(directory) || (std::filesystem::is_directory(directory) && std::filesystem::is_empty(directory))) return false;
  Json record;
  try {
    if (std::filesystem::exists(directory / "run.json")) record = read_json(directory / "run.json");
  } catch (const Error&) {
    // no record of ours
  }
  if (!is_run_record(record))
    throw Error(ErrorCode::conflict, "'" + directory.string() + "' holds something that is no run; choose another --out");
  if (record.value("status", Json()) != "finished") {
    std::filesystem::remove_all(directory);
    return false;
  }
  if (!is_of(record, request))
    throw Error(ErrorCode::conflict, "'" + directory.string() + "' holds the finished run of another request; choose another --out, or remove it");
  return true;
}

}  // namespace safelight::app
