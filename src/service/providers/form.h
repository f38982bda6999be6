// multipart/form-data (RFC 7578).
#pragma once

#include <string>
#include <vector>

namespace safelight {

struct FormPart {
  std::string name;
  std::string content;
  std::string file;                // file name; empty: a plain field
  std::string mime;                // of a file
};

struct Form {
  std::string body;
  std::string content_type;        // with the boundary, which occurs in no part
};

Form encode_form(const std::vector<FormPart>& parts);

}  // namespace safelight
