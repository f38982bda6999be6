# safelight_embed(TARGET FILE SYMBOL): compiles a file into TARGET as `std::string_view safelight::SYMBOL()`.
function(safelight_embed TARGET FILE SYMBOL)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${SYMBOL}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT [=[
#include <string_view>
__asm__(".section .rodata\n.global safelight_@SYMBOL@_begin\n.global safelight_@SYMBOL@_end\n"
        "safelight_@SYMBOL@_begin:\n.incbin \"@FILE@\"\nsafelight_@SYMBOL@_end:\n.byte 0\n.previous\n");
extern "C" {
extern const char safelight_@SYMBOL@_begin[];
extern const char safelight_@SYMBOL@_end[];
}
namespace safelight {
std::string_view @SYMBOL@() {
  return {safelight_@SYMBOL@_begin, static_cast<std::size_t>(safelight_@SYMBOL@_end - safelight_@SYMBOL@_begin)};
}
}  // namespace safelight
]=] @ONLY)
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${FILE}")
  target_sources(${TARGET} PRIVATE "${source}")
endfunction()
