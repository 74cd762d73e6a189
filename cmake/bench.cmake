# Each source of bench/ is one program, build/<preset>/bench/<name>.
file(GLOB benches CONFIGURE_DEPENDS bench/*.c)
foreach(source ${benches})
    get_filename_component(name ${source} NAME_WE)
    add_executable(bench_${name} ${source})
    target_link_libraries(bench_${name} PRIVATE linnet linnet_warnings)
    set_target_properties(bench_${name} PROPERTIES OUTPUT_NAME ${name}
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endforeach()
