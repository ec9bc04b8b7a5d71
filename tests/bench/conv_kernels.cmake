# bench_conv_kernels makes the program tests/bench/conv_kernels in the build folder: the templates compiled by
# clang for this machine, with constants. Built only on demand.
set(program ${CMAKE_CURRENT_BINARY_DIR}/conv_kernels)
file(GLOB bench_templates CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/kernels/*.h ${CMAKE_SOURCE_DIR}/runtime/kernels/conv/*.[ch])
add_custom_command(OUTPUT ${program}
  COMMAND ${CLANG} -std=gnu11 -D_GNU_SOURCE -I${CMAKE_SOURCE_DIR} -O3 -march=native -ffp-contract=fast -fno-math-errno
          -mprefer-vector-width=512 -Wall -Wextra -Wno-unused-parameter -Wno-pass-failed -Wno-psabi
          ${CMAKE_CURRENT_SOURCE_DIR}/conv_kernels.c -o ${program} -lm
  DEPENDS conv_kernels.c ${bench_templates} VERBATIM)
add_custom_target(bench_conv_kernels DEPENDS ${program})
