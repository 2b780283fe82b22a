# SPDX-License-Identifier: Apache-2.0
# librein_sim_pthread.a: the layer that brings plain pthread calls into the simulation. Whoever links rein::sim_pthread
# (before rein::rein or rein::rein_static) has these calls of his wrapped: the WRAP(...) lines in src/sim/pthread.

file(GLOB sim_pthread_sources CONFIGURE_DEPENDS src/sim/pthread/*.c)
list(FILTER sim_pthread_sources EXCLUDE REGEX "_test\\.c$")
add_library(rein_sim_pthread STATIC ${sim_pthread_sources})
add_library(rein::sim_pthread ALIAS rein_sim_pthread)
set_target_properties(rein_sim_pthread PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden
        EXPORT_NAME sim_pthread)
target_include_directories(rein_sim_pthread PRIVATE include)
target_compile_definitions(rein_sim_pthread PRIVATE _GNU_SOURCE)
# Why not watched by sanitizers: src/sim/pthread/layer.h.
set_source_files_properties(${sim_pthread_sources} PROPERTIES COMPILE_OPTIONS
        "-fno-builtin$<$<NOT:$<STREQUAL:${REIN_SANITIZE},>>:;-fno-sanitize=all>")
target_link_libraries(rein_sim_pthread PRIVATE $<BUILD_INTERFACE:rein_flags> $<BUILD_INTERFACE:rein_strict>)

# -u: all of it is linked at once, so that it may stand before a librein.a that calls what is wrapped.
set(sim_pthread_options -Wl,-u,rn_sim_pthread_layer)
foreach(source IN LISTS sim_pthread_sources)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
        file(STRINGS ${source} lines REGEX "^WRAP(_AS)?\\(")
        string(REGEX MATCHALL "WRAP(_AS)?\\([A-Za-z0-9_]+" lines "${lines}")
        foreach(line IN LISTS lines)
                string(REGEX REPLACE "^.*\\(" "" name ${line})
                list(APPEND sim_pthread_options -Wl,--wrap=${name},-u,__wrap_${name})
        endforeach()
endforeach()
target_link_options(rein_sim_pthread INTERFACE ${sim_pthread_options})
string(REPLACE ";" " " sim_pthread_options "${sim_pthread_options}")
