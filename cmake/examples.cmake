# SPDX-License-Identifier: Apache-2.0
# Every examples/*.c is a program of its own, built as a user would build it: against the shared library. What an
# example includes beyond that (SQLite, libuv, GLib, http_parser) it needs; without it the example is not built.

if(PkgConfig_FOUND)
        pkg_check_modules(sqlite3 IMPORTED_TARGET sqlite3)
        pkg_check_modules(libuv IMPORTED_TARGET libuv)
        pkg_check_modules(glib IMPORTED_TARGET glib-2.0)
endif()
find_path(HTTP_PARSER_INCLUDE http_parser.h)
find_library(HTTP_PARSER_LIBRARY http_parser)
if(HTTP_PARSER_INCLUDE AND HTTP_PARSER_LIBRARY)
        add_library(example_http_parser UNKNOWN IMPORTED)
        set_target_properties(example_http_parser PROPERTIES IMPORTED_LOCATION ${HTTP_PARSER_LIBRARY}
                INTERFACE_INCLUDE_DIRECTORIES ${HTTP_PARSER_INCLUDE})
endif()

# header, target, package
set(example_needs "sqlite3.h PkgConfig::sqlite3 libsqlite3-dev" "uv.h PkgConfig::libuv libuv1-dev"
        "glib.h PkgConfig::glib libglib2.0-dev" "http_parser.h example_http_parser libhttp-parser-dev")

file(GLOB example_sources CONFIGURE_DEPENDS examples/*.c)
foreach(source IN LISTS example_sources)
        get_filename_component(name ${source} NAME_WE)
        set(needed "")
        set(missing "")
        foreach(need IN LISTS example_needs)
                separate_arguments(need)
                list(POP_FRONT need header target package)
                file(STRINGS ${source} included REGEX "#include <${header}>")
                if(included AND TARGET ${target})
                        list(APPEND needed ${target})
                elseif(included)
                        list(APPEND missing ${package})
                endif()
        endforeach()
        if(missing)
                message(WARNING "examples/${name}.c is not built: it needs ${missing} (run `make setup`)")
                continue()
        endif()
        add_executable(example_${name} ${source})
        set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name} C_EXTENSIONS ON
                RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
        file(STRINGS ${source} wants_pthread REGEX "rein::sim_pthread")
        if(wants_pthread)
                target_link_libraries(example_${name} PRIVATE rein_sim_pthread)
        endif()
        target_link_libraries(example_${name} PRIVATE rein rein_flags ${needed} ${CMAKE_DL_LIBS})
endforeach()
