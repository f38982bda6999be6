// Every model family there is. Adding one: its file, a declaration here and a line in the list.
#include <algorithm>

#include "common/base/error.h"
#include "engine/families/adapters.h"
#include "engine/families/family.h"

namespace safelight {

Family flux();
Family stable_diffusion();
Family stable_diffusion_3();
Family stable_diffusion_xl();

const std::vector<Family>& family_table() {
  static const std::vector<Family> table = {flux(), stable_diffusion(), stable_diffusion_3(), stable_diffusion_xl()};
  return table;
}

namespace {

std::string class_of(const ModelFiles& model) {
  const auto it = model.index().find("_class_name");
  if (it == model.index().end()) return "no _class_name";
  if (!it->is_string()) throw Error(ErrorCode::corrupt_file, "'" + (model.path() / "model_index.json").string() + "': _class_name must be a string");
  return it->get<std::string>();
}

}  // namespace

Components open_model(const std::filesystem::path& path, const OpenOptions& options) {
  if (!std::filesystem::exists(path)) throw Error(ErrorCode::not_found, "model '" + path.string() + "' is not there; see `safelight models list`");
  std::unique_ptr<const ModelFiles> model = std::filesystem::is_directory(path) ? directory_files(path) : single_file(path, options.base, options.vocabulary);
  if (const Json& index = model->index(); !index.empty() && !index.contains("unet") && !index.contains("transformer"))
    throw Error(ErrorCode::unsupported, "'" + path.string() + "' (" + class_of(*model) + ") has no denoiser among its parts, so it paints nothing by itself; what enlarges pictures is for `safelight upscale --model`");
  const std::vector<AdapterChoice> own = own_adapters(*model);
  std::vector<AdapterChoice> adapters = own;
  adapters.insert(adapters.end(), options.adapters.begin(), options.adapters.end());
  if (!adapters.empty() || !options.embeddings.empty()) model = with_adapters(std::move(model), adapters, options.embeddings);
  const Family* found = nullptr;
  std::string known;
  for (const Family& family : family_table()) {
    known += (known.empty() ? "" : ", ") + family.name;
    if (!family.claims(*model)) continue;
    if (found) throw Error(ErrorCode::internal, "both " + found->name + " and " + family.name + " claim '" + path.string() + "'");
    found = &family;
  }
  if (!found) {
    std::string seen;
    for (std::size_t i = 0; i < model->tensors().size() && i < 5; ++i) seen += (i ? ", " : "") + model->tensors()[i];
    throw Error(ErrorCode::unsupported, "no family knows the model in '" + path.string() + "' (" + class_of(*model) +
                                            ", " + std::to_string(model->tensors().size()) + " tensors: " + seen + ", ...); known: " + known);
  }
  Components components = found->open(*model, options);
  for (const AdapterChoice& adapter : own) components.weights.push_back({"adapter", adapter.file});
  return components;
}

}  // namespace safelight
