# x_test.c beside x.c, and those of tests/, become one cmocka program each; ctest names them by their
# folder.
enable_testing()
find_path(LINNET_CMOCKA_INCLUDE cmocka.h)
find_library(LINNET_CMOCKA_LIBRARY cmocka)
if(LINNET_CMOCKA_INCLUDE AND LINNET_CMOCKA_LIBRARY)
    file(GLOB_RECURSE tests CONFIGURE_DEPENDS src/*_test.c tests/*_test.c)
    foreach(source ${tests})
        file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR} ${source})
        string(REGEX REPLACE "^(src|tests)/" "" name ${name})
        get_filename_component(stem ${source} NAME_WE)
        string(REPLACE "_test" "" tested ${stem})
        string(REGEX REPLACE "\\.c$" "" name ${name})
        string(REPLACE "/" "." target ${name})
        if(NOT "${tested}.c" IN_LIST LINNET_DROPPED_SOURCES)
            add_executable(${target} ${source})
            target_link_libraries(${target} PRIVATE linnet linnet_warnings
                ${LINNET_CMOCKA_LIBRARY})
            if(name MATCHES "^cmd/")
                target_link_libraries(${target} PRIVATE linnet_commands)
            endif()
            set_target_properties(${target} PROPERTIES
                RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
            add_test(NAME ${target} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
            set_tests_properties(${target} PROPERTIES TIMEOUT 900 LABELS unit)
        endif()
    endforeach()
endif()
# What the commands print, and which folder includes which.
add_test(NAME cli COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/run $<TARGET_FILE:linnet_program>)
set_tests_properties(cli PROPERTIES TIMEOUT 300)
add_test(NAME layers COMMAND ${CMAKE_SOURCE_DIR}/tools/layers)
# Programs that give the Python parity tests functions the public API does not have.
file(GLOB parity CONFIGURE_DEPENDS tests/parity/*.c)
foreach(source ${parity})
    get_filename_component(stem ${source} NAME_WE)
    add_executable(parity_${stem} ${source})
    target_link_libraries(parity_${stem} PRIVATE linnet linnet_warnings)
    set_target_properties(parity_${stem} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
endforeach()
# Fuzzers, for tests/fuzz/run: image.c and weights.c with what they include, text.c.
add_executable(fuzz_image tests/fuzz/image.c tests/fuzz/mutate.c)
add_executable(fuzz_weights tests/fuzz/weights.c tests/fuzz/mutate.c)
add_executable(fuzz_text tests/fuzz/text.c)
foreach(fuzzer fuzz_image fuzz_weights fuzz_text)
    target_link_libraries(${fuzzer} PRIVATE linnet linnet_warnings)
    set_target_properties(${fuzzer} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
endforeach()
# Runs that are killed, stopped, damaged and misled; it prints how often.
if(TARGET linnet_program)
    add_test(NAME train.survive COMMAND ${CMAKE_SOURCE_DIR}/tests/train/survive
        $<TARGET_FILE:linnet_program>)
    set_tests_properties(train.survive PROPERTIES TIMEOUT 600 LABELS program)
    add_test(NAME train.finetune COMMAND ${CMAKE_SOURCE_DIR}/tests/train/finetune
        $<TARGET_FILE:linnet_program>)
    set_tests_properties(train.finetune PROPERTIES TIMEOUT 900 LABELS program)
endif()
