// The encoder of T5 (Raffel et al., arXiv:1910.10683) in version 1.1, as SD3 and FLUX use it: no biases, root-mean-square
// norms, relative position buckets shared by all layers, attention without scaling, gated feed-forward.
#pragma once

#include <optional>
#include <vector>

#include "common/base/json.h"
#include "engine/tensor/hooks.h"
#include "engine/weights/layers.h"

namespace safelight {

struct T5Config {
  int64_t vocab_size = 32128, d_model = 4096, d_kv = 64, d_ff = 10240, num_layers = 24, num_heads = 64;
  int64_t buckets = 32, max_distance = 128;
  double eps = 1e-6;
  bool gated = true;   // gated-gelu; else plain relu

  // Throws Error(corrupt_file or unsupported) naming `where` and the key.
  static T5Config from_json(const Json& json, const std::string& where);
};

class T5Encoder {
 public:
  T5Encoder(const ParameterScope& p, const T5Config& config);
  // ids: int64 [B,T]; mask: undefined, or int64 [B,T] with 0 at positions to ignore. Returns [B,T,d_model]. Thread-safe.
  at::Tensor forward(const at::Tensor& ids, const at::Tensor& mask, const ForwardHooks& hooks) const;
  at::Tensor position_bias(int64_t length, at::Device device) const;  // [1,heads,T,T]
  const T5Config& config() const { return config_; }

 private:
  struct Layer {
    Layer(const ParameterScope& p, const T5Config& c, bool first);
    std::string path;
    RmsNorm norm1;
    Linear q, k, v, o;
    std::optional<Embedding> bias;  // in the first layer alone
    RmsNorm norm2;
    std::optional<Linear> gate, wide;
    Linear out;
  };

  T5Config config_;
  Embedding tokens_;
  std::vector<Layer> layers_;
  RmsNorm final_norm_;
};

}  // namespace safelight
