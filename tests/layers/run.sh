#!/bin/sh
# Folders are layers: reads the symbols of the objects and the #include lines of the sources, and fails where a folder uses
# one that is not below it in layers.txt. Run by the test `layers`.
#
#   tests/layers/run.sh SOURCE BUILD [LAYERS]
set -eu
source=$1 build=$2 layers=${3:-$1/tests/layers/layers.txt}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# "FOLDER TYPE SYMBOL" of each object. A generated source lies in no folder: there the library's name tells.
sed -n 's/^ *"command": .* -o \(\(compiler\|runtime\)[^ ]*\.c\.o\) .*/\1/p' "$build/compile_commands.json" | sort >"$work/objects"
[ -s "$work/objects" ] || { echo "layers: $build/compile_commands.json names no objects" >&2; exit 1; }
(cd "$build" && xargs nm -A -g <"$work/objects") | awk '
  { split($0, part, ".c.o:"); path = part[1]; count = split(part[2], word, " ")
    top = path; sub(/\/.*/, "", top)
    library = path; sub(/.*CMakeFiles\//, "", library); sub(/\.dir\/.*/, "", library)
    within = path; sub(/.*\.dir\//, "", within); sub(/^(__\/)+/, "", within)
    if (within ~ /^grammar\// || library == "surgery_grammar") folder = "grammar"
    else if (library == "surgery_kernels" || library == "kernel_bitcode") folder = "runtime/kernels"
    else if (index(within, "/")) { sub(/\/[^\/]*$/, "", within); sub(/\/.*/, "", within); folder = top "/" within }
    else { sub(/^surgery_/, "", library); folder = top "/" library }
    print folder, word[count - 1], word[count], path }' >"$work/symbols"

# "FOLDER HEADER-FOLDER FILE" of each #include of the project's own headers. A table, *.def, has no code and is for all.
(cd "$source" && grep -rn '^#include "' compiler runtime grammar --include='*.[chly]') | awk -F: '
  { file = $1; folder = file; sub(/\/[^\/]*$/, "", folder)
    header = $3; sub(/^#include "/, "", header); sub(/".*/, "", header)
    if (header !~ /\// || header ~ /\.def$/) next # of its own folder, generated, or a table
    sub(/\/[^\/]*$/, "", header)
    print folder, header, file }' >"$work/includes"

awk -v symbols="$work/symbols" -v includes="$work/includes" '
  function layer(folder) { # of a sub-folder: its folder'\''s
    while (!(folder in level) && sub(/\/[^\/]*$/, "", folder)) ;
    return folder
  }
  function arrow(from, to, where, what) {
    from = layer(from); to = layer(to)
    if (from == to) return
    if (!(from in level) || !(to in level)) { print "layers: no line for " (from in level ? to : from) " (" where ")"; bad++; return }
    if (level[to] > level[from] || (from, to) in except) return
    print "layers: " from " may not use " to ": " where " " what; bad++
  }
  /^#/ || NF == 0 { next }
  $1 == "except" { except[$2, $3]; next }
  { line++; for (i = 1; i <= NF; i++) level[$i] = line }
  END {
    while ((getline row < symbols) > 0) { split(row, w, " "); if (w[2] != "U" && w[2] != "w") owner[w[3]] = w[1] }
    close(symbols)
    while ((getline row < symbols) > 0) {
      split(row, w, " ")
      if ((w[2] == "U" || w[2] == "w") && w[3] in owner) { arrow(w[1], owner[w[3]], w[4] ".c", "calls " w[3]); seen++ }
    }
    while ((getline row < includes) > 0) { split(row, w, " "); arrow(w[1], w[2], w[3], "includes a header of it"); read++ }
    if (seen < 1000 || read < 300) { print "layers: only " seen " uses and " read " includes were seen"; bad++ }
    if (bad) exit 1
    print "layers: " seen " uses of symbols and " read " includes, none upwards"
  }' "$layers"
