# safelight_program(NAME SOURCES... LIBRARIES...): libexec/NAME-main, the program, and bin/NAME, which starts it (apps/launcher).
# Target NAME is what people start; its sources and definitions belong to NAME_program.
function(safelight_program name)
  cmake_parse_arguments(program "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name}_program ${program_SOURCES})
  set_target_properties(${name}_program PROPERTIES OUTPUT_NAME ${name}-main RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/libexec")
  target_link_libraries(${name}_program PRIVATE ${program_LIBRARIES})
  add_executable(${name} "${CMAKE_SOURCE_DIR}/apps/launcher/main.cpp")
  add_dependencies(${name} ${name}_program)
endfunction()
