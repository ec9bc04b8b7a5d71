# Sourced by the scripts of this folder: a folder of its own to work in ($work, with a space in its path), removed when
# the test passes. From CMakeLists.txt: SURGERYC, NUMTOOL, SURGERY_SOURCE, SURGERY_SHARED_DATA (may be absent), EXAMPLES_WORK.
set -eu
export LC_ALL=C OMP_WAIT_POLICY=passive SURGERY_WEIGHTS= TORCH_HOME=/nonexistent
examples=$SURGERY_SOURCE/examples build=$(dirname "$SURGERYC")
work=$(mktemp -d "$EXAMPLES_WORK/a path XXXXXX")
finished=no
leave() {
  status=$?
  [ "$status" != 0 ] || [ $finished = yes ] || { echo "FAILED: ended before its end"; status=1; }
  case $status in 0 | 77) rm -rf "$work" ;; *) echo "files are left in $work" ;; esac
  exit $status
}
trap leave EXIT

skip() { echo "SKIPPED: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }
finish() { finished=yes; }
at_least() { # WHAT GOT WANTED
  awk -v got="$2" -v wanted="$3" 'BEGIN { exit !(got ~ /^[0-9.]+$/ && got + 0 >= wanted + 0) }' || fail "$1 is '$2', at least $3 is promised"
  echo "$1: $2 (at least $3)"
}
number_after() { sed -n "s/^$2  *\([0-9.]*\).*/\1/p" "$1" | head -n 1; } # FILE WORD
has() { grep -qE -e "$2" "$1" || { cat "$1"; fail "no /$2/ in the output"; }; } # FILE PATTERN
same() { "$NUMTOOL" same "$1" "$2" "$3" || fail "'$3' is not the same in $1 and $2"; } # A B GLOB: bit for bit
