#include "engine/training/checker/scene_checker.h"

#include <algorithm>
#include <cmath>

namespace safelight {
namespace {

constexpr double kBeside = 0.06;          // least distance of two centres along a relation's axis
constexpr double kOffCentre = 0.10;       // of an object that is on a side
constexpr double kNearCentre = 0.12;      // of one that is in the middle
constexpr double kSizeTolerance = 0.13;   // of the radius; crowded scenes are shrunk a little
constexpr double kSignScale = 0.7;        // of objects beside a sign
constexpr std::size_t kMostMatched = 7;   // all assignments of so many are tried

const char* const kOneUnclear = "something unclear";

std::string said(const ObjectClaim& c) {
  std::string out;
  if (c.size) out += std::string(name(*c.size)) + " ";
  if (c.colour) out += std::string(name(*c.colour)) + " ";
  return out + (c.shape ? name(*c.shape) : "object");
}

std::string said(const SeenObject& o) { return std::string(name(o.colour)) + " " + (o.shape ? name(*o.shape) : kOneUnclear); }

class Checker {
 public:
  Checker(const SeenScene& scene, const PromptClaims& claims) : scene_(scene), claims_(claims) {}

  CheckResult check() {
    expand();
    assign();
    for (std::size_t c = 0; c < claims_.objects.size(); ++c) check_object(static_cast<int>(c));
    if (claims_.sign) check_sign(*claims_.sign);
    for (const RelationClaim& r : claims_.relations) check_relation(r);
    if (!claims_.objects.empty() || claims_.sign) check_count();
    check_background();
    return std::move(out_);
  }

 private:
  void add(const char* kind, bool right, const std::string& reason) { out_.claims.push_back({kind, right, right ? "" : reason}); }

  const ObjectClaim& claim(int c) const { return claims_.objects[static_cast<std::size_t>(c)]; }
  const SeenObject& object(int s) const { return scene_.objects[static_cast<std::size_t>(s)]; }

  bool shape_fits(const ObjectClaim& c, const SeenObject& o) const { return !c.shape || o.shape == c.shape; }
  bool colour_fits(const ObjectClaim& c, const SeenObject& o) const { return !c.colour || o.colour == *c.colour; }

  // One match per claimed object; several without a number are as many as there are, but at least two.
  void expand() {
    for (int c = 0; c < static_cast<int>(claims_.objects.size()); ++c) {
      int n = claim(c).count;
      if (n == 0) n = static_cast<int>(std::count_if(scene_.objects.begin(), scene_.objects.end(), [&](const SeenObject& o) { return shape_fits(claim(c), o) && colour_fits(claim(c), o); }));
      if (claim(c).count == 0) n = std::clamp(n, 2, kMaxObjects);
      for (int i = 0; i < n; ++i) out_.matches.push_back({c, -1});
    }
  }

  // The best assignment of seen objects to claimed ones, all being tried.
  void assign() {
    std::vector<ItemMatch>& items = out_.matches;
    const std::size_t objects = items.size();
    if (claims_.sign) items.push_back({kTheSign, scene_.signs.empty() ? -1 : 0});
    std::vector<ItemMatch> best = items;
    double most = -1;
    std::vector<char> taken(std::min(scene_.objects.size(), kMostMatched), 0);
    const auto attempt = [&](auto& self, std::size_t item, double score) -> void {
      if (item == std::min(objects, kMostMatched)) {
        for (const RelationClaim& r : claims_.relations) score += 2.0 * relation_holds(r);
        if (score > most) most = score, best = items;
        return;
      }
      for (std::size_t s = 0; s < taken.size(); ++s) {
        if (taken[s]) continue;
        taken[s] = 1;
        items[item].seen = static_cast<int>(s);
        self(self, item + 1, score + likeness(claim(items[item].claim), scene_.objects[s]));
        taken[s] = 0;
      }
      items[item].seen = -1;
      self(self, item + 1, score);
    };
    attempt(attempt, 0, 0);
    items = best;
  }

  double likeness(const ObjectClaim& c, const SeenObject& o) const {
    const bool shape = shape_fits(c, o), colour = colour_fits(c, o);
    return 0.5 + 8 * shape + 6 * colour + 2 * (shape && colour) + (c.size && size_fits(*c.size, o)) + (c.place && in_place(*c.place, o));
  }

  // An inner object is small by its share of the outer one, an outer one large as if it were alone.
  bool size_fits(ObjectSize size, const SeenObject& o) const {
    if (o.within >= 0) {
      const double share = o.radius / std::max(object(o.within).radius, 1e-6);
      return size == (share < 0.5 ? ObjectSize::small : share < 0.75 ? ObjectSize::medium : ObjectSize::large);
    }
    const int index = static_cast<int>(&o - scene_.objects.data());
    const bool outer = std::any_of(scene_.objects.begin(), scene_.objects.end(), [&](const SeenObject& i) { return i.within == index; });
    const auto [low, high] = radius_range(size, outer ? 1 : static_cast<int>(scene_.objects.size()));
    const double scale = scene_.signs.empty() ? 1 : kSignScale;
    return (size == ObjectSize::small || o.radius >= scale * low * (1 - kSizeTolerance)) && (size == ObjectSize::large || o.radius <= scale * high * (1 + kSizeTolerance));
  }

  bool in_place(const Place& p, const Seen& s) const {
    const double dx = s.x - 0.5, dy = s.y - 0.5;
    if (p == Place{}) return std::hypot(dx, dy) < kNearCentre;
    const bool off_x = std::abs(dx) > kOffCentre, off_y = std::abs(dy) > kOffCentre;
    return (p.side == 0 || (off_x && dx * p.side > 0)) && (p.level == 0 || (off_y && dy * p.level > 0)) && (!p.corner || (off_x && off_y));
  }

  // Whether it holds between every object of the first claim and every one of the second, as they are matched.
  bool relation_holds(const RelationClaim& r) const {
    bool any = false;
    for (const ItemMatch& a : out_.matches)
      for (const ItemMatch& b : out_.matches)
        if (a.claim == r.first && b.claim == r.second) {
          any = true;
          if (a.seen < 0 || b.seen < 0 || !relation_holds(r.relation, a, b)) return false;
        }
    return any;
  }

  bool relation_holds(Relation relation, const ItemMatch& a, const ItemMatch& b) const {
    if (relation == Relation::inside) return a.claim != kTheSign && b.claim != kTheSign && object(a.seen).within == b.seen;
    const bool across = relation == Relation::left || relation == Relation::right;
    const Seen &first = seen(a), &second = seen(b);
    double dx = first.x - second.x, dy = first.y - second.y;
    if (!across) std::swap(dx, dy);
    const double along = relation == Relation::left || relation == Relation::above ? -dx : dx;
    const bool sign = a.claim == kTheSign || b.claim == kTheSign;  // a board is wide: above it is above it at either end
    return along > kBeside && (sign || along >= std::abs(dy));
  }

  const Seen& seen(const ItemMatch& m) const {
    if (m.claim == kTheSign) return scene_.signs[static_cast<std::size_t>(m.seen)];
    return object(m.seen);
  }

  void check_object(int c) {
    const ObjectClaim& o = claim(c);
    bool shape = true, colour = true, binding = true, size = true, place = true;
    std::string there;
    for (const ItemMatch& m : out_.matches) {
      if (m.claim != c) continue;
      const SeenObject* s = m.seen < 0 ? nullptr : &object(m.seen);
      const bool fits = s && shape_fits(o, *s), coloured = s && colour_fits(o, *s);
      shape = shape && fits;
      colour = colour && coloured;
      binding = binding && fits && coloured;
      size = size && s && (!o.size || size_fits(*o.size, *s));
      place = place && s && (!o.place || in_place(*o.place, *s));
      if (there.empty() && !(fits && coloured)) there = s ? said(*s) + " is there" : "it is missing";
    }
    const std::string reason = said(o) + " was asked for; " + there;
    add("object", shape, reason);
    if (o.colour) add("colour", colour, reason);
    if (o.colour && o.shape) add("binding", binding, reason);
    if (o.size) add("size", size, said(o) + " is not " + name(*o.size));
    if (o.place) add("position", place, said(o) + " is not in its place");
  }

  void check_sign(const SignClaim& c) {
    const SeenSign* s = scene_.signs.empty() ? nullptr : &scene_.signs.front();
    if (!c.text.empty()) add("text", s && s->text == c.text, s ? "the sign says \"" + s->text + "\" instead of \"" + c.text + "\"" : "there is no sign");
    if (c.colour) add("colour", s && s->colour == *c.colour, s ? std::string("the sign is ") + name(s->colour) + " instead of " + name(*c.colour) : "there is no sign");
    if (c.place) add("position", s && in_place(*c.place, *s), "the sign is not in its place");
  }

  void check_relation(const RelationClaim& r) {
    const auto item = [&](int c) { return c == kTheSign ? std::string("the sign") : "the " + said(claim(c)); };
    add("relation", relation_holds(r), item(r.first) + " is not " + name(r.relation) + " " + item(r.second));
  }

  void check_count() {
    const std::size_t signs = claims_.sign ? 1 : 0, objects = out_.matches.size() - signs;
    const auto things = [](std::size_t o, std::size_t s) { return std::to_string(o) + " object(s)" + (s > 0 ? " and " + std::to_string(s) + " sign(s)" : ""); };
    add("count", scene_.objects.size() == objects && scene_.signs.size() == signs,
        things(objects, signs) + " were asked for; " + things(scene_.objects.size(), scene_.signs.size()) + " are there");
  }

  void check_background() {
    const std::string there = scene_.tone && scene_.pattern ? std::string(name(*scene_.tone)) + " and " + name(*scene_.pattern) : "unclear";
    if (claims_.tone) add("background", scene_.tone == claims_.tone, std::string("a ") + name(*claims_.tone) + " background was asked for; it is " + there);
    if (claims_.pattern) add("background", scene_.pattern == claims_.pattern, std::string("a ") + name(*claims_.pattern) + " background was asked for; it is " + there);
  }

  const SeenScene& scene_;
  const PromptClaims& claims_;
  CheckResult out_;
};

}  // namespace

bool CheckResult::all() const {
  return !claims.empty() && std::all_of(claims.begin(), claims.end(), [](const ClaimResult& c) { return c.right; });
}

std::string CheckResult::reasons() const {
  std::string out;
  for (const ClaimResult& c : claims)
    if (!c.right && out.find(c.reason) == std::string::npos) out += (out.empty() ? "" : "; ") + c.reason;
  return out;
}

CheckResult check_scene(const SeenScene& scene, const PromptClaims& claims) { return Checker(scene, claims).check(); }

CheckResult check_image(const std::uint8_t* rgb, int side, const PromptClaims& claims) { return check_scene(see(rgb, side), claims); }

}  // namespace safelight
