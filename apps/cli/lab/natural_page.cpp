#include "apps/cli/lab/natural_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/console/page.h"
#include "common/base/markup.h"
#include "insight/report/data_url.h"

namespace safelight::app {
namespace {

constexpr std::size_t kMostCases = 2000;

constexpr const char* kStyle = R"(
.case { display: grid; grid-template-columns: 10rem 10rem 1fr; gap: 1rem; padding: .7rem; margin-bottom: 1rem; border: 2px solid var(--line); border-radius: 8px; background: var(--panel) }
.case.named { border-color: var(--green) }
.case.missed { border-color: var(--red) }
.case p { margin: 0 0 6px }
.case img { width: 100%; image-rendering: pixelated }
figure { margin: 0 }
small, figcaption { color: var(--dim) }
)";

std::string picture(const std::filesystem::path& file, const std::string& caption) {
  const Json url = picture_url(file);
  if (url.is_null()) return "<figure></figure>";
  return "<figure><img alt=\"\" src=\"" + url.get<std::string>() + "\"><figcaption>" + escaped_markup(caption) + "</figcaption></figure>";
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

std::string section(const NaturalCase& c, const std::filesystem::path& directory) {
  const std::vector<std::string> cures = c.cured_by();
  const bool named = std::find(cures.begin(), cures.end(), c.said) != cures.end();
  std::vector<std::string> changes;
  for (const NaturalTrial& t : c.trials)
    if (t.right) changes.push_back(t.change);
  const auto file = directory / "pictures";
  std::string out = fmt::format("<section class=\"case{}\">", cures.empty() ? "" : named ? " named" : " missed");
  out += picture(file / (c.id + ".png"), "as drawn") + picture(file / (c.id + "-cured.png"), changes.empty() ? "" : changes.front());
  out += fmt::format("<div><b>{}</b> <small>{}, seed {}</small><p>The checker: {}.</p><p>The verdict: <b>{}</b> (confidence {:.2f}, {} reruns). {}</p>", escaped_markup(c.prompt),
                     escaped_markup(c.task), c.seed, escaped_markup(c.reasons), escaped_markup(c.said), c.confidence, c.reruns, escaped_markup(c.failed.empty() ? c.sentence : c.failed));
  if (changes.empty()) return out + fmt::format("<p>None of {} single changes cures it.</p></div></section>\n", c.trials.size());
  return out + fmt::format("<p>Cured by {} of {} single changes: {} ({}).</p></div></section>\n", changes.size(), c.trials.size(), escaped_markup(joined(changes)), escaped_markup(joined(cures)));
}

}  // namespace

std::string natural_page(const std::string& title, const std::vector<std::string>& table, const std::vector<NaturalCase>& cases, const std::filesystem::path& directory) {
  std::vector<const NaturalCase*> shown;
  for (const NaturalCase& c : cases)
    if (c.tested && !c.right) shown.push_back(&c);
  std::stable_partition(shown.begin(), shown.end(), [](const NaturalCase* c) { return !c->cured_by().empty(); });
  std::string body = "<pre>";
  for (const std::string& line : table) body += escaped_markup(line) + "\n";
  body += fmt::format("</pre><p>{} of {} failures, those that a single change cures first. Green: the verdict names a subsystem whose change cures it. Red: it names none.</p>\n",
                      std::min(shown.size(), kMostCases), shown.size());
  for (std::size_t i = 0; i < std::min(shown.size(), kMostCases); ++i) body += section(*shown[i], directory);
  return html_page(title, title, body, kStyle);
}

}  // namespace safelight::app
