# SPDX-License-Identifier: Apache-2.0
# How everything is compiled. rein_flags: all C and C++ of this repository. rein_strict: what is shipped (the library
# and the command) on top of that.

set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g -DNDEBUG")

add_library(rein_flags INTERFACE)
add_library(rein_strict INTERFACE)

target_compile_options(rein_flags INTERFACE
        -fno-omit-frame-pointer -fstack-protector-strong
        -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/= # places read "src/core/task.c:41" wherever the tree lies
        -Wall -Wextra -Wshadow -Wundef -Wformat=2
        $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
        $<$<COMPILE_LANGUAGE:C>:-Werror=implicit-function-declaration> -Werror=return-type)
target_compile_options(rein_strict INTERFACE
        -Wpedantic -Wconversion -Wvla -Wnull-dereference
        $<IF:$<C_COMPILER_ID:GNU>,-Wcast-align=strict,-Wcast-align>)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|aarch64")
        target_compile_options(rein_flags INTERFACE -fstack-clash-protection)
endif()
if(REIN_WERROR)
        target_compile_options(rein_flags INTERFACE -Werror)
endif()
if(REIN_DEBUG)
        target_compile_definitions(rein_flags INTERFACE RN_DEBUG=1)
endif()
if(REIN_EXPLORE)
        target_compile_definitions(rein_flags INTERFACE REIN_EXPLORE=1)
endif()

if(REIN_SANITIZE STREQUAL "address")
        target_compile_options(rein_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
        target_link_options(rein_flags INTERFACE -fsanitize=address,undefined)
        target_compile_definitions(rein_flags INTERFACE REIN_ASAN=1)
elseif(REIN_SANITIZE STREQUAL "thread")
        target_compile_options(rein_flags INTERFACE -fsanitize=thread)
        target_link_options(rein_flags INTERFACE -fsanitize=thread)
        target_compile_definitions(rein_flags INTERFACE REIN_TSAN=1)
elseif(REIN_SANITIZE)
        message(FATAL_ERROR "REIN_SANITIZE is address, thread or empty, not '${REIN_SANITIZE}'")
elseif(REIN_COVERAGE)
        target_compile_options(rein_flags INTERFACE -O0 --coverage)
        target_link_options(rein_flags INTERFACE --coverage)
elseif(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
        target_compile_options(rein_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
