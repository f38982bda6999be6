#include "apps/cli/lab_eval_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "apps/lab/picture_grid.h"
#include "common/base/markup.h"

namespace safelight::app {
namespace {

constexpr std::size_t kPagePictures = 4000;

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned three = 0;
    for (std::size_t k = 0; k < 3; ++k) three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k <= bytes.size() ? kDigits[three >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

constexpr std::string_view kStyle = R"(
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fafafa }
pre { overflow-x: auto }
button { font: inherit; margin: 0 .3rem .3rem 0; padding: .2rem .7rem; border: 1px solid #999; border-radius: .3rem; background: #fff }
button[aria-pressed=true] { background: #222; color: #fff }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; margin-top: 1rem }
figure { margin: 0; padding: .5rem; border: 2px solid #5a5; border-radius: .4rem; background: #fff }
figure.wrong { border-color: #c44 }
figure[hidden] { display: none }
img { width: 100%; image-rendering: pixelated }
small { color: #666 }
i { color: #a22; font-style: normal; display: block }
u { color: #850; text-decoration: none; display: block }
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
  if (!j.check.all()) out += "<i>" + escaped_markup(j.check.reasons()) + "</i>";
  for (const std::string& problem : j.problems) out += "<u>" + escaped_markup(problem) + "</u>";
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
  std::string page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" + escaped_markup(title) +
                     "</title><style>" + std::string(kStyle) + "</style><h1>" + escaped_markup(title) + "</h1><pre>";
  for (const std::string& line : table) page += escaped_markup(line) + "\n";
  page += fmt::format("</pre><p>{} of {} pictures, wrong ones first. Red: a claim of the prompt that does not hold. Brown: badly made, whatever was asked for.</p><nav>", shown, order.size());
  page += "<button data-task=\"\">all tasks</button>";
  for (const std::string& task : tasks) page += "<button data-task=\"" + escaped_markup(task) + "\">" + escaped_markup(task) + "</button>";
  page += "<button>only wrong ones</button></nav><main>\n";
  for (std::size_t i = 0; i < shown; ++i) page += figure(*order[i]);
  return page + "</main><script>" + std::string(kScript) + "</script></html>\n";
}

}  // namespace safelight::app
