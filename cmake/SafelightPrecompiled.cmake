# safelight_precompile(TARGET): sources of TARGET, which must use libtorch, start from one shared precompiled header. Reading ATen/ATen.h is most of
# what compiling them costs (measured: 15 s to 5 s of processor time for a typical source).
add_library(safelight_precompiled STATIC "${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp")
target_link_libraries(safelight_precompiled PRIVATE safelight_flags safelight_torch nlohmann_json::nlohmann_json)
target_precompile_headers(safelight_precompiled PRIVATE <ATen/ATen.h> <nlohmann/json.hpp> <algorithm> <cmath> <filesystem> <functional> <map> <optional> <string> <vector>)

function(safelight_precompile TARGET)
  # A precompiled header serves only sources compiled as it was: position-independent in the way of libraries, in programs too.
  set_target_properties(${TARGET} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${TARGET} PRIVATE -fPIC)
  target_precompile_headers(${TARGET} REUSE_FROM safelight_precompiled)
endfunction()
