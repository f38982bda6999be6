// The named tensors of a component. Modules ask for their parameters by the key that the checkpoint uses, so loading
// is a lookup, and training, saving and checking walk the same list.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/formats/gguf.h"

namespace safelight {

// How a parameter starts before training. Loading ignores it.
enum class Init { fan_in, zeros, ones, normal_002 };

// Set when a weight stays in the blocks of a GGUF type: the tensor then holds their bytes, and the layer unpacks them at
// every use.
struct PackedForm {
  std::optional<GgufType> type;
};

struct Parameter {
  std::string name;            // checkpoint key
  std::vector<int64_t> shape;  // expected shape
  at::Tensor tensor;           // shared with the module that asked for it; empty until loaded or initialised
  Init init = Init::fan_in;
  std::shared_ptr<PackedForm> packed;  // null for parameters that cannot stay packed
};

// Owns the list, in the order in which modules asked. Not thread-safe while modules are being built; read-only after.
class Parameters {
 public:
  // Returns a handle that later sees the loaded data. Throws Error(internal) if the name was asked for twice.
  at::Tensor create(const std::string& name, std::vector<int64_t> shape, Init init);
  // Says that the parameter declared last may stay packed, and shares the note of whether it is.
  std::shared_ptr<const PackedForm> may_stay_packed();
  const std::vector<Parameter>& all() const { return all_; }
  int64_t count() const;  // number of scalars over all parameters
  std::uint64_t bytes() const;  // of what is loaded

  // Says that no weight will change again, so that layers may keep them in an order of their own and give up the first. Only for what
  // is run and nothing else: afterwards a large convolution's tensor may be empty.
  void freeze() { *frozen_ = true; }
  std::shared_ptr<const bool> frozen() const { return frozen_; }

  // Fills every parameter with its initial values, float32, on the CPU; deterministic in `seed`.
  void initialise(uint64_t seed);
  void require_grad(bool on);
  // Lists the parameters of `other` here too, under a prefix; both lists share the tensors.
  void adopt(const Parameters& other, const std::string& prefix);

 private:
  std::vector<Parameter> all_;
  std::shared_ptr<bool> frozen_ = std::make_shared<bool>(false);
  std::unordered_set<std::string> names_;
};

// A place in the tree of names: scope / "attn1" / "to_q".
class ParameterScope {
 public:
  explicit ParameterScope(Parameters& store, std::string prefix = "") : store_(&store), prefix_(std::move(prefix)) {}
  ParameterScope operator/(const std::string& child) const {
    return ParameterScope(*store_, prefix_.empty() ? child : prefix_ + "." + child);
  }
  ParameterScope operator/(std::size_t index) const { return *this / std::to_string(index); }
  at::Tensor create(const std::string& name, std::vector<int64_t> shape, Init init = Init::fan_in) const {
    return store_->create((*this / name).prefix_, std::move(shape), init);
  }
  std::shared_ptr<const PackedForm> may_stay_packed() const { return store_->may_stay_packed(); }
  std::shared_ptr<const bool> frozen() const { return store_->frozen(); }
  const std::string& path() const { return prefix_; }

 private:
  Parameters* store_;
  std::string prefix_;
};

}  // namespace safelight
