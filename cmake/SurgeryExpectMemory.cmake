# Compares what `surgeryc plan --json` says a network needs with EXPECT_MEMORY of surgery_add_network: weights, what
# is derived from them, and a forward of one sample by one thread. Run with PLAN (the file), LIMIT (64M) and SCRIPT
# (for the message).
file(READ "${PLAN}" plan)
string(REGEX MATCH "^([0-9]+)([kMG]?)$" ignored "${LIMIT}")
set(factor_k 1024)
set(factor_M 1048576)
set(factor_G 1073741824)
set(factor_ 1)
math(EXPR limit "${CMAKE_MATCH_1} * ${factor_${CMAKE_MATCH_2}}")
string(JSON weights GET "${plan}" weights_bytes)
string(JSON packed GET "${plan}" packed_bytes)
set(forward 0)
foreach(part per_sample fixed scratch)
  string(JSON bytes GET "${plan}" functions forward ${part})
  math(EXPR forward "${forward} + ${bytes}")
endforeach()
math(EXPR total "${weights} + ${packed} + ${forward}")
if(total GREATER limit)
  message(NOTICE "${SCRIPT}:1:1: error: needs ${total} bytes (weights ${weights}, derived from them ${packed}, "
    "a forward of one sample ${forward}), and EXPECT_MEMORY is ${LIMIT}, ${limit} bytes")
  message(FATAL_ERROR "the network needs more memory than EXPECT_MEMORY")
endif()
