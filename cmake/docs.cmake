# SPDX-License-Identifier: Apache-2.0
# What one reads: manual pages from the headers, the pages of docs/, the examples. Made with Python; without it the manual
# pages that are written by hand are installed, and nothing else.

find_package(Python3 COMPONENTS Interpreter)
if(NOT Python3_Interpreter_FOUND)
        message(WARNING "no python3: the manual pages of the library and the guide are not installed")
        return()
endif()

file(GLOB docs_from CONFIGURE_DEPENDS README.md CHANGELOG.md LICENSE include/rein/*.h examples/*.c docs/*.md docs/decisions/*.md
        docs/man/* scripts/man.py scripts/headers.py scripts/pages.py scripts/check_links.py scripts/selftest.py)
# Not the tests, of which some pages show a part: a test that changes need not make the pages anew.
set(docs_dir ${CMAKE_BINARY_DIR}/share)
add_custom_command(OUTPUT ${docs_dir}/made
        COMMAND ${CMAKE_COMMAND} -E rm -rf ${docs_dir}
        COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/scripts/man.py ${docs_dir}/man
        COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/scripts/pages.py ${docs_dir}/doc
        COMMAND ${CMAKE_COMMAND} -E touch ${docs_dir}/made
        DEPENDS ${docs_from} COMMENT "Manual pages from the headers" VERBATIM)
add_custom_target(docs ALL DEPENDS ${docs_dir}/made)
install(DIRECTORY ${docs_dir}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR})
install(DIRECTORY ${docs_dir}/doc/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
