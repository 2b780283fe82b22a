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
