// Writes pictures to files.
#include <filesystem>

#include "common/base/error.h"
#include "common/base/fields.h"
#include "common/base/io.h"
#include "service/jobs/services.h"

namespace safelight {
namespace {

struct Settings {
  std::string file;                  // relative to the run's folder; several pictures: NAME-0.png, NAME-1.png; empty: the stage's name
};

template <class V> void fields(V& v, Settings& s) { v("file", s.file); }

std::vector<Problem> check_settings(const Json& json) {
  Settings s;
  std::vector<Problem> problems;
  fields_from_json(s, json, "", problems);
  const std::filesystem::path path(s.file);
  bool outside = path.is_absolute();
  for (const auto& part : path) outside = outside || part == "..";
  if (outside) problems.push_back({"file", "leads out of the run's folder", "use a name inside it"});
  return problems;
}

std::string extension(const std::string& mime) { return mime == "image/jpeg" ? ".jpg" : mime == "image/webp" ? ".webp" : ".png"; }

StageOutcome run(const StageCall& call) {
  const auto s = from_json<Settings>(call.spec.settings, "stage '" + call.spec.name + "'");
  StageOutcome out;
  out.facts["files"] = Json::array();
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const Picture& p = call.inputs[i];
    std::filesystem::path file = call.services.folder / (s.file.empty() ? call.spec.name : s.file);
    const std::string ending = file.has_extension() && !s.file.empty() ? file.extension().string() : extension(p.mime);
    if (!s.file.empty()) file.replace_extension();
    if (call.inputs.size() > 1) file += "-" + std::to_string(i);
    file += ending;
    std::filesystem::create_directories(file.parent_path());
    write_file_atomic(file, call.services.objects.get(p.object));
    out.facts["files"].push_back(file.string());
    out.outputs.push_back(p);
  }
  if (call.inputs.empty()) out.failure = "there is no picture to deliver";
  return out;
}

}  // namespace

StageEntry stage_deliver() {
  return {.name = "deliver", .summary = "writes the pictures to files", .in = Port::pictures, .out = Port::pictures, .reusable = false, .check = check_settings, .run = run};
}

}  // namespace safelight
