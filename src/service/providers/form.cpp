#include "service/providers/form.h"

#include "common/base/sha256.h"

namespace safelight {

Form encode_form(const std::vector<FormPart>& parts) {
  std::string all;
  for (const FormPart& part : parts) all += part.name + '\0' + part.content + '\0';
  const std::string boundary = "safelight-" + sha256_hex(all).substr(0, 40);  // a part cannot hold the hash of itself
  Form form{.body = {}, .content_type = "multipart/form-data; boundary=" + boundary};
  for (const FormPart& part : parts) {
    form.body += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + part.name + "\"";
    if (!part.file.empty()) form.body += "; filename=\"" + part.file + "\"\r\nContent-Type: " + part.mime;
    form.body += "\r\n\r\n" + part.content + "\r\n";
  }
  form.body += "--" + boundary + "--\r\n";
  return form;
}

}  // namespace safelight
