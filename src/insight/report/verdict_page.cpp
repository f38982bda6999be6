#include "insight/report/verdict_page.h"

#include <algorithm>
#include <map>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "insight/report/data_url.h"

namespace safelight {
namespace {

namespace fs = std::filesystem;

bool is_run(const fs::path& directory) { return fs::exists(directory / "run.json"); }

// The runs that a counterfactual names; beside the run itself where it was moved with them.
std::vector<fs::path> runs_named(const TraceReader& run, const Json& counterfactual, const char* key) {
  std::vector<fs::path> out;
  for (const Json& r : counterfactual.value(key, Json::array())) {
    const fs::path named = r.is_string() ? fs::path(r.get<std::string>()) : fs::path(), beside = run.directory() / "counterfactuals" / named.filename();
    out.push_back(!is_run(named) && is_run(beside) ? beside : named);
  }
  return out;
}

// What was changed in a stored run; null when it cannot be read.
Json interventions_of(const fs::path& run) {
  try {
    return read_json(run / "run.json").value("interventions", Json());
  } catch (const Error&) {
    return nullptr;
  }
}

// Finds the runs as they were for each treated one: this run, and for further seeds those reruns that changed the seed alone.
class Untreated {
 public:
  explicit Untreated(const TraceReader& run) : run_(run), own_(run.run().value("interventions", Json::object())) {}

  // One per treated run; an empty path where there is none.
  std::vector<fs::path> beside(const std::vector<fs::path>& treated) {
    std::vector<fs::path> out;
    for (std::size_t i = 0; i < treated.size(); ++i) out.push_back(i == 0 ? run_.directory() : with_seed_of(treated[i]));
    return out;
  }

 private:
  fs::path with_seed_of(const fs::path& treated) {
    const auto& reruns = reruns_in(treated.parent_path());
    const Json theirs = interventions_of(treated);
    if (!own_.is_object() || !theirs.is_object()) return {};
    Json wanted = own_;
    wanted["seed"] = theirs.value("seed", Json());
    wanted["restart"] = nullptr;
    const auto found = reruns.find(wanted.dump());
    return found == reruns.end() ? fs::path() : found->second;
  }

  const std::map<std::string, fs::path>& reruns_in(const fs::path& directory) {
    const auto [at, made] = reruns_.try_emplace(directory.string());
    if (made && fs::is_directory(directory))
      for (const auto& entry : fs::directory_iterator(directory))
        if (is_run(entry.path())) at->second[interventions_of(entry.path()).dump()] = entry.path();
    return at->second;
  }

  const TraceReader& run_;
  Json own_;
  std::map<std::string, std::map<std::string, fs::path>> reruns_;   // directory -> interventions as text -> run
};

Json run_links(const std::vector<fs::path>& runs, const fs::path& page_directory) {
  Json out = Json::array();
  for (const fs::path& r : runs) {
    const fs::path page = r / "report.html";
    const bool linked = !r.empty() && !page_directory.empty() && fs::exists(page);
    out.push_back({{"run", r.empty() ? Json(nullptr) : Json(r.string())}, {"picture", r.empty() ? Json(nullptr) : picture_url(r / "image-0.png")},
                   {"page", linked ? Json(fs::proximate(page, page_directory).generic_string()) : Json(nullptr)}});
  }
  return out;
}

}  // namespace

Json verdict_page(const TraceReader& run, const fs::path& page_directory) {
  Json verdict = run.run().value("verdict", Json());
  if (!verdict.is_object()) return nullptr;
  if (!verdict.contains("counterfactuals") || !verdict["counterfactuals"].is_array()) verdict["counterfactuals"] = Json::array();
  Untreated untreated(run);
  for (Json& c : verdict["counterfactuals"]) {
    const auto treated = runs_named(run, c, "runs"), sham = runs_named(run, c, "sham_runs");
    c["before_runs"] = run_links(untreated.beside(treated), page_directory);
    c["after_runs"] = run_links(treated, page_directory);
    c["sham_runs"] = run_links(sham, page_directory);
    c.erase("runs");
  }
  return verdict;
}

std::vector<fs::path> cited_runs(const TraceReader& run) {
  std::vector<fs::path> out;
  const Json verdict = run.run().value("verdict", Json());
  if (!verdict.is_object()) return out;
  Untreated untreated(run);
  for (const Json& c : verdict.value("counterfactuals", Json::array())) {
    const auto treated = runs_named(run, c, "runs"), sham = runs_named(run, c, "sham_runs");
    for (const auto& list : {untreated.beside(treated), treated, sham})
      for (const fs::path& r : list)
        if (!r.empty() && r != run.directory() && is_run(r) && std::find(out.begin(), out.end(), r) == out.end()) out.push_back(r);
  }
  return out;
}

}  // namespace safelight
