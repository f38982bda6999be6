#include "assay/damaged_weights.h"

#include "common/base/error.h"
#include "engine/families/adapters.h"
#include "engine/families/family.h"

namespace safelight {
namespace {

class DamagedSource final : public WeightSource {
 public:
  DamagedSource(std::shared_ptr<const WeightSource> inner, WeightChange change) : inner_(std::move(inner)), change_(std::move(change)) {}
  const Shapes& shapes() const override { return inner_->shapes(); }
  at::Tensor read(const std::string& key) const override { return change_(*inner_, key); }
  std::string where(const std::string& key) const override { return inner_->where(key); }
  std::string name() const override { return inner_->name(); }

 private:
  std::shared_ptr<const WeightSource> inner_;
  WeightChange change_;
};

class DamagedFiles final : public ModelFiles {
 public:
  DamagedFiles(std::unique_ptr<const ModelFiles> inner, std::string damaged, WeightChange change)
      : inner_(std::move(inner)), damaged_(std::move(damaged)), change_(std::move(change)) {}
  const std::filesystem::path& path() const override { return inner_->path(); }
  const Json& index() const override { return inner_->index(); }
  bool has(const std::string& component) const override { return inner_->has(component); }
  ComponentFiles component(const std::string& name) const override {
    ComponentFiles out = inner_->component(name);
    if (name == damaged_) out.weights = std::make_shared<DamagedSource>(out.weights, change_);
    return out;
  }
  std::filesystem::path tokenizer(const std::string& name) const override { return inner_->tokenizer(name); }
  std::pair<Json, std::string> scheduler(const std::string& name) const override { return inner_->scheduler(name); }

 private:
  std::unique_ptr<const ModelFiles> inner_;
  std::string damaged_;
  WeightChange change_;
};

std::unique_ptr<const ModelFiles> files_of(const std::filesystem::path& model) {
  std::unique_ptr<const ModelFiles> files = directory_files(model);
  const std::vector<AdapterChoice> adapters = own_adapters(*files);
  return adapters.empty() ? std::move(files) : with_adapters(std::move(files), adapters, {});
}

Components opened(const ModelFiles& files, const std::string& dtype) {
  for (const Family& family : family_table())
    if (family.claims(files)) return family.open(files, {.dtype = dtype});
  throw Error(ErrorCode::unsupported, "no family knows the model in '" + files.path().string() + "'");
}

}  // namespace

void damage_weights(const FaultSite& site, Injection& injection, Part part, WeightChange change) {
  if (!std::filesystem::is_directory(site.healthy.directory))
    throw Error(ErrorCode::unsupported, "weights can be damaged in model directories only; '" + site.healthy.directory.string() + "' is a file");
  injection.damage = [part, change = std::move(change)](Components c) {
    auto files = files_of(c.directory);
    const std::string component = part == Part::text_encoder ? "text_encoder" : part == Part::decoder ? "vae" : files->denoiser();
    const Components damaged = opened(DamagedFiles(std::move(files), component, change), c.dtype);
    if (part == Part::text_encoder) c.prompt = damaged.prompt;
    if (part == Part::denoiser) c.denoiser = damaged.denoiser;
    if (part == Part::decoder) c.autoencoder = damaged.autoencoder;
    return c;
  };
}

}  // namespace safelight
