#include "apps/service/catalogue_files.h"

#include <cstdlib>
#include <filesystem>

#include "common/base/error.h"
#include "common/base/json_read.h"

namespace safelight::app {
namespace {

std::vector<std::string> listed_in(const char* variable) {
  std::vector<std::string> out;
  const char* text = std::getenv(variable);
  if (!text) return out;
  std::string rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) out.push_back(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
  return out;
}

// The model's directory; empty: it is not there.
std::filesystem::path directory_of(const std::string& model) {
  std::vector<std::filesystem::path> places;
  if (const char* dir = std::getenv("SAFELIGHT_MODELS"); dir && *dir) places.emplace_back(dir);
  places.emplace_back(SAFELIGHT_SOURCE_MODELS);
  for (const auto& place : places)
    if (std::filesystem::is_directory(place / model)) return place / model;
  return {};
}

int count_at(const Json& share, const char* key) {
  const auto it = share.find(key);
  if (it == share.end() || !it->is_number_integer() || *it < 0 || *it > 1'000'000'000) throw Error(ErrorCode::corrupt_file, std::string("'") + key + "' is no count");
  return it->get<int>();
}

void take_board(Router& router, const std::string& row, const Json& board) {
  const auto tasks = board.find("tasks");
  if (tasks == board.end() || !tasks->is_object()) throw Error(ErrorCode::corrupt_file, "it has no tasks");
  for (const char* task : kRouteTasks) {
    const auto found = tasks->find(task);
    if (found == tasks->end()) continue;
    if (!found->is_object() || !found->contains("right") || !(*found)["right"].is_object()) throw Error(ErrorCode::corrupt_file, std::string("task '") + task + "' has no share of right pictures");
    const Json& right = (*found)["right"];
    const int is_right = count_at(right, "right"), of = count_at(right, "of");
    if (is_right > of) throw Error(ErrorCode::corrupt_file, std::string("task '") + task + "' has more right pictures than pictures");
    if (of > 0) router.statistics().measured(row, task, is_right, of);
  }
}

}  // namespace

void add_catalogue_flag(CLI::App& command, std::vector<std::string>& files) {
  command.add_option("--catalogue", files, "TOML file whose rows overlay the shipped catalogue; may be given several times; also SAFELIGHT_CATALOGUE")->allow_extra_args(false);
}

Catalogue open_catalogue(const std::vector<std::string>& files) {
  Catalogue catalogue = Catalogue::shipped();
  for (const std::string& file : listed_in("SAFELIGHT_CATALOGUE")) catalogue.overlay_file(file);
  for (const std::string& file : files) catalogue.overlay_file(file);
  return catalogue;
}

CredentialSource keys_from_environment() {
  return [](const std::string& name) -> std::optional<Secret> {
    const char* value = std::getenv(name.c_str());
    if (!value || !*value) return std::nullopt;
    return Secret(value);
  };
}

void take_score_boards(Router& router, const Catalogue& catalogue, std::vector<std::string>& warnings) {
  for (const ModelRow& row : catalogue.rows()) {
    if (row.protocol != "local") continue;
    const std::filesystem::path file = directory_of(row.wire_model) / "board.json";
    if (!std::filesystem::exists(file)) continue;
    try {
      take_board(router, row.id, read_json(file));
    } catch (const Error& e) {
      warnings.push_back("the score board '" + file.string() + "' is left out: " + e.what());
    }
  }
}

}  // namespace safelight::app
