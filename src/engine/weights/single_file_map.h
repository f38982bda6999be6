// From the layouts in which authors publish whole checkpoints (Stable Diffusion 1, 2, XL and 3, FLUX, bare autoencoders) to the
// components and names of a directory. Depths are read from the names, never assumed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/json.h"

namespace safelight {

// Where one tensor of a directory comes from.
struct MappedTensor {
  enum class Op {
    none,
    reshape,      // the same numbers: a 1x1 convolution that is a linear layer
    transpose,
    rows,         // first_row .. first_row + rows of a fused tensor
    swap_halves,  // of the first dimension: shift and scale change places
    identity      // no source: the layer does nothing
  };
  std::string component;  // unet, transformer, vae, text_encoder, text_encoder_2, text_encoder_3
  std::string key;
  std::string source;
  Op op = Op::none;
  int64_t first_row = 0, rows = 0;
  std::vector<int64_t> shape;
};

struct SingleFileMap {
  std::string layout;                 // sd1, sd2, sdxl, sdxl-refiner, sd3, flux, autoencoder
  std::vector<MappedTensor> tensors;
  std::vector<std::string> ignored;   // known and of no use: training state, position ids, layers that are never run
};

using TensorShapes = std::map<std::string, std::vector<int64_t>>;

// Throws Error(unsupported) with examples of what was seen when no layout, or more than one, claims the file, and
// Error(corrupt_file) listing the tensors that its layout does not know.
SingleFileMap map_single_file(const TensorShapes& shapes, const std::string& where);

// config.json of every component, and "scheduler", as far as shapes and the layout tell: head counts, activations and scaling
// factors are those of the published models.
std::map<std::string, Json> derive_configs(const SingleFileMap& map);

// One tensor of a checkpoint and the directory's tensors that it is made of: rows one after another where there are several.
struct OriginalTensor {
  struct Piece {
    std::string component, key;
  };
  std::string key;
  MappedTensor::Op op = MappedTensor::Op::none;  // reshape, transpose or swap_halves, as on the way in
  std::vector<Piece> pieces;
};

// The way back: the original names of a directory's components. Tensors that have none are listed in `left_out`.
std::vector<OriginalTensor> unmap_single_file(const std::map<std::string, TensorShapes>& components, const std::string& layout, std::vector<std::string>& left_out);

// "down_blocks.1.attentions.0.proj_in" -> "input_blocks.4.1.proj_in", for adapters that use original names: what the module may be
// called there (an upsampler has one of two names). layers: residual blocks in each down block.
std::vector<std::string> original_unet_names(const std::string& module, int64_t layers);

}  // namespace safelight
