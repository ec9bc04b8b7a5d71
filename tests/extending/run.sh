#!/bin/sh
# What it costs to add a thing, done: each patch of this folder adds something small that nobody needs.
#
#   run.sh SOURCE BUILD SCRATCH [NAME…]      without a name all of them
#
# All patches are applied to one copy of the tree, which is built once. The number of files that a patch touches must be
# the figure of its row in docs/contributing.md. Above its first file a patch has the check that tells whether the thing
# is there, as lines of shell after "check:"; it runs in a folder of its own with $surgeryc, $build and $source set, must
# succeed in the copy, and must fail in the unchanged tree and BUILD. What it needs besides surgeryc is a line "targets:".
# Needs patch, and no git.
set -eu
source=$1 build=$2 scratch=$3
shift 3
here=$source/tests/extending page=$source/docs/contributing.md
failures=0
wrong() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

[ $# -gt 0 ] || set -- $(cd "$here" && ls *.patch | sed 's/\.patch$//')

# The files of a patch, each once.
touched() { sed -n 's/^+++ \([^[:space:]]*\).*/\1/p' "$1" | sort -u | wc -l; }
# "| … | [NAME](../tests/extending/NAME.patch) | FILES | …": the figure of the row that shows the patch.
figure() { sed -n "s/^|.*tests\/extending\/$1\.patch)[^|]*| *\([0-9]*\) *|.*/\1/p" "$page"; }
# The lines after "check:" up to the first file.
check_of() { sed -n '/^check:$/,/^--- /{/^check:$/d;/^--- /d;p;}' "$1"; }

for name; do
  patch=$here/$name.patch files=$(touched "$here/$name.patch") wanted=$(figure "$name")
  [ "$wanted" = "$files" ] || wrong "$name.patch touches $files files; its row in docs/contributing.md says '$wanted'"
  [ -n "$(check_of "$patch")" ] || wrong "$name.patch has no check"
done

copy=$scratch/tree new=$scratch/new
rm -rf "$new"
mkdir -p "$copy" "$new"
(cd "$source" && tar -cf - --exclude='./build*' --exclude=.git .) | (cd "$new" && tar -xf -)
for name; do # -F1: edits of others nearby do not matter
  if ! (cd "$new" && patch -p1 -F1 -s -t --no-backup-if-mismatch <"$here/$name.patch") >"$scratch/$name.log" 2>&1; then
    wrong "$name.patch does not apply any more: mend it (docs/contributing.md)"
    cat "$scratch/$name.log"
  fi
done
[ $failures = 0 ] || exit 1
# Only what differs from the last run gets a new time, so that a second run builds little.
(cd "$copy" && find . -type f) | while read -r file; do [ -e "$new/$file" ] || rm "$copy/$file"; done
(cd "$new" && find . -type f) | while read -r file; do
  cmp -s "$new/$file" "$copy/$file" || { mkdir -p "$copy/${file%/*}" && cp "$new/$file" "$copy/$file"; }
done

# -O1: what is built here is asked whether it works, not how fast it is.
sed -n 's/^CMAKE_\(C_COMPILER\|GENERATOR\|C_COMPILER_LAUNCHER\):[^=]*=\(.*\)/-DCMAKE_\1=\2/p' "$build/CMakeCache.txt" |
  sed 's/^-DCMAKE_GENERATOR=/-G/' >"$scratch/options"
mkdir -p "$scratch/build"
[ -e "$scratch/build/CMakeCache.txt" ] ||
  tr '\n' '\0' <"$scratch/options" | (cd "$scratch/build" && CCACHE_BASEDIR=$copy xargs -0 cmake -S "$copy" -B . -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_FLAGS_RELEASE=-O1 -DBUILD_TESTING=ON) >"$scratch/build.log" 2>&1 || { cat "$scratch/build.log"; exit 1; }
targets=surgeryc
for name; do targets="$targets $(sed -n 's/^targets: //p' "$here/$name.patch")"; done
CCACHE_BASEDIR=$copy cmake --build "$scratch/build" --target $targets >"$scratch/build.log" 2>&1 ||
  { tail -n 40 "$scratch/build.log"; echo "FAILED: the tree with all patches does not build"; exit 1; }

# A check of a patch with a compiler; its output is kept.
run_check() {
  rm -rf "$scratch/work"
  mkdir "$scratch/work"
  check_of "$here/$1.patch" >"$scratch/check.sh"
  (cd "$scratch/work" && surgeryc=$2/surgeryc build=$2 source=$3 HOME=$scratch/work sh -eu "$scratch/check.sh") >"$scratch/check.log" 2>&1
}
for name; do
  if ! run_check "$name" "$scratch/build" "$copy"; then
    wrong "the check of $name.patch"
    sed 's/^/  | /' "$scratch/check.log"
  fi
  if run_check "$name" "$build" "$source"; then
    wrong "the check of $name.patch succeeds without the patch, too"
  fi
done
[ $failures = 0 ] && echo "$# additions, each of as many files as docs/contributing.md says"
exit $((failures > 0))
