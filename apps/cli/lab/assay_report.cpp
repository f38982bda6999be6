#include "apps/cli/lab/assay_report.h"

#include <fmt/format.h>

#include <filesystem>

namespace safelight::app {
namespace {

struct Label {
  const char *key, *text;
};
constexpr Label kRates[] = {{"subsystem_top1", "subsystem, first"}, {"subsystem_top2", "subsystem, first two"}, {"cause", "cause"}, {"trigger", "trigger"},
                            {"stage", "stage"}, {"module", "module"}, {"step_within_one", "first bad step within 1"}, {"false_alarms", "false alarms"}};
constexpr Label kStrategies[] = {{"most_common_subsystem", "most common subsystem"}, {"fixed_thresholds", "fixed thresholds"}, {"blind_swapping", "blind swapping"}};

std::string rate_text(const Json& rate) {
  if (rate["of"] == 0) return "none";
  return fmt::format("{:.1f} % ({} of {}; {:.1f}-{:.1f})", 100 * rate["share"].get<double>(), rate["right"].get<int>(), rate["of"].get<int>(),
                     100 * rate["low"].get<double>(), 100 * rate["high"].get<double>());
}

std::string change_text(const Json& fault) {
  const Json& change = fault["mean_pixel_change"];
  return change.is_null() ? "size" : fmt::format("{:.1f}", change.get<double>());
}

// The groups in the order in which they should be read.
struct Group {
  std::string title;
  const Json& scores;
};
std::vector<Group> groups_of(const Json& report) {
  return {{"Faults added after the detectors were frozen", report["held_out"]},
          {"All faults", report["all"]},
          {fmt::format("Faults that change the picture by {:.0f} of 255 or more", report["visible"]["least_pixel_change"].get<double>()), report["visible"]["scores"]}};
}

void add_lines(const Group& group, std::vector<std::string>& lines) {
  lines.push_back(group.title);
  const Json &with = group.scores["with_counterfactuals"], &without = group.scores["observed_only"], &simple = group.scores["strategies"];
  for (const Label& l : kRates) lines.push_back(fmt::format("  {:<26} {:<36} observed only: {}", l.text, rate_text(with[l.key]), rate_text(without[l.key])));
  lines.push_back(fmt::format("  {:<26} {:<36.3f} observed only: {:.3f}", "calibration error", with["expected_calibration_error"].get<double>(), without["expected_calibration_error"].get<double>()));
  lines.push_back(fmt::format("  {:<26} {:.2f} s and {:.1f} reruns; {:.2f} s a right one", "a verdict costs", with["seconds_per_verdict"].get<double>(), with["reruns_per_verdict"].get<double>(),
                              with["seconds_per_right_verdict"].get<double>()));
  for (const Label& l : kStrategies) lines.push_back(fmt::format("  {:<26} {}", l.text, rate_text(simple[l.key])));
}

std::string section(const Group& group) {
  const Json &with = group.scores["with_counterfactuals"], &without = group.scores["observed_only"], &simple = group.scores["strategies"];
  std::string out = "\n## " + group.title + "\n\n| | with counterfactuals | observed only |\n|---|---|---|\n";
  for (const Label& l : kRates) out += fmt::format("| {} | {} | {} |\n", l.text, rate_text(with[l.key]), rate_text(without[l.key]));
  out += fmt::format("| calibration error of the confidence | {:.3f} | {:.3f} |\n", with["expected_calibration_error"].get<double>(), without["expected_calibration_error"].get<double>());
  out += fmt::format("| a verdict costs | {:.2f} s, {:.1f} reruns | {:.2f} s |\n", with["seconds_per_verdict"].get<double>(), with["reruns_per_verdict"].get<double>(), without["seconds_per_verdict"].get<double>());
  out += fmt::format("| a right verdict costs | {:.2f} s | {:.2f} s |\n", with["seconds_per_right_verdict"].get<double>(), without["seconds_per_right_verdict"].get<double>());
  out += "\nSimple strategies on the same runs, subsystem first:";
  for (const Label& l : kStrategies) out += fmt::format("{} {} {}", &l == kStrategies ? "" : ";", l.text, rate_text(simple[l.key]));
  return out + ".\n";
}

std::string clean_table(const Json& kinds) {
  std::string out = "\n## Clean runs by kind\n\n| kind | false alarms | said |\n|---|---|---|\n";
  for (const auto& [kind, k] : kinds.items()) {
    std::string said;
    for (const auto& [answer, n] : k["said"].items()) said += fmt::format("{}{} {}", said.empty() ? "" : ", ", answer, n.get<int>());
    out += fmt::format("| {} | {} | {} |\n", kind, rate_text(k["false_alarms"]), said);
  }
  return out;
}

std::string fault_table_of(const Json& faults) {
  std::string out = "\n## By fault\n\n| fault | of | named | first bad step within 1 | change of the picture, of 255 | said instead |\n|---|---|---|---|---:|---|\n";
  for (const Json& f : faults) {
    std::string said;
    for (const auto& [answer, n] : f["said"].items())
      if (answer != f["subsystem"].get<std::string>()) said += fmt::format("{}{} {}", said.empty() ? "" : ", ", answer, n.get<int>());
    const auto counts = [](const Json& r) { return r["of"] == 0 ? std::string() : fmt::format("{} of {}", r["right"].get<int>(), r["of"].get<int>()); };
    out += fmt::format("| {}{} | {} | {} | {} | {} | {} |\n", f["fault"].get<std::string>(), f["added_after_freeze"].get<bool>() ? " *" : "", f["subsystem"].get<std::string>(), counts(f["subsystem_top1"]),
                       counts(f["step_within_one"]), change_text(f), said);
  }
  return out + "\n\\* added after the detectors were frozen\n";
}

}  // namespace

std::vector<std::string> assay_lines(const Json& report) {
  std::vector<std::string> lines;
  for (const Group& group : groups_of(report)) add_lines(group, lines);
  lines.push_back("By fault:");
  for (const Json& f : report["faults"])
    lines.push_back(fmt::format("  {:<28} {:<16}{} {} of {}   change {:<6} said {}", f["fault"].get<std::string>(), f["subsystem"].get<std::string>(), f["added_after_freeze"].get<bool>() ? "*" : " ",
                                f["subsystem_top1"]["right"].get<int>(), f["subsystem_top1"]["of"].get<int>(), change_text(f), f["said"].dump()));
  lines.push_back("  * added after the detectors were frozen; change: mean over all pixels, of 255");
  return lines;
}

std::string assay_page(const Json& report) {
  const std::string model = std::filesystem::path(report["model"].get<std::string>()).filename().string();
  std::string out = fmt::format("# How often the diagnosis is right: {}\n\n", model);
  out += fmt::format("Made by `safelight lab assay {} --count {} --seed {} --counterfactuals {} --out RUNS --page DIR`: {} runs with a fault and {} without. The diagnosis sees the stored run and the damaged engine, not which "
                     "fault it was. Shares with counts and 95 % Wilson intervals.\n",
                     model, report["faulty_runs"].get<int>(), report["seed"].get<std::uint64_t>(), report["counterfactuals"].get<int>(), report["faulty_runs"].get<int>(), report["clean_runs"].get<int>());
  if (const int failed = report["diagnoses_that_failed"].get<int>(); failed > 0) out += fmt::format("{} diagnoses broke off and count as wrong.\n", failed);
  for (const Group& group : groups_of(report)) out += section(group);
  out += "\n![What was said of what](confusion.svg)\n";
  return out + clean_table(report["clean_kinds"]) + fault_table_of(report["faults"]);
}

}  // namespace safelight::app
