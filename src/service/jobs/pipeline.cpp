#include "service/jobs/pipeline.h"

#include <algorithm>
#include <cctype>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/toml_read.h"
#include "service/jobs/stage.h"

namespace safelight {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;
constexpr std::size_t kMostStages = 32;

std::string text_of(const Json& table, const char* key, const std::string& where, std::vector<Problem>& problems) {
  const auto it = table.find(key);
  if (it == table.end()) return "";
  if (!it->is_string()) return problems.push_back({where + key, "is no text", "use a string"}), "";
  return it->get<std::string>();
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 60 && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
}

class Reader {
 public:
  Reader(const std::vector<StageEntry>& injected, Pipeline& pipeline, std::vector<Problem>& problems) : injected_(injected), pipeline_(pipeline), problems_(problems) {}

  void read(const Json& root) {
    for (const auto& [key, value] : root.items())
      if (key != "name" && key != "prompt" && key != "slo" && key != "stage") problem(key, "is unknown", "known: name, prompt, slo, stage");
    pipeline_.name = text_of(root, "name", "", problems_);
    pipeline_.prompt = text_of(root, "prompt", "", problems_);
    if (!is_plain_name(pipeline_.name)) problem("name", pipeline_.name.empty() ? "is missing" : "is '" + pipeline_.name.substr(0, 60) + "'", "use 1 to 60 letters, digits, - and _");
    const auto stages = root.find("stage");
    if (stages == root.end() || !stages->is_array() || stages->empty()) return problem("stage", "is missing", "write one [[stage]] for every stage");
    if (stages->size() > kMostStages) return problem("stage", "has " + std::to_string(stages->size()) + " tables", "use at most 32");
    for (std::size_t i = 0; i < stages->size(); ++i) read_stage((*stages)[i], "stage[" + std::to_string(i) + "]");
  }

 private:
  void problem(const std::string& where, const std::string& what, const std::string& remedy) { problems_.push_back({where, what, remedy}); }

  void read_stage(const Json& table, const std::string& where) {
    if (!table.is_object()) return problem(where, "is no table", "write [[stage]]");
    StageSpec s;
    s.name = text_of(table, "name", where + ".", problems_);
    s.kind = text_of(table, "kind", where + ".", problems_);
    s.input = text_of(table, "input", where + ".", problems_);
    if (table.contains("on_failure")) s.on_failure = text_of(table, "on_failure", where + ".", problems_);
    for (const auto& [key, value] : table.items())
      if (key != "name" && key != "kind" && key != "input" && key != "on_failure") s.settings[key] = value;
    if (!is_plain_name(s.name)) problem(where + ".name", s.name.empty() ? "is missing" : "is '" + s.name.substr(0, 60) + "'", "use 1 to 60 letters, digits, - and _");
    if (find(s.name)) problem(where + ".name", "is '" + s.name + "' again", "give every stage a name of its own");
    if (s.on_failure != "fail" && s.on_failure != "skip" && s.on_failure != "use_previous")
      problem(where + ".on_failure", "is '" + s.on_failure.substr(0, 40) + "'", "known: fail, skip, use_previous");
    if (const StageEntry* kind = find_stage(s.kind, injected_)) read_edges(table, *kind, s, where);
    else problem(where + ".kind", "is '" + s.kind.substr(0, 40) + "'", "known: " + known_stages(injected_));
    pipeline_.stages.push_back(std::move(s));
  }

  void read_edges(const Json& table, const StageEntry& kind, StageSpec& s, const std::string& where) {
    if (kind.draws && pipeline_.prompt.empty() && !s.settings.contains("prompt")) problem("prompt", "is missing", "write what the picture is to show, here or in the stage");
    for (const Problem& p : kind.check(s.settings)) problem(where + (p.where.empty() ? "" : "." + p.where), p.what, p.remedy);
    if (kind.in == Port::none) {
      if (table.contains("input")) problem(where + ".input", "has no meaning for " + s.kind, "leave it out");
      if (s.on_failure == "use_previous") problem(where + ".on_failure", "is use_previous, but " + s.kind + " has nothing before it", "use fail or skip");
      return;
    }
    if (s.input.empty() && !pipeline_.stages.empty()) s.input = pipeline_.stages.back().name;
    const StageSpec* before = find(s.input);
    if (!before) return problem(where + ".input", s.input.empty() ? "is missing" : "is '" + s.input.substr(0, 60) + "'", "name a stage that stands before it");
    const StageEntry* source = find_stage(before->kind, injected_);
    if (!source || source->out == kind.in) return;
    const std::string takes(name(kind.in)), gives(name(source->out));
    problem(where + ".input", "takes " + takes + ", but '" + s.input + "' gives " + gives, "take the output of a stage that gives " + takes);
  }

  const StageSpec* find(const std::string& stage) const {
    const auto it = std::find_if(pipeline_.stages.begin(), pipeline_.stages.end(), [&](const StageSpec& s) { return s.name == stage; });
    return it == pipeline_.stages.end() ? nullptr : &*it;
  }

  const std::vector<StageEntry>& injected_;
  Pipeline& pipeline_;
  std::vector<Problem>& problems_;
};

}  // namespace

PipelineSource read_pipeline_source(const std::filesystem::path& file) {
  PipelineSource out{.file = file.string(), .toml = read_file(file, kMostBytes), .slo_toml = {}};
  const std::string where = "pipeline '" + out.file + "'";
  const Json root = json_of(parse_toml(out.toml, where), where);
  std::vector<Problem> problems;
  const std::string slo = text_of(root, "slo", "", problems);
  require_no(problems, where);
  if (!slo.empty()) out.slo_toml = read_file(file.parent_path() / slo, kMostBytes);
  return out;
}

Pipeline parse_pipeline(const PipelineSource& source) { return parse_pipeline(source, {}); }

Pipeline parse_pipeline(const PipelineSource& source, const std::vector<StageEntry>& injected) {
  const std::string where = "pipeline '" + source.file + "'";
  Pipeline pipeline;
  std::vector<Problem> problems;
  Reader(injected, pipeline, problems).read(json_of(parse_toml(source.toml, where), where));
  require_no(problems, where);
  if (source.slo_toml.empty()) pipeline.slo.name = "free";
  else pipeline.slo = parse_slo(source.slo_toml, "of " + source.file);
  return pipeline;
}

}  // namespace safelight
