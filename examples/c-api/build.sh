#!/bin/sh
# A network as an object file, linked into a C program by cc alone.
# Usage: build.sh BUILD-FOLDER [WORK-FOLDER]; makes WORK-FOLDER/c-api (BUILD-FOLDER/examples/c-api). CC and CFLAGS count.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 BUILD-FOLDER [WORK-FOLDER]" >&2; exit 2; }
here=$(dirname "$0") build=$1 work=${2:-$1/examples/c-api}
mkdir -p "$work"

# digits.o, digits.h and digits.safetensors
"$build/surgeryc" "$here/../digits/digits.surgery" --emit=obj -o "$work/digits.o"

# OpenBLAS is loaded when the first product is computed: its package has to be there then, not now.
${CC:-cc} ${CFLAGS:--O2} -I"$work" -I"$here/../../runtime" "$here/main.c" "$work/digits.o" -o "$work/c-api" \
  "$build/runtime/libsurgery.a" -ljpeg -lpng -lz -lm
echo "$work/c-api"
