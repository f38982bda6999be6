// The smallest embedded model on one thread, and a directory that goes away.
#pragma once

#include <unistd.h>

#include <filesystem>

#include "common/formats/png.h"
#include "engine/facade/engine.h"

namespace safelight {

inline std::filesystem::path nano() { return std::filesystem::path(SAFELIGHT_SOURCE) / "models" / "signs-nano"; }

inline EngineSettings small_engine() {
  EngineSettings settings;
  settings.model_dirs = {nano().parent_path()};
  settings.threads = 1;
  settings.encoder = [](const Image& image, const std::string&) { return encode_png(image, {}); };
  return settings;
}

class ScratchDirectory {
 public:
  ScratchDirectory() : path_(std::filesystem::temp_directory_path() / ("safelight-assay-test-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace safelight
