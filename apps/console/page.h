// Pages of plain HTML that work from the file system with no network, in the look of the reports.
#pragma once

#include <string>
#include <vector>

namespace safelight::app {

// `body`: markup of the page's main part; `subject` (text) stands beside the name; `style`: what the page needs beyond the shared stylesheet.
std::string html_page(const std::string& title, const std::string& subject, const std::string& body, const std::string& style = "");

// A table: heads are text, cells are markup.
std::string html_table(const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& rows);

}  // namespace safelight::app
