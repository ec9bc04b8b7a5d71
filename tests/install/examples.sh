# Each project of examples/build-systems against the installed prefix, by the commands of its README: built, run,
# built again without any work, and the network made anew when one of its weight files changes. The installed copies
# are built, so that nothing of the repository is needed.
. "$INSTALL_SOURCE/common.sh"
no_sanitizers
need pkg-config
# Make has no paths with spaces, and pkg-config's output is split at them.
place=$(mktemp -d /tmp/surgery-install.XXXXXX)
trap 'status=$?; rm -rf "$place"; leave $status' EXIT
ln -s "$prefix" "$place/prefix"
cp -R "$prefix/share/surgery/examples" "$place/examples"
lib=$(cd "$place/prefix" && dirname "$(find . -name libsurgery.a)")
export PKG_CONFIG_PATH="$place/prefix/$lib/pkgconfig" CMAKE_PREFIX_PATH="$place/prefix"
built=0

project() { # FOLDER PROGRAM COMMAND
  cd "$place/examples/build-systems/$1"
  sh -ec "$3" >log 2>&1 || { cat log; fail "$1: $3"; }
  (cd "$(dirname "$2")" && ./"$(basename "$2")") >out || fail "$1: the program"
  has out '^5 of 5 right$'
  first=$(sed -n 's/^step 1: loss //p' out) second=$(sed -n 's/^step 2: loss //p' out)
  awk "BEGIN { exit !($second < $first) }" || fail "$1: the loss is $first, then $second"
  "$prefix/bin/surgeryc" show "$(dirname "$2")/trained.safetensors" >shown || fail "$1: what it saved"
  has shown 'fc\.weight'
  built=$((built + 1))
}
again() { # FOLDER NOTHING COMMAND: one that knows what has changed
  sh -ec "$3" >log 2>&1 || { cat log; fail "$1: $3"; }
  tail -n 1 log | grep -qE "$2" || { cat log; fail "$1: the second build has work to do"; }
  touch "$place/examples/digits/zero-to-four.safetensors"
  sh -ec "$3" >log 2>&1 || { cat log; fail "$1: $3"; }
  grep -qE 'surgeryc|Compiling digits' log || { cat log; fail "$1: other weights, and nothing is made"; }
  grep -qE 'main\.cpp|-o app' log && { cat log; fail "$1: more than the network is made anew"; }
  sh -ec "$3" >log 2>&1
  tail -n 1 log | grep -qE "$2" || { cat log; fail "$1: the build after other weights has work to do"; }
}
missing() { echo "SKIPPED: $1, there is no $2"; }

project cmake build/app "$CMAKE -B build && $CMAKE --build build"
project pkg-config ./app "./build.sh"
if command -v make >/dev/null; then
  project make ./app make
  again make 'is up to date' make
else missing make make; fi
if command -v ninja >/dev/null; then
  project ninja ./app "./configure && ninja"
  again ninja 'no work to do' "ninja -v"
else missing ninja ninja; fi
if command -v meson >/dev/null; then
  project meson build/app "meson setup build && ninja -C build"
  again meson 'no work to do' "ninja -v -C build"
else missing meson meson; fi
[ $built -ge 3 ] || fail "only $built projects were built"
cd "$work"
finish
