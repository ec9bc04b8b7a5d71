# Exactly what an input concerns is made anew, with Ninja and with Make: each input of a network is touched, then
# changed, and what the build then does is counted; the second time it does nothing.
. "$INSTALL_SOURCE/common.sh"
no_sanitizers
need ninja make
digits=$SURGERY_SOURCE/examples/digits
mkdir project project/inc weights
cp -a "$prefix" own # its compiler is touched
cp "$digits/net.surgery" project/inc/
cp "$digits/zero-to-four.safetensors" weights/taken.safetensors
cp "$digits/zero-to-four.safetensors" project/loaded.safetensors
echo 'include "net.surgery"' >project/inc/blocks.surgery
cat >project/net.surgery <<'S'
include "blocks.surgery"
take DigitNet(5)[0:1]
load conv1 from "loaded.safetensors"
freeze all
replace fc with Linear(_, 10)
S
cat >project/main.c <<'C'
#include "ants.h"
int main(void) {
  ants *net = ants_open(NULL, NULL);
  ants_close(net);
  return !net;
}
C
cat >project/CMakeLists.txt <<'L'
cmake_minimum_required(VERSION 3.21)
project(rebuild LANGUAGES C)
find_package(Surgery 0.1 REQUIRED)
surgery_add_network(ants SCRIPT net.surgery WEIGHTS DigitNet=../weights/taken.safetensors INCLUDES inc CPU x86-64-v2)
add_executable(app main.c)
target_link_libraries(app PRIVATE ants)
L

# What the build did, one word for each step: network, header users, archive, program.
build() { # [ARGUMENT…]
  "$CMAKE" --build "build-$generator" -j2 "$@" >log 2>&1 || { cat log; fail "the build"; }
  sed -n 's/.*Compiling net\.surgery.*/network/p; s/.*Building C object.*/object/p; s/.*Linking C static.*/archive/p
          s/.*Linking C exec.*/program/p' log | sort | tr '\n' ' ' >did
}
did() { # WHAT WANTED
  [ "$(cat did)" = "${2:+$2 }" ] || { cat log; fail "$generator: $1: '$(cat did)' was done, not '$2'"; }
}
after() { # WHAT WANTED: builds, and once more
  build
  did "$1" "$2"
  build
  did "$1, the second time" ""
}

for generator in Ninja Make; do
  name=Ninja
  [ $generator = Ninja ] || name="Unix Makefiles"
  quietly "$CMAKE" -G "$name" -S project -B build-$generator -DCMAKE_PREFIX_PATH="$work/own"
  after "from nothing" "archive network object program"
  (cd build-$generator && ./app) || fail "the program does not run"
  sleep 0.02
  for input in project/net.surgery project/inc/blocks.surgery project/inc/net.surgery weights/taken.safetensors \
    project/loaded.safetensors own/bin/surgeryc; do
    touch "$input"
    after "touched $input" network
  done
  touch project/main.c
  after "touched main.c" "object program"

  # Bytes that change: a name that is in the header, other weights, code.
  sed -i '/^labels/d' project/net.surgery
  echo 'labels "0", "1", "2", "3", "4", "5", "6", "7", "8", "'$generator'"' >>project/net.surgery
  after "a label" "archive network object program"
  cp build-$generator/ants.safetensors before
  "$prefix/bin/surgeryc" "$digits/pretrain.surgery" -o other 2>/dev/null # of the same shapes
  cp other.safetensors weights/taken.safetensors
  after "other weights" network
  cmp -s before build-$generator/ants.safetensors && fail "other weights are the same file"
  sed 's/relu(bn3(conv3(x)))/gelu(bn3(conv3(x)))/; s/\.\.relu_2/..gelu/' "$digits/net.surgery" >project/inc/net.surgery
  after "code in an include of an include" "archive network program"
  cp "$digits/net.surgery" project/inc/net.surgery
  cp "$digits/zero-to-four.safetensors" weights/taken.safetensors
  build

  # An include that goes away is no error where nothing asks for it any more.
  cp "$digits/net.surgery" project/inc/blocks.surgery
  rm project/inc/net.surgery
  build
  cp "$digits/net.surgery" project/inc/net.surgery
  echo 'include "net.surgery"' >project/inc/blocks.surgery
  build

  # A mistake: in the log as compilers have it, no half-made file, and mended by the next build.
  sed -i 's/Linear(_, 10)/Linear(_, 10, 3, 4)/' project/net.surgery
  "$CMAKE" --build build-$generator >log 2>&1 && fail "$generator: a wrong script was built"
  grep -qF "$work/project/net.surgery:5:34: error" log || { cat log; fail "no file:line:column: error"; }
  sed -i 's/Linear(_, 10, 3, 4)/Linear(_, 10)/' project/net.surgery
  after "mended" "network"
done
finish
