#!/bin/sh
# Makes zoo.c, the texts of the built-in models as C strings: embed.sh OUT.c FILE.surgery...
# Called by the build. The file appears whole or not at all.
set -eu
out=$1
shift
{
  printf '/* Made by compiler/zoo/embed.sh from the models beside it. */\n#include "compiler/zoo/zoo.h"\n#include <stddef.h>\n'
  printf 'const struct ZooSource zoo_sources[] = {\n'
  for file in "$@"; do
    printf '    {"<zoo>/%s",\n' "$(basename "$file")"
    # Quoted line by line; "??" cannot become a trigraph in gnu11.
    sed -e 's/[\\"]/\\&/g' -e 's/	/\\t/g' -e 's/^/     "/' -e 's/$/\\n"/' "$file"
    printf '    },\n'
  done
  printf '    {NULL, NULL}};\n'
} >"$out.tmp"
mv "$out.tmp" "$out"
