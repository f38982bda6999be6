// The generation parameters that tools leave in the text of a PNG, read back as a request. One file per dialect.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/api/generate_request.h"
#include "common/formats/png.h"

namespace safelight {

struct PictureParameters {
  std::string tool;                  // Safelight, stable-diffusion.cpp, AUTOMATIC1111, ComfyUI
  GenerateRequest request;           // what is known, translated; the rest as the model recommends. `model` is a bare name
  std::vector<std::string> known;    // fields of the request that the picture states
  std::vector<std::string> unknown;  // a sentence for each thing that is not stated or could not be translated
};

// A writer of parameters. `claims` looks at the keywords alone.
struct PictureDialect {
  const char* name;
  bool (*claims)(const PngText&);
  PictureParameters (*read)(const PngText&);
};
const std::vector<PictureDialect>& picture_dialects();

// Empty when no dialect claims the picture. Throws Error(corrupt_file) naming `where` when one does and its text makes no sense.
std::optional<PictureParameters> picture_parameters(const PngText& text, const std::string& where);

// --- for the dialects ---

// UTF-8 as it is; other bytes are taken for Latin-1, which PNG's plain text chunks are by their standard.
std::string as_utf8(const std::string& bytes);

// What others call a sampler, with or without its spacing ("DPM++ 2M Karras", "dpmpp_2m"), and the spacing where it is apart
// ("karras", "sgm_uniform"). Sets request.scheduler; what has no counterpart here goes into `unknown`.
void translate_sampler(const std::string& sampler, const std::string& spacing, PictureParameters& out);

// The values as the text gives them; out of range or no number: into `unknown`. `field` is the name in the request.
void set_number(const char* field, const std::string& value, double low, double high, PictureParameters& out);
void set_seed(const std::string& value, PictureParameters& out);
void set_prompts(const std::string& prompt, const std::string& negative, PictureParameters& out);
// The last part of the path without the ending of a weight file: other machines have other folders.
void set_model(const std::string& name, PictureParameters& out);

}  // namespace safelight
