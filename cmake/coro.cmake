# SPDX-License-Identifier: Apache-2.0
# Which file switches between coroutines, and how they are compiled: sets rein_sources right.

set(rein_switch_ucontext ${CMAKE_SOURCE_DIR}/src/coro/switch_ucontext.c)
set(rein_switch ${CMAKE_SOURCE_DIR}/src/coro/switch_${CMAKE_SYSTEM_PROCESSOR}.S)
if(REIN_UCONTEXT OR NOT EXISTS ${rein_switch})
        set(rein_switch ${rein_switch_ucontext})
endif()
list(REMOVE_ITEM rein_sources ${rein_switch_ucontext})
list(APPEND rein_sources ${rein_switch})

# The switch of stacks is told to the sanitizers by hand (src/coro/coro.c says why).
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/coro/coro.c ${rein_switch_ucontext}
        PROPERTIES COMPILE_OPTIONS "$<$<NOT:$<STREQUAL:${REIN_SANITIZE},>>:-fno-sanitize=address$<COMMA>thread>")

# The simulator is what its coroutines run on, as an operating system is: ThreadSanitizer sees the program and the
# library in a simulation, not the simulator's own work between their steps (src/sim/sim.h).
file(GLOB rein_simulator ${CMAKE_SOURCE_DIR}/src/sim/*.c)
list(FILTER rein_simulator EXCLUDE REGEX "_test\\.c$")
set_source_files_properties(${rein_simulator}
        PROPERTIES COMPILE_OPTIONS "$<$<STREQUAL:${REIN_SANITIZE},thread>:-fno-sanitize=thread>")
