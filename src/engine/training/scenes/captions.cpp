#include "engine/training/scenes/captions.h"

#include <cmath>

namespace safelight {
namespace {

constexpr double kBesidePlace = 0.10;   // a relation is told when the centres are at least so far apart
constexpr double kFarPlace = 0.14;      // a place is told when the centre is so far from the middle

// Text with nouns marked; grows from left to right.
class Phrase {
 public:
  Phrase& add(const std::string& words) {
    if (!words.empty()) text_ += (text_.empty() || words[0] == ',' || words[0] == '.' ? "" : " ") + words;
    return *this;
  }
  Phrase& noun(const std::string& word, std::vector<int> objects, bool sign = false) {
    add(word);
    mentions_.push_back({text_.size() - word.size(), text_.size(), std::move(objects), sign});
    return *this;
  }
  Phrase& quoted(const std::string& word) {
    add("\"" + word + "\"");
    for (std::size_t k = 1; k <= word.size(); ++k) letters_.push_back(text_.size() - 1 - word.size() + k);
    return *this;
  }
  Caption done() && { return {std::move(text_), std::move(mentions_), std::move(letters_)}; }

 private:
  std::string text_;
  std::vector<Mention> mentions_;
  std::vector<std::size_t> letters_;
};

class Writer {
 public:
  Writer(const Scene& scene, std::uint64_t seed) : scene_(scene), random_(seed, 0) {}

  Caption write() {
    const int where = random_.below(8);
    if (where == 0) p_.add(background()).add(",");
    switch (scene_.kind) {
      case SceneKind::single: single(); break;
      case SceneKind::pair: pair(); break;
      case SceneKind::nested: nested(); break;
      case SceneKind::count: count(); break;
      case SceneKind::group: group(); break;
      case SceneKind::sign: sign(); break;
    }
    if (where == 1) p_.add(",").add(background());
    if (where == 2) p_.add("on a").add(background());
    if (where == 3) p_.add("on").add(scene_.pattern == Pattern::plain ? name(scene_.tone) : "a " + background());
    if (random_.below(8) == 0) p_.add(".");
    return std::move(p_).done();
  }

 private:
  std::string background() {
    if (scene_.pattern == Pattern::plain) return (random_.below(4) == 0 ? "plain " : "") + std::string(name(scene_.tone)) + " background";
    return random_.below(2) == 0 ? std::string(name(scene_.tone)) + " " + name(scene_.pattern) + " background"
                                 : std::string(name(scene_.pattern)) + " " + name(scene_.tone) + " background";
  }

  // "a small red circle", in one of several orders; the colour may go unsaid where nothing else tells objects apart.
  void object(int i, bool colour_needed) {
    const SceneObject& o = scene_.objects[static_cast<std::size_t>(i)];
    const bool coloured = colour_needed || !random_.chance(0.15);
    const bool sized = random_.below(3) == 0;
    const std::string size = sized ? std::string(name(o.size)) + " " : "", colour = coloured ? std::string(name(o.colour)) + " " : "";
    switch (random_.below(6)) {
      case 0: p_.add("the " + size + colour.substr(0, colour.empty() ? 0 : colour.size() - 1)).noun(name(o.shape), {i}); break;
      case 1:
        if (coloured) {
          p_.add("a" + (sized ? " " + std::string(name(o.size)) : "")).noun(name(o.shape), {i}).add("that is " + std::string(name(o.colour)));
          break;
        }
        [[fallthrough]];
      default: {
        const std::string words = random_.below(6) == 0 ? colour + size : size + colour;
        p_.add("a" + (words.empty() ? "" : " " + words.substr(0, words.size() - 1))).noun(name(o.shape), {i});
      }
    }
  }

  void opening() {
    switch (random_.below(6)) {
      case 0: p_.add("there is"); break;
      case 1: p_.add("a picture of"); break;
      default: break;
    }
  }

  void single() {
    opening();
    object(0, false);
    const SceneObject& o = scene_.objects[0];
    const double dx = o.x - 0.5, dy = o.y - 0.5;
    if (random_.below(2) == 0) return;
    const std::string side = dx < 0 ? "left" : "right", level = dy < 0 ? "top" : "bottom";
    if (std::abs(dx) > kFarPlace && std::abs(dy) > kFarPlace) p_.add("in the " + level + " " + side + (random_.below(2) == 0 ? " corner" : ""));
    else if (std::abs(dx) > kFarPlace) p_.add("on the " + side);
    else if (std::abs(dy) > kFarPlace) p_.add("at the " + level);
    else if (std::hypot(dx, dy) < 0.08) p_.add("in the middle");
  }

  std::string relation(double dx, double dy) {  // of the first to the second; dx, dy from the first to the second
    if (std::abs(dx) >= std::abs(dy)) {
      const std::string side = dx > 0 ? "left" : "right";
      switch (random_.below(3)) {
        case 0: return "is to the " + side + " of";
        case 1: return "to the " + side + " of";
        default: return side + " of";
      }
    }
    const std::string side = dy > 0 ? "above" : "below";
    return random_.below(3) == 0 ? "is " + side : side;
  }

  void pair() {
    const bool swap = random_.below(2) == 1, colours = scene_.objects[0].shape == scene_.objects[1].shape;
    const SceneObject &a = scene_.objects[swap ? 1 : 0], &b = scene_.objects[swap ? 0 : 1];
    const double dx = b.x - a.x, dy = b.y - a.y;
    const bool clear = std::abs(std::abs(dx) - std::abs(dy)) > 0.04 && std::max(std::abs(dx), std::abs(dy)) > kBesidePlace;
    object(swap ? 1 : 0, colours);
    p_.add(clear && random_.below(3) != 0 ? relation(dx, dy) : "and");
    object(swap ? 0 : 1, colours);
  }

  void nested() {
    switch (random_.below(3)) {
      case 0: object(1, true), p_.add("is inside"), object(0, true); break;
      case 1: object(0, true), p_.add("with"), object(1, true), p_.add("inside"); break;
      default: object(1, true), p_.add("inside"), object(0, true);
    }
  }

  void count() {
    const SceneObject& o = scene_.objects[0];
    const int n = static_cast<int>(scene_.objects.size());
    if (random_.below(5) == 0) p_.add("there are");
    else if (random_.below(5) == 0) p_.add("a picture of");
    p_.add(number_word(n));
    if (random_.below(4) == 0) p_.add(name(o.size));
    if (!random_.chance(0.15)) p_.add(name(o.colour));
    std::vector<int> all;
    for (int i = 0; i < n; ++i) all.push_back(i);
    p_.noun(plural(o.shape), all);
  }

  void group() {
    std::vector<int> order;
    for (int i = 0; i < static_cast<int>(scene_.objects.size()); ++i) order.insert(order.begin() + random_.below(i + 1), i);
    for (std::size_t k = 0; k < order.size(); ++k) {
      if (k > 0) p_.add(k + 1 == order.size() ? "and" : ",");
      object(order[k], true);
    }
  }

  void board() {
    const Sign& s = *scene_.sign;
    const std::string colour = random_.chance(0.2) ? "" : std::string(" ") + name(s.colour);
    switch (random_.below(4)) {
      case 0: p_.add("the word").quoted(s.text).add("on a" + colour).noun("sign", {}, true); break;
      case 1: p_.add("a" + colour).noun("sign", {}, true).add("with the word").quoted(s.text); break;
      default: p_.add("a" + colour).noun("sign", {}, true).add("that says").quoted(s.text);
    }
  }

  void sign() {
    if (scene_.objects.empty()) {
      opening();
      return board();
    }
    const double dy = scene_.objects[0].y - scene_.sign->y;
    const bool told = std::abs(dy) > 2 * kBesidePlace && random_.below(2) == 0;
    if (random_.below(2) == 0) {
      board();
      p_.add(told ? (dy > 0 ? "above" : "below") : "and");
      object(0, false);
    } else {
      object(0, false);
      p_.add(told ? (dy > 0 ? "below" : "above") : "and");
      board();
    }
  }

  const Scene& scene_;
  SceneRandom random_;
  Phrase p_;
};

}  // namespace

std::string plural(Shape shape) { return std::string(name(shape)) + (shape == Shape::cross ? "es" : "s"); }

const char* number_word(int n) { return n == 2 ? "two" : n == 3 ? "three" : "four"; }

Caption caption(const Scene& scene, std::uint64_t seed) { return Writer(scene, seed).write(); }

std::vector<std::string> scene_vocabulary(const SceneOptions& options) {
  std::vector<std::string> words = {"a",  "the",  "and",   "is",    "that",  "there",      "picture", "of", "on",
                                    "to", "left", "right", "above", "below", "background", ",",       "."};
  const auto drawn = [&](SceneKind kind) { return options.share[static_cast<std::size_t>(kind)] > 0; };
  for (const char* word : {"in", "at", "top", "bottom", "middle", "corner", "plain"}) words.emplace_back(word);
  if (drawn(SceneKind::nested)) words.emplace_back("inside");
  if (drawn(SceneKind::nested) || drawn(SceneKind::sign)) words.emplace_back("with");
  if (drawn(SceneKind::count)) words.insert(words.end(), {"are", "two", "three", "four"});
  if (drawn(SceneKind::sign)) words.insert(words.end(), {"sign", "says", "word", "\""});
  for (int i = 0; i < options.shapes; ++i) {
    words.emplace_back(name(static_cast<Shape>(i)));
    if (drawn(SceneKind::count)) words.emplace_back(plural(static_cast<Shape>(i)));
  }
  for (int i = 0; i < options.colours; ++i) words.emplace_back(name(static_cast<Colour>(i)));
  for (int i = 0; i < kTones; ++i) words.emplace_back(name(static_cast<Tone>(i)));
  for (int i = 1; i < options.patterns; ++i) words.emplace_back(name(static_cast<Pattern>(i)));
  for (int i = 0; i < kSizes; ++i) words.emplace_back(name(static_cast<ObjectSize>(i)));
  return words;
}

}  // namespace safelight
