#!/bin/sh
# Builds Surgery with AddressSanitizer and UndefinedBehaviorSanitizer and runs there what reads foreign bytes and what computes:
# run.sh CMAKE CTEST SOURCE FOLDER. Any report of either ends the program that it is about, and so fails its test.
#
# What is checked
#   compiler, runtime, tests   both sanitizers, and leaks: every C file
#   kernel templates           both, as tests/kernels and tests/ops call them, compiled as they are
#   generated code             AddressSanitizer, put into the module behind its optimisation: every access to weights, packed
#                              weights, gradients, inputs and outputs stays within that allocation; in the arena a buffer may
#                              be touched only between the calls that it lives for, and 64 bytes lie between any two
#                              (SURGERY_REDZONE in compiler/plan/memory.c, mark_buffers in compiler/codegen/programs.c)
# What is not: one tensor's end against its neighbour's begin within the weights or gradients, threads' scratch against each
# other, and what OpenBLAS and the image libraries do inside.
set -eu
cmake=$1 ctest=$2 source=$3 folder=$4
"$cmake" -S "$source" --preset sanitizers -B "$folder" > "$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
"$cmake" --build "$folder" --parallel "$(nproc)" >> "$folder.log" 2>&1 || { tail -n 60 "$folder.log"; exit 1; }

# Whole networks against PyTorch, the front end and the readers with hostile input, the runtime, the code generator.
chosen='^(numeric-(forward|gradients)-.*|numeric-training|grammar/hostile|edit/hostile|frontend/.*|weights/.*|fuzz.*|runtime|onnx.*|kernels_other)$'
cd "$folder"
exec "$ctest" -R "$chosen" --no-tests=error --output-on-failure --timeout 1200
