// The text tower of CLIP (Radford et al., arXiv:2103.00020), as checkpoints of the Stable Diffusion line carry it.
#pragma once

#include <optional>
#include <vector>

#include "common/base/json.h"
#include "engine/tensor/hooks.h"
#include "engine/weights/layers.h"

namespace safelight {

struct ClipTextConfig {
  int64_t vocab_size = 49408;
  int64_t hidden_size = 768;
  int64_t intermediate_size = 3072;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t max_position_embeddings = 77;
  int64_t projection_dim = 512;      // used only with `projected`
  std::string hidden_act = "quick_gelu";  // or "gelu"
  double layer_norm_eps = 1e-5;
  int64_t eos_token_id = 49407;      // 2 is the legacy value: then the pooled position is the largest id
  bool projected = false;            // CLIPTextModelWithProjection

  // Reads a component's config.json. Throws Error(corrupt_file) naming `where` for a missing or impossible value.
  static ClipTextConfig from_json(const Json& json, const std::string& where);
};

struct ClipTextOutput {
  at::Tensor last;                      // [B,T,hidden], after the final layer norm
  std::vector<at::Tensor> hidden;       // embeddings, then the output of every layer: num_hidden_layers + 1 tensors
  at::Tensor pooled;                    // [B,hidden], the row of `last` at the end token
  at::Tensor projected;                 // [B,projection_dim], or undefined
};

class ClipTextEncoder {
 public:
  ClipTextEncoder(const ParameterScope& p, const ClipTextConfig& config);
  // ids: int64 [B,T], T <= max_position_embeddings. mask: undefined, or int64 [B,T] with 0 at positions to ignore.
  ClipTextOutput forward(const at::Tensor& ids, const at::Tensor& mask, const ForwardHooks& hooks) const;
  at::Tensor final_norm(const at::Tensor& hidden) const { return final_norm_(hidden); }
  const ClipTextConfig& config() const { return config_; }

 private:
  struct Layer {
    Layer(const ParameterScope& p, const ClipTextConfig& config);
    at::Tensor forward(const at::Tensor& x, const at::Tensor& bias, const ForwardHooks& hooks) const;
    std::string path;
    int64_t heads;
    bool quick_gelu;
    LayerNorm norm1, norm2;
    Linear q, k, v, out, fc1, fc2;
  };
  at::Tensor pooled_positions(const at::Tensor& ids) const;

  ClipTextConfig config_;
  Embedding tokens_, positions_;
  std::vector<Layer> layers_;
  LayerNorm final_norm_;
  std::optional<Linear> projection_;
};

}  // namespace safelight
