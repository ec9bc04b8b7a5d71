# Sourced by the scripts of this folder: a folder of its own to work in ($work, whose path has a space and more than
# ASCII), removed when the test passes, and the installed prefix ($prefix). From CMakeLists.txt: SURGERY_SOURCE,
# SURGERY_BUILD, INSTALL_SOURCE, INSTALL_WORK, SURGERY_SANITIZE, CMAKE, VERSION.
set -eu
export LC_ALL=C.UTF-8 OMP_WAIT_POLICY=passive SURGERY_WEIGHTS= TORCH_HOME=/nonexistent
unset DESTDIR CMAKE_PREFIX_PATH PKG_CONFIG_PATH CFLAGS CXXFLAGS LDFLAGS MAKEFLAGS MAKELEVEL
prefix="$INSTALL_WORK/a préfix"
mkdir -p "$INSTALL_WORK"
work=$(mktemp -d "$INSTALL_WORK/wörk dir.XXXXXX")
finished=no
leave() { # [STATUS]
  status=${1:-$?}
  [ "$status" != 0 ] || [ $finished = yes ] || { echo "FAILED: ended before its end"; status=1; }
  case $status in 0 | 77) rm -rf "$work" ;; *) echo "files are left in $work" ;; esac
  exit $status
}
trap leave EXIT
cd "$work"

skip() { echo "SKIPPED: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }
finish() { finished=yes; }
need() { for tool; do command -v "$tool" >/dev/null || skip "there is no $tool"; done; }
# Programs of other builds know nothing of the sanitizers that this one was made with.
no_sanitizers() { [ -z "$SURGERY_SANITIZE" ] || skip "the libraries have sanitizers"; }
has() { grep -qE -e "$2" "$1" || { cat "$1"; fail "no /$2/ in $1"; }; } # FILE PATTERN
has_not() { ! grep -nE -e "$2" "$1" || fail "/$2/ in $1"; } # FILE PATTERN
quietly() { "$@" >log 2>&1 || { cat log; fail "$*"; }; }
