# SPDX-License-Identifier: Apache-2.0
# The exploring build only: sources that have planted faults are compiled from copies in which these can be switched on
# (scripts/weave.py). Sets rein_sources right, and rein_woven_table: what the self-test of the explorer is built with.

option(REIN_LENIENT "Leave out planted faults that do not fit their source (scripts/mutants.py changes sources)" OFF)

find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
file(GLOB fault_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/mutants/*.txt)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${fault_files})
set(weave ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/scripts/weave.py)
execute_process(COMMAND ${weave} --list OUTPUT_VARIABLE faulty OUTPUT_STRIP_TRAILING_WHITESPACE
        COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" faulty "${faulty}")

set(woven ${CMAKE_BINARY_DIR}/woven)
set(woven_sources ${woven}/switch.c)
foreach(source IN LISTS faulty)
        list(REMOVE_ITEM rein_sources ${CMAKE_SOURCE_DIR}/${source})
        list(APPEND woven_sources ${woven}/${source})
endforeach()
list(APPEND rein_sources ${woven_sources})
set(rein_woven_table ${woven}/table.c)
list(TRANSFORM faulty PREPEND ${CMAKE_SOURCE_DIR}/)
add_custom_command(OUTPUT ${woven_sources} ${rein_woven_table}
        COMMAND ${weave} --into ${woven} $<$<BOOL:${REIN_LENIENT}>:--lenient>
        DEPENDS ${faulty} ${fault_files} ${CMAKE_SOURCE_DIR}/scripts/weave.py ${CMAKE_SOURCE_DIR}/scripts/faults.py
        COMMENT "Weaving planted faults" COMMAND_EXPAND_LISTS VERBATIM)
