# SPDX-License-Identifier: Apache-2.0
# Every *_test.c under src/, cmd/ and tests/ is one program, and ctest runs each in a process of its own with a time
# limit. Its name is its path ("core/future"); its label is the folder: core, io, pool, plat, tests, stress, explore.

if(PkgConfig_FOUND)
        pkg_check_modules(cmocka IMPORTED_TARGET cmocka)
endif()
if(NOT TARGET PkgConfig::cmocka)
        message(FATAL_ERROR "the tests need cmocka: run `make setup`, or install libcmocka-dev and pkg-config; "
                "-DBUILD_TESTING=OFF builds without them")
endif()

set(test_environment "")
if(REIN_SANITIZE STREQUAL "address")
        list(APPEND test_environment
                "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1:abort_on_error=1"
                "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1")
elseif(REIN_SANITIZE STREQUAL "thread")
        list(APPEND test_environment
                "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:history_size=4:atexit_sleep_ms=0")
endif()

file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
        src/*_test.c cmd/*_test.c tests/*_test.c tests/*_test.cpp)
if(NOT REIN_EXPLORE)
        list(FILTER test_sources EXCLUDE REGEX "^tests/explore/")
endif()
if(NOT TARGET rein_command)
        list(FILTER test_sources EXCLUDE REGEX "^tests/world/(growth|command|rein_run)_test\\.c$")
endif()
if(REIN_SANITIZE STREQUAL "thread")
        # The sanitizer's runtime calls what the layer wraps, and takes tasks for threads that race.
        list(FILTER test_sources EXCLUDE REGEX "^src/sim/pthread/")
        # It makes the calls that wrap.c wraps before it is set up, and does not stand a signal in a thread that begins.
        list(FILTER test_sources EXCLUDE REGEX "^tests/world/(errors|command|signals)_test\\.c$")
endif()
if(REIN_SANITIZE STREQUAL "address")
        # Its runtime wraps __cxa_throw, which it looks for when a program starts, and not again.
        list(FILTER test_sources EXCLUDE REGEX "^tests/cpp/opened_later_test\\.c$")
endif()
# The loop as a guest of others' loops, where they are installed (scripts/setup.sh check).
set(test_guests "uv libuv libuv1-dev" "glib glib-2.0 libglib2.0-dev")
foreach(guest IN LISTS test_guests)
        separate_arguments(guest)
        list(POP_FRONT guest name module package)
        if(PkgConfig_FOUND)
                pkg_check_modules(guest_${name} IMPORTED_TARGET ${module})
        endif()
        if(NOT TARGET PkgConfig::guest_${name})
                if("$ENV{REIN_REQUIRE_GUESTS}")
                        message(FATAL_ERROR "REIN_REQUIRE_GUESTS, and ${package} is not installed")
                endif()
                message(WARNING "src/loop/guest_${name}_test.c is not built: it needs ${package}")
                list(FILTER test_sources EXCLUDE REGEX "^src/loop/guest_${name}_test\\.c$")
        endif()
endforeach()
set(cpp_tests ${test_sources})
list(FILTER cpp_tests INCLUDE REGEX "\\.cpp$")
if(cpp_tests)
        enable_language(CXX)
endif()

# The harness is part of every test program: whatever one leaves behind fails it (tests/harness.h).
add_library(test_harness OBJECT tests/harness/harness.c tests/harness/descriptors.c tests/harness/process.c
        tests/harness/records.c tests/harness/memory.c)
target_include_directories(test_harness PRIVATE include src tests)
target_compile_definitions(test_harness PRIVATE _GNU_SOURCE)
target_link_libraries(test_harness PRIVATE rein_flags)
foreach(function IN ITEMS close fcntl mmap munmap rn_alloc rn_free rn_host_alloc rn_host_free rn_fault_watch)
        target_link_options(test_harness INTERFACE -Wl,--wrap=${function})
endforeach()
# The calls of the operating system that tests/world/wrap.c can make fail, as options of the linker.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS tests/world/wrap.c)
file(READ tests/world/wrap.c wrap_source)
string(REGEX MATCHALL "(WRAP[A-Z_]*\\(|__wrap_)[a-z_][a-z0-9_]*" wrapped "${wrap_source}")
list(TRANSFORM wrapped REPLACE "^(WRAP[A-Z_]*\\(|__wrap_)" "LINKER:--wrap=" OUTPUT_VARIABLE test_wraps)
list(REMOVE_DUPLICATES test_wraps)

foreach(source IN LISTS test_sources)
        string(REGEX REPLACE "_test\\.(c|cpp)$" "" name ${source})
        string(REGEX REPLACE "^src/" "" name ${name})
        string(REGEX REPLACE "^tests/(.*/)" "\\1" name ${name})
        get_filename_component(folder ${source} DIRECTORY)
        get_filename_component(label ${folder} NAME)
        string(REPLACE "/" "_" target test_${name})
        get_filename_component(program ${name} NAME)
        get_filename_component(where ${name} DIRECTORY)

        set(parts ${source})
        if(source STREQUAL "tests/sim/scenarios_test.c") # one program, a file for each kind of scenario
                file(GLOB parts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/*.c)
        endif()
        add_executable(${target} ${parts})
        set_target_properties(${target} PROPERTIES OUTPUT_NAME ${program}_test CXX_STANDARD 20
                RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/${where})
        target_include_directories(${target} PRIVATE include src tests)
        target_compile_definitions(${target} PRIVATE
                REIN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" REIN_BINARY_DIR="${CMAKE_BINARY_DIR}")
        if(source MATCHES "\\.c$")
                target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
        endif()
        if(name MATCHES "^loop/guest_(uv|glib)$")
                target_link_libraries(${target} PRIVATE PkgConfig::${program})
        endif()
        if(name MATCHES "^sim/pthread/")
                target_link_libraries(${target} PRIVATE rein_sim_pthread)
        endif()
        target_link_libraries(${target} PRIVATE test_harness rein_static rein_flags PkgConfig::cmocka m)

        if(name STREQUAL "world/errors") # each function that wrap.c has a __wrap_ for
                target_sources(${target} PRIVATE tests/world/wrap.c)
                target_link_options(${target} PRIVATE ${test_wraps})
        endif()

        if(name STREQUAL "world/growth") # with the command's tables
                target_sources(${target} PRIVATE cmd/rein/resume.c cmd/rein/spool.c cmd/rein/text.c)
                target_link_libraries(${target} PRIVATE PkgConfig::cjson)
        endif()

        if(label STREQUAL "explore") # with the driver, and the sources in the folder of its name
                file(GLOB explored CONFIGURE_DEPENDS tests/explore/${program}/*.c)
                target_sources(${target} PRIVATE tests/explore/explore.c ${explored})
                target_include_directories(${target} PRIVATE tests/explore)
        endif()

        add_test(NAME ${name} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
        set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 120 ENVIRONMENT "${test_environment}")
        if(label STREQUAL "explore")
                set_tests_properties(${name} PROPERTIES TIMEOUT 7200)
        endif()
        if(label STREQUAL "stress")
                set_tests_properties(${name} PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
        endif()
endforeach()

# The command once more, with calls of the operating system that can be made to fail (tests/world/command_test.c).
if(TARGET rein_command AND TARGET test_world_command)
        add_executable(world_rein ${command_sources} tests/world/wrap.c tests/world/wrap_env.c)
        set_target_properties(world_rein PROPERTIES OUTPUT_NAME rein RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/world)
        target_compile_definitions(world_rein PRIVATE _GNU_SOURCE)
        target_link_libraries(world_rein PRIVATE rein_static rein_flags PkgConfig::cjson)
        target_link_options(world_rein PRIVATE ${test_wraps})
        add_dependencies(test_world_command world_rein rein_command)
        add_dependencies(test_world_rein_run world_rein)
endif()

if(TARGET test_world_rein_run)
        add_dependencies(test_world_rein_run rein_command)
endif()

# Libraries that tests open by dlopen.
file(GLOB module_sources CONFIGURE_DEPENDS tests/modules/*.c tests/modules/*.cpp)
foreach(source IN LISTS module_sources)
        get_filename_component(name ${source} NAME_WE)
        add_library(module_${name} MODULE ${source})
        set_target_properties(module_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name} CXX_STANDARD 20
                LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/modules)
        target_include_directories(module_${name} PRIVATE include)
        target_link_libraries(module_${name} PRIVATE rein_flags)
endforeach()
add_dependencies(test_core_frames module_blocks)
if(TARGET test_cpp_opened_later)
        add_dependencies(test_cpp_opened_later module_throws)
endif()
add_dependencies(test_tests_examples module_plugin module_throws)

# A program without rein, and a plugin that brings it along: with either kind of library.
add_executable(plugin_host tests/plugin/host.c)
set_target_properties(plugin_host PROPERTIES OUTPUT_NAME host RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/plugin)
target_link_libraries(plugin_host PRIVATE rein_flags ${CMAKE_DL_LIBS})
add_dependencies(test_plugin_closed plugin_host)
foreach(kind IN ITEMS static shared)
        add_library(plugin_${kind} MODULE tests/plugin/plug.c)
        set_target_properties(plugin_${kind} PROPERTIES PREFIX "" OUTPUT_NAME plug_${kind}
                LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/plugin)
        add_dependencies(plugin_host plugin_${kind})
endforeach()
target_link_libraries(plugin_static PRIVATE rein_static rein_flags)
target_link_libraries(plugin_shared PRIVATE rein rein_flags)

# The portable switch is tested in every build: these objects come before those of the library.
if(NOT REIN_UCONTEXT)
        get_target_property(coro_options test_coro_coro COMPILE_DEFINITIONS)
        add_executable(test_coro_ucontext src/coro/coro_test.c src/coro/coro.c src/coro/switch_ucontext.c)
        set_target_properties(test_coro_ucontext PROPERTIES OUTPUT_NAME ucontext_test
                RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/coro COMPILE_DEFINITIONS "${coro_options}")
        target_include_directories(test_coro_ucontext PRIVATE include src)
        target_link_libraries(test_coro_ucontext PRIVATE test_harness rein_static rein_flags PkgConfig::cmocka m)
        add_test(NAME coro/ucontext COMMAND test_coro_ucontext WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/tests/coro)
        set_tests_properties(coro/ucontext PROPERTIES LABELS coro TIMEOUT 120 ENVIRONMENT "${test_environment}")
endif()

# Memcheck knows the stacks by their registration; a report is an error. coro/valgrind takes more than ten seconds: memcheck
# makes each instruction dear, and a hundred thousand coroutines are made anew.
find_program(valgrind valgrind)
if(valgrind AND NOT REIN_SANITIZE AND NOT REIN_COVERAGE)
        add_test(NAME coro/valgrind WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
                COMMAND ${valgrind} -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite
                        $<TARGET_FILE:test_coro_coro>)
        set_tests_properties(coro/valgrind PROPERTIES LABELS coro TIMEOUT 300)
        foreach(guest IN ITEMS guest guest_uv guest_glib)
                if(NOT TARGET test_loop_${guest})
                        continue()
                endif()
                add_test(NAME loop/valgrind_${guest} WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
                        COMMAND ${valgrind} -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite
                                $<TARGET_FILE:test_loop_${guest}>)
                set_tests_properties(loop/valgrind_${guest} PROPERTIES LABELS loop TIMEOUT 300)
        endforeach()
endif()

# What a user does with the finished thing: meaningful for the plain builds only.
if(NOT REIN_SANITIZE AND NOT REIN_COVERAGE AND NOT REIN_EXPLORE)
        add_test(NAME install COMMAND ${CMAKE_SOURCE_DIR}/tests/install/run.sh ${CMAKE_BINARY_DIR})
        set_tests_properties(install PROPERTIES LABELS install TIMEOUT 300)
        add_test(NAME readme COMMAND ${CMAKE_SOURCE_DIR}/tests/install/readme.sh ${CMAKE_BINARY_DIR})
        set_tests_properties(readme PROPERTIES LABELS install TIMEOUT 60)
endif()

# The explorer's own test: planted bugs it must find. See docs/exploring.md.
if(REIN_EXPLORE)
        file(GLOB planted_sources CONFIGURE_DEPENDS tests/explore/planted/*.c tests/explore/scenarios/*.c)
        add_executable(explore tests/explore/selftest.c tests/explore/woven.c tests/explore/explore.c ${planted_sources}
                ${rein_woven_table})
        target_include_directories(explore PRIVATE include src tests tests/explore)
        target_compile_definitions(explore PRIVATE _GNU_SOURCE)
        target_link_libraries(explore PRIVATE rein_static rein_flags)
        set_target_properties(explore PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/explore)
        add_test(NAME explore/selftest COMMAND explore --selftest)
        set_tests_properties(explore/selftest PROPERTIES LABELS explore TIMEOUT 300)
endif()
