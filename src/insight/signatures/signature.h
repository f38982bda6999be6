// Known failures: what each looks like, the pattern of findings it leaves, what is known to fix it, where it was reported.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/base/json.h"

namespace safelight {

// One mark by which a failure is known. `kind` decides what `name` is:
//   cause      a cause of the cause table
//   statistic  a series or fact, "attention.peak"; "text.*" stands for all of a group; with a direction
//   looks      what a person or the artifact score sees, see kLooks
//   trigger    a subsystem whose setting sets it off
//   module     a part of a module's name, "vae"
struct Sign {
  std::string kind;
  std::string name;
  std::string direction;              // of a statistic against its healthy band: above, below, outside; else empty
};

struct Signature {
  std::string id;                     // small letters, digits and '-'
  std::string title;
  std::string subsystem;
  std::vector<std::string> also;      // subsystems that are accepted as well
  std::string symptom;                // what a person sees
  std::string conditions;             // when it happens
  std::string fix;
  std::vector<Sign> signs;
  std::vector<std::string> references;  // https addresses
  std::string origin = "library";     // library, or the file that a user added
};

inline constexpr const char* kSignKinds[] = {"cause", "statistic", "looks", "trigger", "module"};
inline constexpr const char* kDirections[] = {"above", "below", "outside"};
inline constexpr const char* kLooks[] = {"colour", "contrast", "noise", "blur",     "banding", "clutter", "latent",
                                         "text",   "seams",    "duplicated", "detached", "missing", "merged",  "layout"};

Json to_json(const Signature& signature);
// {"signatures": [...]}, or one entry by itself. Throws Error(corrupt_file for what is not JSON, invalid_argument with every
// problem) naming `where`. Does not set `origin`.
std::vector<Signature> signatures_from_json(std::string_view text, const std::string& where);

// Immutable, so it may be shared between threads.
class SignatureLibrary {
 public:
  // The built-in entries, and every *.json of `directory` unless that is empty. A file of the directory that cannot be used (or
  // repeats an id) is named in rejected() and the others still serve. Throws Error(not_found) when there is no such directory.
  explicit SignatureLibrary(const std::filesystem::path& directory = {});

  const std::vector<Signature>& entries() const { return entries_; }
  const Signature* find(const std::string& id) const;
  const std::vector<std::string>& rejected() const { return rejected_; }  // one line per file

 private:
  void add_file(const std::filesystem::path& file);
  std::vector<Signature> entries_;
  std::vector<std::string> rejected_;
};

}  // namespace safelight
