#include "engine/text/t5_tokenizer.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "engine/text/unicode.h"

namespace safelight {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

std::shared_ptr<T5Tokenizer> T5Tokenizer::open(const std::filesystem::path& directory, std::optional<bool> legacy) {
  std::shared_ptr<T5Tokenizer> t(new T5Tokenizer(SentencePieceModel::read(directory / "spiece.model")));
  if (t->model_.size() < 3) throw Error(ErrorCode::corrupt_file, "'" + (directory / "spiece.model").string() + "' lacks the padding, end and unknown pieces");
  try {
    const auto config = directory / "tokenizer_config.json", added = directory / "added_tokens.json";
    const Json settings = std::filesystem::exists(config) ? read_json(config) : Json::object();
    t->legacy_ = legacy.value_or(settings.value("legacy", true));
    const Json decoder = settings.value("added_tokens_decoder", Json::object());
    for (const auto& [id, token] : decoder.items())
      t->specials_.push_back({token.at("content"), std::stoll(id), token.value("lstrip", false), token.value("rstrip", false)});
    const Json plain = decoder.empty() && std::filesystem::exists(added) ? read_json(added) : Json::object();
    for (const auto& [text, id] : plain.items()) t->specials_.push_back({text, id.get<std::int64_t>(), true, true});
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, "the tokenizer files in '" + directory.string() + "': " + e.what());
  } catch (const std::logic_error&) {
    throw Error(ErrorCode::corrupt_file, "'" + (directory / "tokenizer_config.json").string() + "': an added token's id is not a number");
  }
  std::erase_if(t->specials_, [](const Special& s) { return s.text.empty(); });
  std::sort(t->specials_.begin(), t->specials_.end(), [](const Special& a, const Special& b) { return a.text.size() > b.text.size(); });
  return t;
}

std::int64_t T5Tokenizer::vocabulary_size() const {
  std::int64_t size = model_.size();
  for (const Special& s : specials_) size = std::max(size, s.id + 1);
  return size;
}

const T5Tokenizer::Special* T5Tokenizer::special_at(std::string_view text) const {
  if (text.front() != '<') {
    for (const Special& s : specials_)
      if (s.text.front() != '<' && text.starts_with(s.text)) return &s;
    return nullptr;
  }
  for (const Special& s : specials_)
    if (text.starts_with(s.text)) return &s;
  return nullptr;
}

TokenizedPrompt T5Tokenizer::encode(std::string_view utf8, int max_length) const {
  unicode::decode(utf8);  // throws, naming the byte
  std::vector<TokenSpan> all;
  std::size_t start = 0;
  bool strip = false;
  const auto flush = [&](std::size_t end, bool strip_right) {
    std::string_view part = utf8.substr(start, end - start);
    while (strip && !part.empty() && is_space(part.front())) part.remove_prefix(1);
    while (strip_right && !part.empty() && is_space(part.back())) part.remove_suffix(1);
    if (part.empty()) return;
    using Begin = SentencePieceModel::Begin;
    const Begin begin = legacy_ || all.empty() ? Begin::word : is_space(part.front()) ? Begin::inside : Begin::bare;
    for (SentencePieceModel::Piece& piece : model_.encode(part, begin)) all.push_back({piece.id, std::move(piece.text), false});
  };
  for (std::size_t i = 0; i < utf8.size();) {
    const Special* special = special_at(utf8.substr(i));
    if (!special) {
      ++i;
      continue;
    }
    flush(i, special->strips_left);
    all.push_back({special->id, special->text, true});
    strip = special->strips_right;
    start = i += special->text.size();
  }
  flush(utf8.size(), false);
  TokenizedPrompt out;
  const auto room = static_cast<std::size_t>(std::max(max_length - 1, 0));
  for (std::size_t i = 0; i < all.size(); ++i) (i < room ? out.tokens : out.truncated).push_back(all[i]);
  out.content = static_cast<std::int64_t>(out.tokens.size());
  for (const TokenSpan& t : out.tokens) out.ids.push_back(t.id);
  out.ids.push_back(eos_id());
  out.tokens.push_back({eos_id(), "</s>", true});
  out.ids.resize(std::max<std::size_t>(out.ids.size(), std::min<std::size_t>(static_cast<std::size_t>(max_length), std::size_t{1} << 16)), pad_id());
  return out;
}

}  // namespace safelight
