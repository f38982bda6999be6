// A model family: how to recognise it, and how to make a pipeline's parts of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/api/generate_request.h"
#include "engine/families/model_files.h"
#include "engine/pipelines/components.h"

namespace safelight {

struct OpenOptions {
  std::string dtype = "float32";     // or "bfloat16"
  at::Device device = at::kCPU;      // of the networks; what goes in and comes out lies on the processor
  std::vector<std::string> without;  // components to leave out where the family can do without, as text_encoder_3 of SD3
  std::filesystem::path vocabulary;  // folder with the CLIP tokenizers for single files: clip and clip-pad-zero
  std::filesystem::path base;        // directory that lends the components that a single file does not hold
  std::filesystem::path vae;         // folder of another autoencoder, also a tiny one; empty: the model's own
  bool keep_packed = true;           // GGUF blocks stay packed in linear layers and are unpacked at every use
  std::vector<AdapterChoice> adapters;
  std::vector<EmbeddingChoice> embeddings;
};

struct Family {
  std::string name;
  std::string summary;
  bool (*claims)(const ModelFiles&) = nullptr;
  Components (*open)(const ModelFiles&, const OpenOptions&) = nullptr;
};

const std::vector<Family>& family_table();

// Opens a directory in the diffusers layout, a single-file checkpoint in its authors' layout, or a GGUF file. Throws
// Error(not_found) naming the missing part, Error(corrupt_file), Error(non_finite), Error(unsupported) when no family or more
// than one claims it, or for a pickle.
Components open_model(const std::filesystem::path& model, const OpenOptions& options);

}  // namespace safelight
