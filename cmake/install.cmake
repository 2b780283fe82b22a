# SPDX-License-Identifier: Apache-2.0
# What `make install` puts where, rein.pc and the CMake package. Both find the prefix from their own place, so that the
# tree may be moved.

install(TARGETS rein rein_static rein_sim_pthread EXPORT rein
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/rein DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/rein)
install(EXPORT rein NAMESPACE rein:: FILE reinTargets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/reinConfig.cmake.in package/reinConfig.cmake INSTALL_DESTINATION ${package_dir})
# Until 1.0 a minor version may change the API.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/reinConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/reinConfig.cmake ${CMAKE_BINARY_DIR}/package/reinConfigVersion.cmake
        DESTINATION ${package_dir})

file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(pc IN ITEMS rein rein-sim-pthread)
        configure_file(cmake/${pc}.pc.in package/${pc}.pc @ONLY)
        install(FILES ${CMAKE_BINARY_DIR}/package/${pc}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

foreach(section IN ITEMS 1 3 5 7)
        file(GLOB pages CONFIGURE_DEPENDS docs/man/*.${section})
        if(pages)
                install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
        endif()
endforeach()
