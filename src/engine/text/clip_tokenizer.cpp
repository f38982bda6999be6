#include "engine/text/clip_tokenizer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <sstream>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "engine/text/bpe.h"
#include "engine/text/unicode.h"

namespace safelight {
namespace {

constexpr const char* kBegin = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";
constexpr std::array<std::u32string_view, 7> kContractions = {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};

[[noreturn]] void corrupt(const std::filesystem::path& file, const std::string& what) {
  throw Error(ErrorCode::corrupt_file, "'" + file.string() + "': " + what);
}

// A special token is written as a string, or as an object with "content".
std::string token_text(const Json& json, const char* key, const std::string& fallback) {
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) return fallback;
  if (it->is_string()) return it->get<std::string>();
  if (it->is_object() && it->contains("content") && (*it)["content"].is_string()) return (*it)["content"].get<std::string>();
  return fallback;
}

std::unordered_map<std::string, std::size_t> read_merges(const std::filesystem::path& file) {
  std::unordered_map<std::string, std::size_t> ranks;
  std::istringstream in(read_file(file));
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || (number == 1 && line.rfind("#version", 0) == 0)) continue;
    if (std::count(line.begin(), line.end(), ' ') != 1 || line.front() == ' ' || line.back() == ' ')
      corrupt(file, "line " + std::to_string(number) + " is not two symbols separated by a space");
    ranks.emplace(line, ranks.size());
  }
  return ranks;
}

enum class Kind { letters, number, other };

Kind kind_of(char32_t c) {
  return unicode::is_letter(c) ? Kind::letters : unicode::is_number(c) ? Kind::number : Kind::other;
}

}  // namespace

ClipTokenizer ClipTokenizer::open(const std::filesystem::path& directory, Cleaning cleaning) {
  ClipTokenizer t;
  t.cleaning_ = cleaning;
  const auto vocab_file = directory / "vocab.json";
  std::set<std::int64_t> seen;
  parse_json_members(read_file(vocab_file), "'" + vocab_file.string() + "'", [&](const std::string& token, const JsonMember& id) {
    if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || !seen.insert(id.get<std::int64_t>()).second)
      corrupt(vocab_file, "token '" + token.substr(0, 200) + "' has no id of its own");
    t.vocabulary_[token] = id.get<std::int64_t>();
  });
  if (t.vocabulary_.empty()) corrupt(vocab_file, "expected an object of token -> id");
  t.ranks_ = read_merges(directory / "merges.txt");
  t.read_specials(directory);
  return t;
}

void ClipTokenizer::read_specials(const std::filesystem::path& directory) {
  Json specials = Json::object(), config = Json::object();
  if (std::filesystem::exists(directory / "special_tokens_map.json"))
    specials = read_json(directory / "special_tokens_map.json");
  if (std::filesystem::exists(directory / "tokenizer_config.json"))
    config = read_json(directory / "tokenizer_config.json");
  if (!specials.is_object() || !config.is_object()) corrupt(directory, "special tokens and config must be objects");
  const auto id = [&](const char* key, const std::string& fallback) {
    const std::string text = token_text(specials, key, token_text(config, key, fallback));
    const auto it = vocabulary_.find(text);
    if (it == vocabulary_.end()) corrupt(directory / "vocab.json", "the special token '" + text + "' is missing");
    if (std::find(specials_.begin(), specials_.end(), text) == specials_.end()) specials_.push_back(text);
    return it->second;
  };
  bos_ = id("bos_token", kBegin);
  eos_ = id("eos_token", kEnd);
  unk_ = id("unk_token", kEnd);
  pad_ = id("pad_token", kEnd);
  if (config.contains("model_max_length") && config["model_max_length"].is_number_integer())
    max_length_ = static_cast<int>(std::clamp<std::int64_t>(config["model_max_length"].get<std::int64_t>(), 3, 1 << 16));
  if (!config.contains("safelight_words")) return;
  const Json& words = config["safelight_words"];
  if (!words.is_array()) corrupt(directory / "tokenizer_config.json", "safelight_words must be a list of words");
  for (const Json& word : words) closed_.insert(word.is_string() ? word.get<std::string>() : "");
  if (!config.contains("safelight_quoted")) return;
  const std::string quoted = config["safelight_quoted"].is_string() ? config["safelight_quoted"].get<std::string>() : "";
  if (quoted != "merged" && quoted != "spelled") corrupt(directory / "tokenizer_config.json", "safelight_quoted must be \"merged\" or \"spelled\"");
  open_quotes_ = true;
  spells_quoted_ = quoted == "spelled";
}

std::vector<std::string> ClipTokenizer::split(std::u32string_view s) const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < s.size();) {
    // U+0345 is neither letter nor other in the reference's case-insensitive pattern: it separates and vanishes.
    if (unicode::is_space(s[i]) || s[i] == 0x345) {
      ++i;
      continue;
    }
    std::size_t end = i;
    // Typed in capitals they reach this place as ordinary text and are special all the same, as in the reference.
    for (const std::u32string_view special : {std::u32string_view(U"<|startoftext|>"), std::u32string_view(U"<|endoftext|>")})
      if (s.substr(i, special.size()) == special) end = i + special.size();
    for (const std::u32string_view c : kContractions)
      if (end == i && s.substr(i, c.size()) == c) end = i + c.size();
    if (end == i) {
      const Kind kind = kind_of(s[i]);
      end = i + 1;
      while (kind != Kind::number && end < s.size() && !unicode::is_space(s[end]) && s[end] != 0x345 && kind_of(s[end]) == kind) ++end;
    }
    out.push_back(unicode::encode(s.substr(i, end - i)));
    i = end;
  }
  return out;
}

// Special tokens are found in the text as it was typed, before any cleaning; a pad token like "!" counts too.
std::vector<ClipTokenizer::Segment> ClipTokenizer::segments(std::string_view text) const {
  std::vector<Segment> out;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::string_view found;
    for (const std::string& special : specials_)
      if (special.size() > found.size() && text.substr(i, special.size()) == special) found = special;
    if (found.empty()) {
      ++i;
      continue;
    }
    if (i > begin) out.push_back({text.substr(begin, i - begin), false});
    out.push_back({found, true});
    begin = i += found.size();
  }
  if (begin < text.size()) out.push_back({text.substr(begin), false});
  return out;
}

// Words and marks. In a closed vocabulary every mark stands alone: `",` is a quotation mark and a comma.
std::vector<std::string> ClipTokenizer::words_of(std::string_view text) const {
  std::vector<std::string> out;
  for (std::string& word : split(clean_text(text, cleaning_))) {
    const bool marks = !closed_.empty() && !closed_.contains(word) && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::ispunct(c); });
    if (!marks) out.push_back(std::move(word));
    else for (const char c : word) out.emplace_back(1, c);
  }
  return out;
}

std::vector<std::string> ClipTokenizer::pieces_of(const std::string& word, bool spelled) const {
  if (word == kBegin || word == kEnd) return {word};
  if (spelled) return word_symbols(word);
  return merge_symbols(word_symbols(word), ranks_);
}

std::pair<std::string, std::int64_t> ClipTokenizer::largest() const {
  return *std::max_element(vocabulary_.begin(), vocabulary_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
}

std::int64_t ClipTokenizer::add_word(const std::string& token, std::int64_t rows) {
  if (token.empty() || vocabulary_.contains(token)) throw Error(ErrorCode::conflict, "the learned word '" + token + "' is a token already; give it another name");
  const std::int64_t first = vocabulary_size();
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::string name = i == 0 ? token : token + "_" + std::to_string(i);
    if (!vocabulary_.emplace(name, first + i).second) throw Error(ErrorCode::conflict, "the learned word '" + token + "' needs the token '" + name + "', which is there already");
    specials_.push_back(name);
    added_[name] = i == 0 ? rows : 1;
  }
  return first;
}

std::vector<TokenSpan> ClipTokenizer::content(std::string_view utf8, std::vector<std::string>& unknown_words) const {
  std::vector<TokenSpan> out;
  unicode::decode(utf8);  // refuses invalid UTF-8 with its place in the whole text
  std::vector<std::pair<std::string, bool>> words;
  for (const Segment& segment : segments(utf8)) {
    if (segment.special) words.emplace_back(std::string(segment.text), true);
    else
      for (std::string& word : words_of(segment.text)) words.emplace_back(std::move(word), false);
  }
  bool in_quotes = false;
  for (const auto& [word, special] : words) {
    if (open_quotes_ && !special && word == "\"") in_quotes = !in_quotes;
    const bool quoted = in_quotes && word != "\"";
    if (const auto learned = added_.find(word); special && learned != added_.end()) {
      for (std::int64_t i = 0; i < learned->second; ++i) out.push_back({vocabulary_.at(word) + i, word, false, i + 1 == learned->second});
      continue;
    }
    const std::vector<std::string> pieces = special ? std::vector<std::string>{word} : pieces_of(word, quoted && spells_quoted_);
    if (!closed_.empty() && !special && !quoted && !closed_.contains(word)) {
      unknown_words.push_back(word);
      continue;
    }
    for (const std::string& piece : pieces) {
      const auto it = vocabulary_.find(piece);
      const bool ends = piece.size() > 4 && piece.ends_with("</w>");
      out.push_back({it == vocabulary_.end() ? unk_ : it->second,
                     pieces.size() == 1 ? word : ends ? piece.substr(0, piece.size() - 4) : piece, false, &piece == &pieces.back()});
    }
  }
  return out;
}

TokenizedPrompt ClipTokenizer::encode(std::string_view utf8, int max_length) const {
  TokenizedPrompt out;
  std::vector<TokenSpan> content = this->content(utf8, out.unknown_words);
  const std::size_t room = static_cast<std::size_t>(std::max(max_length, 2)) - 2;
  const std::size_t kept = std::min(room, content.size());
  out.content = static_cast<std::int64_t>(kept);
  out.truncated.assign(content.begin() + static_cast<std::ptrdiff_t>(kept), content.end());
  content.resize(kept);
  out.tokens.push_back({bos_, kBegin, true});
  out.tokens.insert(out.tokens.end(), content.begin(), content.end());
  out.tokens.push_back({eos_, kEnd, true});
  for (const TokenSpan& token : out.tokens) out.ids.push_back(token.id);
  out.ids.resize(static_cast<std::size_t>(std::max(max_length, 2)), pad_);
  return out;
}

void write_clip_tokenizer(const std::filesystem::path& directory, const WordTokenizer& t) {
  std::unordered_map<std::string, std::size_t> ranks;
  std::vector<std::string> tokens = byte_symbols(), merges;
  for (const std::string& symbol : byte_symbols()) tokens.push_back(symbol + "</w>");
  std::set<std::string> known(tokens.begin(), tokens.end());
  std::vector<std::string> whole = t.words;
  whole.insert(whole.end(), t.quoted_words.begin(), t.quoted_words.end());
  for (const std::string& word : whole) {
    // New merges come last in rank, so they never disturb the words before.
    for (auto pieces = merge_symbols(word_symbols(word), ranks); pieces.size() > 1;
         pieces = merge_symbols(word_symbols(word), ranks)) {
      merges.push_back(pieces[0] + " " + pieces[1]);
      ranks.emplace(merges.back(), ranks.size());
      if (known.insert(pieces[0] + pieces[1]).second) tokens.push_back(pieces[0] + pieces[1]);
    }
  }
  tokens.emplace_back(kBegin);
  tokens.emplace_back(kEnd);
  Json vocabulary = Json::object();
  for (const std::string& token : tokens) vocabulary[token] = vocabulary.size();
  std::string merge_text = "#version: 0.2\n";
  for (const std::string& merge : merges) merge_text += merge + "\n";
  const Json specials = {{"bos_token", kBegin}, {"eos_token", kEnd}, {"unk_token", kEnd}, {"pad_token", kEnd}};
  Json config = specials;
  config["tokenizer_class"] = "CLIPTokenizer";
  config["model_max_length"] = t.max_length;
  config["do_lower_case"] = true;
  config["safelight_words"] = t.words;
  if (std::find(t.words.begin(), t.words.end(), "\"") != t.words.end()) config["safelight_quoted"] = t.spells_quoted ? "spelled" : "merged";
  std::filesystem::create_directories(directory);
  write_file_atomic(directory / "vocab.json", vocabulary.dump(0) + "\n");
  write_file_atomic(directory / "merges.txt", merge_text);
  write_file_atomic(directory / "special_tokens_map.json", specials.dump(2) + "\n");
  write_file_atomic(directory / "tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace safelight
