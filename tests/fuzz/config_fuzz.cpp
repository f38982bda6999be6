// Configuration files from outside: refused with an error, or read.
#include <cstdint>
#include <string_view>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "engine/denoisers/unet_config.h"
#include "engine/schedulers/scheduler_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace safelight;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Json json = parse_json(text, "fuzz");
    try {
      SchedulerConfig::from_json(json, "fuzz");
    } catch (const Error&) {
    }
    UnetConfig::from_json(json, "fuzz");
  } catch (const Error&) {
  }
  try {
    parse_json_members(text, "fuzz", [](const std::string&, const JsonMember&) {});
  } catch (const Error&) {
  }
  return 0;
}
