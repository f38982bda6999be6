// Full-text search over the library, offline: SQLite's FTS5 in memory.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "insight/signatures/signature.h"

namespace SQLite {
class Database;
}

namespace safelight {

struct SearchHit {
  const Signature* signature = nullptr;
  double score = 0;                   // -bm25: higher is better
  int words_found = 0;                // of the query's words
};

struct SearchResult {
  std::vector<SearchHit> hits;        // those with most of the query's words first, then by score
  std::vector<std::pair<std::string, std::vector<std::string>>> replaced;  // a word that no entry has -> close ones, searched in its place
};

// Keeps pointers into the library, which must outlive it. Not thread-safe.
class SignatureSearch {
 public:
  explicit SignatureSearch(const SignatureLibrary& library);
  ~SignatureSearch();

  // Any text is a query: what is not a letter or digit separates words. A query without words finds nothing.
  // Throws Error(internal) when SQLite fails.
  SearchResult find(const std::string& query, std::size_t limit = 20) const;

 private:
  std::set<std::size_t> entries_with(const std::string& word) const;
  std::vector<std::string> close_words(const std::string& word) const;
  const SignatureLibrary& library_;
  std::unique_ptr<SQLite::Database> db_;
  std::set<std::string> words_;       // of all entries
};

}  // namespace safelight
