#include "engine/training/checker/scene_claims.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/training/checker/scene_words.h"

namespace safelight {
namespace {

// What a word of place means: alone a place in the picture, before "of" a relation.
struct PlaceWord {
  std::string_view word;
  Place place;
  Relation relation;
};
constexpr std::array<PlaceWord, 5> kPlaceWords = {{{"left", {-1, 0, false}, Relation::left},
                                                   {"right", {1, 0, false}, Relation::right},
                                                   {"top", {0, -1, false}, Relation::above},
                                                   {"bottom", {0, 1, false}, Relation::below},
                                                   {"middle", {}, Relation::inside}}};

// Walks the words from left to right. Adjectives wait for the noun behind them; those that meet something else instead
// ("a circle that is red on white") belong to the noun before them or to the background.
class Parser {
 public:
  explicit Parser(std::vector<Word> words) : words_(std::move(words)) {}

  PromptClaims parse() {
    for (at_ = 0; at_ < words_.size(); ++at_) {
      if (words_[at_].quoted) take_quotation();
      else if (!take_adjective(word()) && !take_noun()) take_other();
    }
    settle_adjectives();
    return std::move(claims_);
  }

 private:
  const std::string& word(std::size_t ahead = 0) const {
    static const std::string kNone = ",";
    return at_ + ahead < words_.size() && !words_[at_ + ahead].quoted ? words_[at_ + ahead].text : kNone;
  }

  bool is_adjective(const std::string& w) const {
    return named<Colour>(w, kColours) || named<ObjectSize>(w, kSizes) || named<Tone>(w, kTones) || named<Pattern>(w, kPatterns) || number_of(w);
  }

  // Whether an object or a sign comes next, behind articles and adjectives.
  bool item_follows(std::size_t ahead) const {
    if (at_ + ahead < words_.size() && words_[at_ + ahead].quoted) return true;
    while (word(ahead) == "a" || word(ahead) == "the" || is_adjective(word(ahead))) ++ahead;
    return noun_of(word(ahead)) || word(ahead) == "sign" || word(ahead) == "word";
  }

  bool take_adjective(const std::string& w) {
    if (const auto c = named<Colour>(w, kColours)) colour_ = c;
    else if (const auto s = named<ObjectSize>(w, kSizes)) size_ = s;
    else if (const auto t = named<Tone>(w, kTones)) tone_ = t;
    else if (const auto n = number_of(w)) count_ = n;
    else if (const auto p = named<Pattern>(w, kPatterns); p && w != "plain") pattern_ = p;
    else if (w == "plain" && (named<Tone>(word(1), kTones) || word(1) == "background")) pattern_ = Pattern::plain;
    else return w == "coloured" || w == "colored";
    return true;
  }

  bool take_noun() {
    if (word() == "background") {
      settle_background();
      settle_adjectives();
    } else if (word() == "sign") {
      sign().noun = word();
      if (colour_) sign().colour = std::exchange(colour_, {});
      refuse_adjectives();
      item_named(kTheSign);
    } else if (const auto noun = noun_of(word())) {
      const int count = count_ ? *count_ : noun->several ? 0 : 1;
      count_.reset();
      claims_.objects.push_back({noun->shape, std::exchange(colour_, {}), std::exchange(size_, {}), std::nullopt, count, word()});
      refuse_adjectives();
      item_named(static_cast<int>(claims_.objects.size()) - 1);
    } else {
      return false;
    }
    return true;
  }

  void take_quotation() {
    settle_adjectives();
    if (!sign().text.empty()) return claims_.unknown.push_back(words_[at_].text);
    sign().text = words_[at_].text;
    item_named(kTheSign);
  }

  void take_other() {
    settle_adjectives();
    const auto known = std::find_if(kPlaceWords.begin(), kPlaceWords.end(), [&](const PlaceWord& p) { return p.word == word(); });
    if (known != kPlaceWords.end()) {
      const bool of_item = word(1) == "of" && item_follows(2);
      return of_item ? relate(known->relation) : place(known->place);
    }
    if (word() == "corner") return place({0, 0, true});
    if (word() == "above") return relate(Relation::above);
    if (word() == "below") return relate(Relation::below);
    if (word() == "inside") return item_follows(1) ? relate(Relation::inside) : relate_back(Relation::inside);
    if (word() == "in" && item_follows(1)) return relate(Relation::inside);
    if (!claims_nothing(word())) claims_.unknown.push_back(word());
  }

  SignClaim& sign() {
    if (!claims_.sign) claims_.sign.emplace();
    return *claims_.sign;
  }

  std::optional<Place>& place_of(int item) { return item == kTheSign ? claims_.sign->place : claims_.objects[static_cast<std::size_t>(item)].place; }

  // An item was named: it ends a relation that waits for it, and takes a place that was said before it.
  void item_named(int item) {
    if (last_ == item) return;  // 'the word "EXIT" on a red sign' names the sign twice
    if (place_) place_of(item) = std::exchange(place_, {});
    if (relation_ && last_) {
      claims_.relations.push_back({*std::exchange(relation_, {}), *last_, item});
    } else if (relation_ && !base_) {
      base_ = item;  // "inside a blue square is a red circle"
      return;
    } else if (relation_) {
      claims_.relations.push_back({*std::exchange(relation_, {}), item, *std::exchange(base_, {})});
    }
    before_last_ = std::exchange(last_, item);
  }

  void relate(Relation relation) { relation_ = relation; }
  void relate_back(Relation relation) {  // "a blue square with a red circle inside"
    if (last_ && before_last_) claims_.relations.push_back({relation, *last_, *before_last_});
    else claims_.unknown.push_back(word());
  }

  // Words of place add up ("in the top left corner") on the item before them, or wait for the first one.
  void place(const Place& p) {
    std::optional<Place>& target = last_ ? place_of(*last_) : place_;
    const bool taken = target && ((p.side != 0 && target->side != 0) || (p.level != 0 && target->level != 0));
    std::optional<Place>& free = taken ? place_ : target;
    if (!free) free.emplace();
    if (p.side != 0) free->side = p.side;
    if (p.level != 0) free->level = p.level;
    free->corner = free->corner || p.corner;
  }

  void settle_background() {
    if (tone_) claims_.tone = std::exchange(tone_, {});
    if (pattern_) claims_.pattern = std::exchange(pattern_, {});
  }

  void settle_adjectives() {
    settle_background();
    if (last_ && *last_ != kTheSign) {
      ObjectClaim& object = claims_.objects[static_cast<std::size_t>(*last_)];
      if (colour_ && !object.colour) object.colour = std::exchange(colour_, {});
      if (size_ && !object.size) object.size = std::exchange(size_, {});
    } else if (last_ && colour_ && !sign().colour) {
      sign().colour = std::exchange(colour_, {});
    }
    refuse_adjectives();
  }

  // What no noun could take.
  void refuse_adjectives() {
    const auto refuse = [&](auto& adjective) {
      if (adjective) claims_.unknown.emplace_back(name(*std::exchange(adjective, {})));
    };
    refuse(colour_);
    refuse(size_);
    refuse(tone_);
    refuse(pattern_);
    if (count_) claims_.unknown.push_back(std::to_string(*std::exchange(count_, {})));
  }

  std::vector<Word> words_;
  std::size_t at_ = 0;
  PromptClaims claims_;
  std::optional<Colour> colour_;         // adjectives that wait for their noun
  std::optional<ObjectSize> size_;
  std::optional<Tone> tone_;
  std::optional<Pattern> pattern_;
  std::optional<int> count_;
  std::optional<Place> place_;
  std::optional<Relation> relation_;     // waits for its second item, or for both
  std::optional<int> last_, before_last_, base_;
};

}  // namespace

const char* name(Relation relation) {
  constexpr std::array<const char*, 5> kNames = {"left of", "right of", "above", "below", "inside"};
  return kNames[static_cast<std::size_t>(relation)];
}

PromptClaims parse_prompt(const std::string& text) { return Parser(words_of(text)).parse(); }

}  // namespace safelight
