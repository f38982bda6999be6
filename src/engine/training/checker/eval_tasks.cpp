#include "engine/training/checker/eval_tasks.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "common/base/error.h"
#include "engine/training/scenes/captions.h"

namespace safelight {
namespace {

constexpr std::uint64_t kSeed = 0xE7A1;

struct Thing {
  Shape shape = Shape::circle;
  Colour colour = Colour::red;
  bool held_out() const { return safelight::held_out(shape, colour); }
  std::string words() const { return std::string(name(colour)) + " " + name(shape); }
};

std::string a(const std::string& words) { return "a " + words; }  // captions never say "an"

// Walks all pairs before it repeats one, neighbours far apart.
Thing walked(const SceneOptions& world, int i) {
  const int n = world.shapes * world.colours, pair = static_cast<int>(static_cast<std::int64_t>(i) * 31 % n);  // 31 has no factor of n
  return {static_cast<Shape>(pair % world.shapes), static_cast<Colour>(pair / world.shapes)};
}

Thing drawn(const SceneOptions& world, SceneRandom& random) {
  return {static_cast<Shape>(random.below(world.shapes)), static_cast<Colour>(random.below(world.colours))};
}

// Two that differ in shape and in colour.
std::array<Thing, 2> drawn_pair(const SceneOptions& world, SceneRandom& random) {
  std::array<Thing, 2> pair;
  pair[0] = drawn(world, random);
  do pair[1] = drawn(world, random);
  while (pair[1].shape == pair[0].shape || pair[1].colour == pair[0].colour);
  return pair;
}

// Prompt number i of a task; the random numbers are its own.
using Maker = EvalPrompt (*)(const SceneOptions&, int i, SceneRandom&);

EvalPrompt single(const SceneOptions& world, int i, SceneRandom&) {
  constexpr std::array<const char*, 6> kOpenings = {"a", "there is a", "a picture of a", "the", "there is the", "a picture of the"};
  constexpr std::array<const char*, 4> kSizes = {"", "small ", "medium ", "large "};
  const int wording = i / world.shapes, size = wording / 12;
  const auto shape = static_cast<Shape>(i % world.shapes);
  return {"", std::string(kOpenings[static_cast<std::size_t>(wording % 6)]) + " " + kSizes[static_cast<std::size_t>(size % 4)] + name(shape) + (wording / 6 % 2 == 1 ? "." : ""), false};
}

EvalPrompt colour(const SceneOptions& world, int i, SceneRandom&) {
  const Thing t = walked(world, i);
  switch (i / (world.shapes * world.colours) % 5) {
    case 0: return {"", a(t.words()), t.held_out()};
    case 1: return {"", "there is " + a(t.words()), t.held_out()};
    case 2: return {"", "the " + t.words(), t.held_out()};
    case 3: return {"", a(std::string(name(t.shape)) + " that is " + name(t.colour)), t.held_out()};
    default: return {"", "a picture of " + a(t.words()), t.held_out()};
  }
}

EvalPrompt two(const SceneOptions& world, int, SceneRandom& random) {
  const Thing p = drawn(world, random);
  Thing q;
  do q = drawn(world, random);
  while (q.shape == p.shape && q.colour == p.colour);
  return {"", a(p.words()) + " and " + a(q.words()), p.held_out() || q.held_out()};
}

// Every pair in one of the four relations and both roles.
EvalPrompt position(const SceneOptions& world, int i, SceneRandom&) {
  constexpr std::array<const char*, 4> kRelations = {"left of", "above", "right of", "below"};
  SceneRandom shared(kSeed, static_cast<std::uint64_t>(1'000'000 + i / 2));
  auto [p, q] = drawn_pair(world, shared);
  if (i % 2 == 1) std::swap(p, q);
  return {"", a(p.words()) + " " + kRelations[static_cast<std::size_t>(i / 2 % 4)] + " " + a(q.words()), p.held_out() || q.held_out()};
}

EvalPrompt count(const SceneOptions& world, int i, SceneRandom& random) {
  const int n = 1 + i % kMaxObjects;
  const Thing t = drawn(world, random);
  if (n == 1) return {"", a(t.words()), t.held_out()};
  return {"", std::string(number_word(n)) + " " + name(t.colour) + " " + plural(t.shape), t.held_out()};
}

// Every pair of objects also with its colours exchanged.
EvalPrompt binding(const SceneOptions& world, int i, SceneRandom&) {
  SceneRandom shared(kSeed, static_cast<std::uint64_t>(2'000'000 + i / 2));
  auto [p, q] = drawn_pair(world, shared);
  if (i % 2 == 1) std::swap(p.colour, q.colour);
  return {"", a(p.words()) + " and " + a(q.words()), p.held_out() || q.held_out()};
}

EvalPrompt nested(const SceneOptions& world, int i, SceneRandom& random) {
  const auto broad = [](Shape s) { return s == Shape::circle || s == Shape::square || s == Shape::triangle || s == Shape::diamond; };
  Thing outer, inner;
  do outer = drawn(world, random);
  while (!broad(outer.shape));
  do inner = drawn(world, random);
  while (inner.shape == Shape::ring || inner.colour == outer.colour);
  const bool held = outer.held_out() || inner.held_out();
  if (i % 3 == 0) return {"", a(inner.words()) + " inside " + a(outer.words()), held};
  if (i % 3 == 1) return {"", a(inner.words()) + " is inside " + a(outer.words()), held};
  return {"", a(outer.words()) + " with " + a(inner.words()) + " inside", held};
}

EvalPrompt sign(const SceneOptions& world, int i, const std::string& text, bool held) {
  const std::string board = std::string(name(static_cast<Colour>(i / 3 % world.colours))) + " sign", quoted = "\"" + text + "\"";
  if (i % 3 == 0) return {"", a(board) + " that says " + quoted, held};
  if (i % 3 == 1) return {"", a(board) + " with the word " + quoted, held};
  return {"", "the word " + quoted + " on " + a(board), held};
}

std::vector<std::string> words_of_length(std::size_t least, std::size_t most, bool held) {
  std::vector<std::string> out;
  for (const std::string& w : sign_words())
    if (w.size() >= least && w.size() <= most && held_out(w) == held) out.push_back(w);
  return out;
}

// Words of training and held-out ones by turns.
EvalPrompt text(const SceneOptions& world, int i, SceneRandom& random) {
  static const std::array<std::vector<std::string>, 2> kWords = {words_of_length(1, 4, false), words_of_length(1, 4, true)};
  const auto& words = kWords[static_cast<std::size_t>(i % 2)];
  return sign(world, i, words[static_cast<std::size_t>(random.below(static_cast<int>(words.size())))], i % 2 == 1);
}

// Words of training, held-out ones, and letters at random, which training is as good as certain never to have shown.
EvalPrompt long_text(const SceneOptions& world, int i, SceneRandom& random) {
  static const std::array<std::vector<std::string>, 2> kWords = {words_of_length(5, kMaxLetters, false), words_of_length(5, kMaxLetters, true)};
  if (i % 4 == 3) {
    std::string letters;
    const int length = 5 + random.below(kMaxLetters - 4);
    for (int k = 0; k < length; ++k) letters += "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[random.below(36)];
    return sign(world, i, letters, true);
  }
  const auto& words = kWords[static_cast<std::size_t>(i % 4 == 1)];
  return sign(world, i, words[static_cast<std::size_t>(random.below(static_cast<int>(words.size())))], i % 4 == 1);
}

EvalPrompt background(const SceneOptions& world, int i, SceneRandom&) {
  const Thing t = walked(world, i);
  const auto pattern = static_cast<Pattern>(i / kTones % world.patterns);
  const std::string kind = pattern == Pattern::plain ? "" : std::string(" ") + name(pattern);
  const std::string ground = name(static_cast<Tone>(i % kTones)) + kind + " background";
  switch (i / (kTones * world.patterns) % 3) {
    case 0: return {"", a(t.words()) + " on " + a(ground), t.held_out()};
    case 1: return {"", ground + ", " + a(t.words()), t.held_out()};
    default: return {"", a(t.words()) + ", " + ground, t.held_out()};
  }
}

struct Task {
  const char* name;
  Maker make;
  std::optional<SceneKind> needs;   // the kind of scene that training must have shown
};

constexpr std::array<Task, 10> kTasks = {{{"single", single, {}},
                                          {"colour", colour, {}},
                                          {"two", two, SceneKind::pair},
                                          {"position", position, SceneKind::pair},
                                          {"count", count, SceneKind::count},
                                          {"binding", binding, SceneKind::pair},
                                          {"nested", nested, SceneKind::nested},
                                          {"text", text, SceneKind::sign},
                                          {"text-5-8", long_text, SceneKind::sign},
                                          {"background", background, {}}}};

bool known(const Task& task, const SceneOptions& world) { return !task.needs || world.share[static_cast<std::size_t>(*task.needs)] > 0; }

}  // namespace

std::vector<std::string> eval_tasks(const SceneOptions& world) {
  std::vector<std::string> out;
  for (const Task& t : kTasks)
    if (known(t, world)) out.emplace_back(t.name);
  return out;
}

std::vector<EvalPrompt> eval_prompts(const std::string& task, const SceneOptions& world, int count) {
  const auto it = std::find_if(kTasks.begin(), kTasks.end(), [&](const Task& t) { return t.name == task && known(t, world); });
  if (it == kTasks.end()) {
    std::string names;
    for (const std::string& n : eval_tasks(world)) names += (names.empty() ? "" : ", ") + n;
    throw Error(ErrorCode::invalid_argument, "task '" + task + "' is not known for this model; known tasks: " + names);
  }
  std::vector<EvalPrompt> out;
  std::set<std::string> said;
  for (int i = 0; static_cast<int>(out.size()) < count && i < 20 * count + 1000; ++i) {
    SceneRandom random(kSeed + static_cast<std::uint64_t>(it - kTasks.begin()), static_cast<std::uint64_t>(i));
    EvalPrompt p = it->make(world, i, random);
    p.task = task;
    if (said.insert(p.text).second) out.push_back(std::move(p));
  }
  return out;
}

}  // namespace safelight
