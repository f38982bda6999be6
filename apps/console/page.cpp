#include "apps/console/page.h"

#include <string_view>

#include "common/base/markup.h"

namespace safelight {
std::string_view safelight_style_css();  // embedded by the build
}

namespace safelight::app {

std::string html_page(const std::string& title, const std::string& subject, const std::string& body, const std::string& style) {
  return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" + escaped_markup(title) +
         "</title>\n<style>\n" + std::string(safelight_style_css()) + style + "</style>\n</head>\n<body>\n<main>\n<header><h1>Safelight</h1><span class=\"prompt\" id=\"prompt\">" +
         escaped_markup(subject) + "</span></header>\n" + body + "</main>\n</body>\n</html>\n";
}

std::string html_table(const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<table><tr>";
  for (const std::string& h : heads) out += "<th>" + escaped_markup(h) + "</th>";
  out += "</tr>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (const std::string& cell : row) out += "<td>" + cell + "</td>";
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

}  // namespace safelight::app
