// What cross-attention makes of a text, kept while the text stays the same: the steps of a run differ in the picture, not in the words.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace safelight {

struct KeysAndValues {
  at::Tensor keys, values;
};

// Belongs to one run; not thread-safe. A text is known by its tensor, not by what is in it: whoever writes into one must hand over another.
class TextKeys {
 public:
  // The text where `place` says and in its type; the same tensor for the same text.
  at::Tensor converted(const at::Tensor& text, const at::TensorOptions& place);
  // Those of `layer` (any address that is the layer's own), made once for each text. The newest few texts are kept.
  // Of batches of many rows, which would fill memory, nothing is kept.
  KeysAndValues of(const void* layer, const at::Tensor& text, const std::function<KeysAndValues()>& make);

 private:
  using Made = std::pair<at::Tensor, KeysAndValues>;
  std::map<const void*, std::vector<Made>> layers_;
  std::vector<std::pair<at::Tensor, at::Tensor>> converted_;
};

}  // namespace safelight
