# Strict in both compilers; the sanitizers are asked for by preset. Messages are cut to fit on purpose.
add_library(linnet_warnings INTERFACE)
target_compile_options(linnet_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wvla -Wswitch-enum $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> -fno-math-errno -ffp-contract=off -fstack-protector-strong)
if(LINNET_WERROR)
    target_compile_options(linnet_warnings INTERFACE -Werror)
endif()
if(LINNET_SANITIZE)
    add_compile_options(-fsanitize=${LINNET_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${LINNET_SANITIZE})
else()
    add_compile_definitions($<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()
add_link_options(-Wl,-z,relro,-z,now)
add_compile_definitions(_GNU_SOURCE)
