// The terminal: progress bars on standard error, results on standard output. The only place that prints.
#pragma once

#include <CLI/CLI.hpp>

#include <chrono>
#include <functional>
#include <string>

#include "common/base/json.h"

namespace safelight::app {

// A bar that draws itself only after a second, only on a terminal, at most ten times a second.
class ProgressBar {
 public:
  explicit ProgressBar(bool enabled);
  ~ProgressBar();
  void show(const std::string& label, double part, double seconds_left, const std::string& note = "");

 private:
  bool enabled_, drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

void print_json(const Json& json);           // one object on standard output
void print_line(const std::string& text);    // standard output
void note(const std::string& text);          // standard error
// For a terminal: control characters, which names in files may hold, become '?'; what is too long is cut.
std::string printable(const std::string& text);
bool stop_requested();                       // an interrupt was received
void catch_interrupts();
// Ends the process once everything printed is out; libtorch's own undoing at exit would take longer than a small command.
[[noreturn]] void leave(int status);

// What every command shares.
struct Common {
  bool json = false;
};

// A command: adds itself to the parser; `run` is called when it was chosen and returns the exit status.
struct Command {
  CLI::App* parser = nullptr;
  std::function<int()> run;
};

}  // namespace safelight::app
