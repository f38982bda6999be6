#include "apps/cli/lab/eval_board.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "apps/cli/lab/eval_attention.h"
#include "common/base/error.h"
#include "common/measure/wilson.h"
#include "engine/training/checker/scene_structure.h"

namespace safelight::app {
namespace {

constexpr double kZ = 1.96;  // 95 %

// What Student's t stays under with 97.5 %: a table for few degrees of freedom, then the expansion in their inverse (Abramowitz and
// Stegun, 26.7.5).
double student_t(int freedom) {
  constexpr std::array<double, 10> kFew = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
  if (freedom <= 10) return kFew[static_cast<std::size_t>(freedom - 1)];
  const double z = kZ, z3 = z * z * z, z5 = z3 * z * z, n = freedom;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n);
}

std::string row(const std::string& name, const TaskScores& s) {
  return fmt::format("{:<12}{:>8}  {:<19}{:<19}{:<19}{:<19}{}", name, s.right.of, shown(s.right), shown(s.right_seen), shown(s.right_held_out), shown(s.well_made), shown(s.attention, 2));
}

}  // namespace

std::string shown(const Rate& r) {
  if (r.of == 0) return "-";
  const auto [low, high] = r.interval();
  return fmt::format("{:.3f} ({:.2f}-{:.2f})", static_cast<double>(r.right) / r.of, low, high);
}

std::string shown(const Mean& m, int digits) { return m.of == 0 ? "-" : fmt::format("{:.{}f} +-{:.{}f}", m.value(), digits, m.half_width(), digits); }

std::pair<double, double> Rate::interval() const {
  const ShareInterval i = wilson_interval(right, of, kZ);
  return {i.low, i.high};
}

Json Rate::json() const {
  if (of == 0) return nullptr;
  const auto [low, high] = interval();
  return {{"right", right}, {"of", of}, {"rate", static_cast<double>(right) / of}, {"low", low}, {"high", high}};
}

double Mean::half_width() const {
  if (of < 2) return 1;
  return student_t(of - 1) * std::sqrt(std::max(0.0, squares / of - value() * value()) / (of - 1));
}

Json Mean::json() const {
  if (of == 0) return nullptr;
  return {{"mean", value()}, {"of", of}, {"low", value() - half_width()}, {"high", value() + half_width()}};
}

Json Judged::json() const {
  Json claims = Json::array();
  for (const ClaimResult& c : check.claims) claims.push_back({{"kind", c.kind}, {"right", c.right}, {"reason", c.reason}});
  return {{"task", prompt.task}, {"prompt", prompt.text}, {"held_out", prompt.held_out}, {"seed", seed}, {"right", check.all()},
          {"claims", claims}, {"problems", problems}, {"attention_iou", attention}};
}

SeenScene see_picture(const Image& image) {
  if (image.width != image.height || image.channels != 3) throw Error(ErrorCode::unsupported, "only square RGB pictures can be judged");
  return see(image.pixels.data(), image.width);
}

Judged judged_picture(const EvalPrompt& prompt, std::uint64_t seed, const SeenScene& scene, const PromptClaims& claims, const TraceReader* run) {
  Judged out{.prompt = prompt, .seed = seed, .check = check_scene(scene, claims), .problems = structural_problems(scene), .attention = {}};
  if (run) out.attention = attention_overlaps(*run, scene, claims, out.check);
  return out;
}

void TaskScores::add(const Judged& p) {
  right.add(p.check.all());
  (p.prompt.held_out ? right_held_out : right_seen).add(p.check.all());
  well_made.add(p.problems.empty());
  for (const ClaimResult& c : p.check.claims) kinds[c.kind].add(c.right);
  for (const double iou : p.attention) attention.add(iou);
}

Json TaskScores::json() const {
  Json claims = Json::object();
  for (const char* kind : kClaimKinds)
    if (const auto it = kinds.find(kind); it != kinds.end()) claims[kind] = it->second.json();
  return {{"right", right.json()}, {"right_seen", right_seen.json()}, {"right_held_out", right_held_out.json()}, {"well_made", well_made.json()},
          {"claims", claims}, {"attention_iou", attention.json()}};
}

void Board::add(const Judged& picture) {
  auto it = std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& t) { return t.first == picture.prompt.task; });
  if (it == tasks_.end()) it = tasks_.insert(tasks_.end(), {picture.prompt.task, {}});
  it->second.add(picture);
  all_.add(picture);
}

Json Board::json() const {
  Json tasks = Json::object();
  for (const auto& [name, scores] : tasks_) tasks[name] = scores.json();
  return {{"all", all_.json()}, {"tasks", tasks}};
}

std::vector<std::string> Board::table() const {
  std::vector<std::string> out = {fmt::format("{:<12}{:>8}  {:<19}{:<19}{:<19}{:<19}{}", "task", "pictures", "all claims right", "  seen in training", "  held out", "well made", "attention IoU")};
  for (const auto& [name, scores] : tasks_) out.push_back(row(name, scores));
  out.push_back(row("all", all_));
  out.emplace_back();
  for (const char* kind : kClaimKinds)
    if (const auto it = all_.kinds.find(kind); it != all_.kinds.end()) out.push_back(fmt::format("{:<12}{:>8}  {}", kind, it->second.of, shown(it->second)));
  return out;
}

}  // namespace safelight::app
