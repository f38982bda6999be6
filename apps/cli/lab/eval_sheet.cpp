#include "apps/cli/lab/eval_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "apps/console/page.h"
#include "apps/lab/picture_grid.h"
#include "common/base/markup.h"
#include "insight/report/data_url.h"

namespace safelight::app {
namespace {

constexpr std::size_t kPagePictures = 4000;

constexpr const char* kStyle = R"(
nav button[aria-pressed=true] { border-color: var(--amber); color: var(--amber) }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 12px; margin-top: 12px }
figure { margin: 0; padding: 8px; border: 2px solid var(--green); border-radius: 8px; background: var(--panel) }
figure.wrong { border-color: var(--red) }
figure[hidden] { display: none }
figure img { width: 100%; image-rendering: pixelated }
small { color: var(--dim) }
.reason { color: var(--red); display: block } .ill-made { color: var(--amber); display: block }
)";

constexpr std::string_view kScript = R"(
const chosen = { task: "", wrong: false };
function show() {
  for (const f of document.querySelectorAll("figure")) f.hidden = (chosen.task && f.dataset.task !== chosen.task) || (chosen.wrong && !f.classList.contains("wrong"));
  for (const b of document.querySelectorAll("button")) b.setAttribute("aria-pressed", "task" in b.dataset ? b.dataset.task === chosen.task : chosen.wrong);
}
document.querySelector("nav").addEventListener("click", e => {
  if (e.target.tagName !== "BUTTON") return;
  if ("task" in e.target.dataset) chosen.task = e.target.dataset.task; else chosen.wrong = !chosen.wrong;
  show();
});
show();
)";

std::string figure(const SheetPicture& p) {
  const Judged& j = p.judged;
  std::string out = fmt::format("<figure data-task=\"{}\"{}><img alt=\"\" src=\"data:image/png;base64,{}\"><figcaption>{} <small>{}, seed {}{}</small>",
                                escaped_markup(j.prompt.task), j.check.all() ? "" : " class=\"wrong\"", base64(p.png), escaped_markup(j.prompt.text), escaped_markup(j.prompt.task), j.seed,
                                j.prompt.held_out ? ", held out" : "");
  if (!j.check.all()) out += "<span class=\"reason\">" + escaped_markup(j.check.reasons()) + "</span>";
  for (const std::string& problem : j.problems) out += "<span class=\"ill-made\">" + escaped_markup(problem) + "</span>";
  return out + "</figcaption></figure>\n";
}

}  // namespace

Image sheet_of(const std::vector<SheetPicture>& pictures) {
  std::vector<const SheetPicture*> chosen;
  for (const SheetPicture& p : pictures)
    if (!p.image.pixels.empty()) chosen.push_back(&p);
  std::stable_sort(chosen.begin(), chosen.end(), [](const auto* a, const auto* b) { return a->number < b->number; });
  chosen.resize(std::min(chosen.size(), kSheetPictures));
  std::vector<const Image*> images;
  for (const SheetPicture* p : chosen) images.push_back(&p->image);
  return picture_grid(images, 8);
}

std::string sheet_page(const std::string& title, const std::vector<std::string>& table, const std::vector<SheetPicture>& pictures) {
  std::vector<const SheetPicture*> order;
  std::vector<std::string> tasks;
  for (const SheetPicture& p : pictures) {
    order.push_back(&p);
    if (std::find(tasks.begin(), tasks.end(), p.judged.prompt.task) == tasks.end()) tasks.push_back(p.judged.prompt.task);
  }
  std::stable_partition(order.begin(), order.end(), [](const SheetPicture* p) { return !p->judged.check.all(); });
  const std::size_t shown = std::min(order.size(), kPagePictures);
  std::string body = "<pre>";
  for (const std::string& line : table) body += escaped_markup(line) + "\n";
  body += fmt::format("</pre><p>{} of {} pictures, wrong ones first. Red: a claim of the prompt that does not hold. Amber: badly made, whatever was asked for.</p><nav>", shown, order.size());
  body += "<button data-task=\"\">all tasks</button>";
  for (const std::string& task : tasks) body += "<button data-task=\"" + escaped_markup(task) + "\">" + escaped_markup(task) + "</button>";
  body += "<button>only wrong ones</button></nav><div class=\"pictures\">\n";
  for (std::size_t i = 0; i < shown; ++i) body += figure(*order[i]);
  return html_page(title, title, body + "</div><script>" + std::string(kScript) + "</script>\n", kStyle);
}

}  // namespace safelight::app
