# SPDX-License-Identifier: Apache-2.0
# Every examples/*.c is a program of its own, built as a user would build it: against the shared library.

file(GLOB example_sources CONFIGURE_DEPENDS examples/*.c)
foreach(source IN LISTS example_sources)
        get_filename_component(name ${source} NAME_WE)
        file(STRINGS ${source} wants_sqlite REGEX "#include <sqlite3\\.h>")
        if(wants_sqlite)
                if(PkgConfig_FOUND)
                        pkg_check_modules(sqlite3 IMPORTED_TARGET sqlite3)
                endif()
                if(NOT TARGET PkgConfig::sqlite3)
                        message(WARNING "examples/${name}.c is not built: it needs libsqlite3-dev (run `make setup`)")
                        continue()
                endif()
        endif()
        add_executable(example_${name} ${source})
        set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name} C_EXTENSIONS ON
                RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
        target_link_libraries(example_${name} PRIVATE rein rein_flags)
        if(wants_sqlite)
                target_link_libraries(example_${name} PRIVATE PkgConfig::sqlite3)
        endif()
endforeach()
