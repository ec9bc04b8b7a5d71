#!/bin/sh
# Every C file is laid out as .clang-format says, has no line of more than 120 columns and not more than 500 lines.
# Generated goldens apart.
#
#   tests/layers/format.sh CLANG_FORMAT SOURCE
set -eu
format=$1
cd "$2"
files=$(find compiler runtime grammar tests examples -name '*.[ch]' | sort)
"$format" --dry-run -Werror $files
wide=$(echo "$files" | grep -vE '^tests/runtime/[a-z]*_goldens.h$' | LC_ALL=C.UTF-8 xargs wc -L | awk '$2 != "total" && $1 > 120 { print $2 ": a line of " $1 " columns" }')
long=$(wc -l $files | awk '$2 != "total" && $1 > 500 { print $2 ": " $1 " lines" }')
[ -z "$wide$long" ] || { printf '%s\n' "$wide" "$long" >&2; exit 1; }
