# Each source of bench/ is one program, build/<preset>/bench/<name>.
file(GLOB benches CONFIGURE_DEPENDS bench/*.c)
# conv.c speaks to oneDNN 2 alone, whose convolutions have Winograd on this processor; 3 has none.
if(EXISTS ${LINNET_DNNL_INCLUDE}/oneapi/dnnl/dnnl_version.h)
    file(STRINGS ${LINNET_DNNL_INCLUDE}/oneapi/dnnl/dnnl_version.h major
        REGEX "^#define DNNL_VERSION_MAJOR [3-9]")
    if(major)
        list(FILTER benches EXCLUDE REGEX "/conv\\.c$")
    endif()
endif()
foreach(source ${benches})
    get_filename_component(name ${source} NAME_WE)
    add_executable(bench_${name} ${source})
    target_link_libraries(bench_${name} PRIVATE linnet linnet_warnings)
    set_target_properties(bench_${name} PROPERTIES OUTPUT_NAME ${name}
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endforeach()
