# safelight_precompile(TARGET [torch|plain]): sources of TARGET start from a shared precompiled header: with libtorch's, or the plain one with what nearly
# every source without libtorch includes. Reading headers is most of what compiling costs (measured: 15 s to 5 s of processor time for a source that uses
# ATen/ATen.h).
function(safelight_precompiled_header name libraries)
  add_library(${name} STATIC "${CMAKE_SOURCE_DIR}/cmake/precompiled.cpp")
  target_link_libraries(${name} PRIVATE safelight_flags ${libraries} nlohmann_json::nlohmann_json)
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()
set(plain <nlohmann/json.hpp> <algorithm> <cmath> <filesystem> <functional> <map> <optional> <string> <vector>)
safelight_precompiled_header(safelight_precompiled_plain "" ${plain})
if(SAFELIGHT_ENGINE)
  safelight_precompiled_header(safelight_precompiled safelight_torch <ATen/ATen.h> ${plain})
endif()

function(safelight_precompile target kind)
  set(torch safelight_precompiled)
  set(plain safelight_precompiled_plain)
  # A precompiled header serves only sources compiled as it was: position-independent in the way of libraries, in programs too.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM ${${kind}})
endfunction()

# Which of them the sources of a folder (and their tests) start from; nothing where neither serves: engine/tensor is compiled with OpenMP, and where
# finish/ and parts of the engine take pkg-config's flags.
function(safelight_precompile_folder target folder)
  if(folder MATCHES "^(bridge|assay|engine/(weights|text|denoisers|autoencoders|upscalers|schedulers|guidance|pipelines|serving|families|probes|training|facade))$")
    safelight_precompile(${target} torch)
  elseif(folder MATCHES "^(common|insight|service)/")
    safelight_precompile(${target} plain)
  endif()
endfunction()
