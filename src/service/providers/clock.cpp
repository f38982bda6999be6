#include "service/providers/clock.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace safelight {

std::int64_t SystemClock::steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t SystemClock::unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void SystemClock::sleep_ms(std::int64_t duration_ms, const std::atomic<bool>* cancel) {
  constexpr std::int64_t kSlice_ms = 20;  // how late a cancel may be seen
  const std::int64_t end = steady_ms() + duration_ms;
  for (std::int64_t left = duration_ms; left > 0 && !(cancel && *cancel); left = end - steady_ms())
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(left, kSlice_ms)));
}

std::string date_of(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
  return text;
}

std::int64_t retry_after_ms(const std::string& value, std::int64_t now_unix_ms) {
  if (value.empty()) return -1;
  if (value.size() <= 9 && std::all_of(value.begin(), value.end(), [](unsigned char c) { return c >= '0' && c <= '9'; }))
    return std::stoll(value) * 1000;
  std::tm utc{};
  const char* end = strptime(value.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &utc);  // RFC 9110, IMF-fixdate
  if (!end || *end) return -1;
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(timegm(&utc)) * 1000 - now_unix_ms);
}

}  // namespace safelight
