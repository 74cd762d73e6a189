# Each source of src/backend/cpu/kernel/ is compiled once for each instruction set; ISA names the
# set and suffixes every exported symbol (backend/cpu/vec.h), cpu/isa.c picks by cpuid. What ends in
# _bf16.c is compiled for the set that has bf16 alone.
set(LINNET_ISA_generic "")
set(LINNET_ISA_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(LINNET_ISA_avx512 ${LINNET_ISA_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl
    -mprefer-vector-width=512)
set(LINNET_ISA_avx512bf16 ${LINNET_ISA_avx512} -mavx512bf16)
function(linnet_add_kernels target)
    file(GLOB kernels CONFIGURE_DEPENDS src/backend/cpu/kernel/*.c)
    list(FILTER kernels EXCLUDE REGEX "_test\\.c$")
    set(objects "")
    foreach(isa generic avx2 avx512 avx512bf16)
        if(kernels AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" OR isa STREQUAL generic)
            if(kernels)
                set(sources ${kernels})
                if(NOT isa STREQUAL avx512bf16)
                    list(FILTER sources EXCLUDE REGEX "_bf16\\.c$")
                endif()
                add_library(kernels_${isa} OBJECT ${sources})
                target_include_directories(kernels_${isa} PRIVATE src include
                    ${CMAKE_BINARY_DIR}/gen)
                target_link_libraries(kernels_${isa} PRIVATE linnet_warnings linnet_libraries)
                target_compile_options(kernels_${isa} PRIVATE -O3 -ffp-contract=fast
                    -fno-trapping-math -Wno-psabi ${LINNET_ISA_${isa}})
                target_compile_definitions(kernels_${isa} PRIVATE ISA=${isa} ISA_${isa}=1)
                list(APPEND objects $<TARGET_OBJECTS:kernels_${isa}>)
            endif()
        endif()
    endforeach()
    set(LINNET_KERNEL_OBJECTS ${objects} PARENT_SCOPE)
endfunction()
