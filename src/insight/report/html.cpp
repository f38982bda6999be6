#include <string_view>

#include "common/base/error.h"
#include "insight/report/report.h"

namespace safelight {

std::string_view safelight_viewer_html();  // embedded by the build

std::string report_html(const Json& page) {
  const std::string data = page.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string safe;
  safe.reserve(data.size());
  for (const char c : data) {
    if (c == '<') safe += "\\u003c";  // "</script" and "<!--" would end or hide the data
    else safe += c;
  }
  std::string html(safelight_viewer_html());
  const std::string_view mark = ">null</script>";
  const std::size_t at = html.find(mark);
  if (at == std::string::npos) throw Error(ErrorCode::internal, "the embedded viewer has no place for data");
  html.replace(at + 1, 4, safe);
  return html;
}

}  // namespace safelight
