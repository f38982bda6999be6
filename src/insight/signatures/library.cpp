#include <algorithm>
#include <system_error>

#include "common/base/io.h"
#include "insight/signatures/signature.h"

namespace safelight {

std::string_view signature_library_json();  // library.json, embedded

namespace {
constexpr std::uint64_t kLargestFile = 4 << 20;  // bytes
constexpr std::size_t kMostFiles = 1'000;
}  // namespace

SignatureLibrary::SignatureLibrary(const std::filesystem::path& directory) : entries_(signatures_from_json(signature_library_json(), "the signature library")) {
  if (directory.empty()) return;
  std::error_code refused;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory, refused))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  if (refused) throw Error(ErrorCode::not_found, "signatures directory '" + directory.string() + "' cannot be read: " + refused.message());
  std::sort(files.begin(), files.end());
  if (files.size() > kMostFiles) throw Error(ErrorCode::invalid_argument, "signatures directory '" + directory.string() + "' holds more than 1000 files");
  for (const auto& file : files) add_file(file);
}

void SignatureLibrary::add_file(const std::filesystem::path& file) {
  try {
    std::vector<Signature> added = signatures_from_json(read_file(file, kLargestFile), "'" + file.string() + "'");
    for (std::size_t i = 0; i < added.size(); ++i) {
      const bool twice = std::any_of(added.begin(), added.begin() + static_cast<std::ptrdiff_t>(i), [&](const Signature& s) { return s.id == added[i].id; });
      if (twice || find(added[i].id))
        throw Error(ErrorCode::conflict, "'" + file.string() + "': id '" + added[i].id + "' is taken; choose another");
    }
    for (Signature& s : added) {
      s.origin = file.string();
      entries_.push_back(std::move(s));
    }
  } catch (const Error& e) {
    rejected_.emplace_back(e.what());
  }
}

const Signature* SignatureLibrary::find(const std::string& id) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Signature& s) { return s.id == id; });
  return found == entries_.end() ? nullptr : &*found;
}

}  // namespace safelight
