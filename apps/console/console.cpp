#include "apps/console/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace safelight::app {
namespace {

volatile std::sig_atomic_t interrupted = 0;

}  // namespace

ProgressBar::ProgressBar(bool enabled) : enabled_(enabled && ::isatty(2)), start_(std::chrono::steady_clock::now()), last_(start_) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::show(const std::string& label, double part, double seconds_left, const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (!enabled_ || now - start_ < std::chrono::seconds(1) || (drawn_ && now - last_ < std::chrono::milliseconds(100))) return;
  last_ = now;
  drawn_ = true;
  const int width = 24, filled = static_cast<int>(part * width);
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < filled ? "#" : ".";
  std::fputs(fmt::format("\r\033[K{} [{}] {:3.0f} % {} {:.0f} s left", label, bar, part * 100, text, seconds_left).c_str(), stderr);
  std::fflush(stderr);
}

void print_json(const Json& json) { print_line(json.dump(2, ' ', false, Json::error_handler_t::replace)); }

void print_line(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fputc('\n', stdout);
}

void note(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fputc('\n', stderr);
}

std::string printable(const std::string& text) {
  constexpr std::size_t kLongest = 4000;
  std::string out = text.substr(0, kLongest);
  for (char& c : out)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F) c = '?';
  return out.size() < text.size() ? out + " ..." : out;
}

bool stop_requested() { return interrupted != 0; }

void catch_interrupts() {
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
}

void leave(int status) {
  std::cout.flush();
  std::cerr.flush();
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;   // a full disk behind standard output; told once alone, then only by ferror
  if (lost && status == 0) status = 1;
#ifdef __SANITIZE_ADDRESS__
  std::exit(status);  // the leak check runs there
#else
  std::fflush(nullptr);
  ::_exit(status);
#endif
}

}  // namespace safelight::app
