// Every model family there is. Adding one: its file, a declaration here and a line in the list.
#include <algorithm>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/formats/safetensors.h"
#include "engine/families/family.h"
#include "engine/weights/component_files.h"

namespace safelight {

Family flux();
Family stable_diffusion();
Family stable_diffusion_3();
Family stable_diffusion_xl();

const std::vector<Family>& family_table() {
  static const std::vector<Family> table = {flux(), stable_diffusion(), stable_diffusion_3(), stable_diffusion_xl()};
  return table;
}

Components open_model(const std::filesystem::path& directory, const OpenOptions& options) {
  if (!std::filesystem::is_directory(directory))
    throw Error(ErrorCode::not_found, "model '" + directory.string() + "' is not a directory; see `safelight models list`");
  if (!std::filesystem::exists(directory / "model_index.json"))
    throw Error(ErrorCode::not_found, "'" + (directory / "model_index.json").string() +
                                          "' is missing: this is not a model in the diffusers layout");
  ModelDirectory model{directory, read_json(directory / "model_index.json"), {}};
  if (!model.index.is_object()) throw Error(ErrorCode::corrupt_file, "'" + (directory / "model_index.json").string() + "' must hold an object");
  const char* denoiser = std::filesystem::is_directory(directory / "transformer") ? "transformer" : "unet";
  for (const auto& path : component_files(directory / denoiser, "diffusion_pytorch_model")) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    for (const auto& [key, tensor] : file.entries()) model.tensors.push_back(key);
  }
  std::sort(model.tensors.begin(), model.tensors.end());
  const Family* found = nullptr;
  std::string known;
  for (const Family& family : family_table()) {
    known += (known.empty() ? "" : ", ") + family.name;
    if (!family.claims(model)) continue;
    if (found) throw Error(ErrorCode::internal, "both " + found->name + " and " + family.name + " claim '" + directory.string() + "'");
    found = &family;
  }
  if (!found)
    throw Error(ErrorCode::unsupported, "no family knows the model in '" + directory.string() + "' (" +
                                            model.index.value("_class_name", std::string("no _class_name")) + ", " +
                                            std::to_string(model.tensors.size()) + " tensors); known: " + known);
  return found->open(model, options);
}

}  // namespace safelight
