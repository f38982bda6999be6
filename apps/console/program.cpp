#include "apps/console/program.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string_view>

#include "common/base/error.h"

namespace safelight::app {
namespace {

int tell_error(const Common& common, std::string_view code, const std::string& message, int status) {
  const std::string text = printable(message);
  if (common.json) print_json({{"error", {{"code", code}, {"message", text}}}});
  note("safelight: " + text);
  return status;
}

}  // namespace

int run_program(CLI::App& parser, int argc, char** argv, const std::vector<Command>& commands, const Common& common) {
  try {
    parser.parse(argc, argv);
    for (const Command& c : commands)
      if (c.parser->parsed()) return c.run();
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return parser.exit(e, std::cout, std::cout);   // --help and --version are what was asked for
    const bool json = std::any_of(argv, argv + argc, [](const char* a) { return std::string_view(a) == "--json"; });   // it may stand after what could not be read
    if (json) return tell_error({.json = true}, name(ErrorCode::invalid_argument), e.what(), 2);
    parser.exit(e, std::cerr, std::cerr);
    return 2;
  } catch (const Error& e) {
    return tell_error(common, name(e.code()), e.what(), e.code() == ErrorCode::invalid_argument ? 2 : 1);
  } catch (const std::filesystem::filesystem_error& e) {
    return tell_error(common, name(ErrorCode::io), "'" + e.path1().string() + "': " + e.code().message(), 1);
  } catch (const std::exception& e) {
    return tell_error(common, name(ErrorCode::internal), e.what(), 1);
  }
  return 2;
}

}  // namespace safelight::app
