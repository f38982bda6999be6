#include "insight/signatures/search.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <map>

namespace safelight {
namespace {

constexpr std::size_t kMostWords = 16, kLongestWord = 40;

// Letters, digits and every byte beyond ASCII make words; letters of ASCII become small.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  const auto close = [&] {
    if (!word.empty() && word.size() <= kLongestWord) out.push_back(word);
    word.clear();
  };
  for (const unsigned char c : text) {
    if (c >= 'A' && c <= 'Z') word += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80) word += static_cast<char>(c);
    else close();
  }
  close();
  return out;
}

// Edits (insert, delete, replace, swap of neighbours) between two words: optimal string alignment.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

// An FTS5 string cannot end early: words hold no quotes. A prefix counts too, so that "blur" finds "blurred".
std::string phrase(const std::string& word) { return "\"" + word + "\"*"; }

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : " ") + p;
  return out;
}

}  // namespace

SignatureSearch::SignatureSearch(const SignatureLibrary& library) : library_(library) {
  try {
    db_ = std::make_unique<SQLite::Database>(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    db_->exec("CREATE VIRTUAL TABLE entry USING fts5(id, title, symptom, conditions, fix, signs, tokenize = 'porter unicode61')");
    SQLite::Transaction filling(*db_);
    SQLite::Statement insert(*db_, "INSERT INTO entry(rowid, id, title, symptom, conditions, fix, signs) VALUES (?, ?, ?, ?, ?, ?, ?)");
    for (std::size_t i = 0; i < library.entries().size(); ++i) {
      const Signature& s = library.entries()[i];
      std::vector<std::string> signs = {s.subsystem};
      for (const Sign& sign : s.signs) signs.push_back(sign.name);
      const std::string texts[] = {s.id, s.title, s.symptom, s.conditions, s.fix, joined(signs)};
      insert.bind(1, static_cast<std::int64_t>(i));
      for (int column = 0; column < 6; ++column) {
        insert.bind(column + 2, texts[column]);
        for (const std::string& word : words_of(texts[column])) words_.insert(word);
      }
      insert.exec();
      insert.reset();
    }
    filling.commit();
  } catch (const SQLite::Exception& e) {
    throw Error(ErrorCode::internal, std::string("the search index of the signature library: ") + e.what());
  }
}

SignatureSearch::~SignatureSearch() = default;

std::set<std::size_t> SignatureSearch::entries_with(const std::string& word) const {
  SQLite::Statement select(*db_, "SELECT rowid FROM entry WHERE entry MATCH ?");
  select.bind(1, phrase(word));
  std::set<std::size_t> out;
  while (select.executeStep()) out.insert(static_cast<std::size_t>(select.getColumn(0).getInt64()));
  return out;
}

std::vector<std::string> SignatureSearch::close_words(const std::string& word) const {
  std::map<std::size_t, std::vector<std::string>> near;
  for (const std::string& known : words_)
    if (known.size() > 2) near[distance(word, known)].push_back(known);
  const std::size_t most = std::max<std::size_t>(1, word.size() / 3);
  if (near.empty() || near.begin()->first > most) return {};
  std::vector<std::string> out = near.begin()->second;
  out.resize(std::min<std::size_t>(out.size(), 3));
  return out;
}

SearchResult SignatureSearch::find(const std::string& query, std::size_t limit) const try {
  SearchResult out;
  std::vector<std::string> words = words_of(query);
  words.resize(std::min(words.size(), kMostWords));
  std::map<std::size_t, int> found;   // entry -> how many of the query's words it has
  std::string expression;
  const auto search_for = [&](const std::string& word) { expression += (expression.empty() ? "" : " OR ") + phrase(word); };
  for (const std::string& word : words) {
    std::set<std::size_t> with = entries_with(word);
    if (with.empty()) {
      out.replaced.emplace_back(word, close_words(word));
      for (const std::string& close : out.replaced.back().second) {
        with.merge(entries_with(close));
        search_for(close);
      }
    } else {
      search_for(word);
    }
    for (const std::size_t entry : with) ++found[entry];
  }
  if (expression.empty()) return out;
  // Weights of id, title, symptom, conditions, fix, signs.
  SQLite::Statement select(*db_, "SELECT rowid, bm25(entry, 4, 6, 4, 2, 1, 2) FROM entry WHERE entry MATCH ?");
  select.bind(1, expression);
  while (select.executeStep()) {
    const auto entry = static_cast<std::size_t>(select.getColumn(0).getInt64());
    out.hits.push_back({&library_.entries()[entry], -select.getColumn(1).getDouble(), found[entry]});
  }
  std::stable_sort(out.hits.begin(), out.hits.end(), [](const SearchHit& a, const SearchHit& b) {
    return std::pair(-a.words_found, -a.score) < std::pair(-b.words_found, -b.score);
  });
  out.hits.resize(std::min(out.hits.size(), limit));
  return out;
} catch (const SQLite::Exception& e) {
  throw Error(ErrorCode::internal, std::string("search in the signature library: ") + e.what());
}

}  // namespace safelight
