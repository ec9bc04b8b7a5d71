# surgery_add_network: each of its arguments, kinds of libraries together in one program, a library that is opened by
# dlopen, projects with C only and with C++ only, and what is said where an argument is wrong.
. "$INSTALL_SOURCE/common.sh"
no_sanitizers
digits=$SURGERY_SOURCE/examples/digits
mkdir project
cp "$digits/net.surgery" "$digits/digits.surgery" "$digits/zero-to-four.safetensors" project/
cat >project/choice.surgery <<'S'
include "net.surgery"
param classes = 4
take DigitNet(5)[0:1]
replace fc with Linear(_, classes)
S
# Every user of a network is this, by another name.
cat >project/use.c <<'C'
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
#include TEXT(NET.h)
#include <stdio.h>
#ifdef __cplusplus
extern "C"
#endif
int JOIN(run_, NET)(void);
int JOIN(run_, NET)(void) {
  static float x[64], y[1000];
  surgery_error err;
  NET *net = JOIN(NET, _open)(NULL, &err);
  if (!net) return fprintf(stderr, "%s\n", err.message), 1;
  int failure = JOIN(NET, _forward)(net, 1, x, y);
  JOIN(NET, _close)(net);
  return failure;
}
C
cp project/use.c project/use.cpp
cat >project/main.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
int run_still(void), run_moving(void), run_object(void);
int main(void) {
  void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL), *direct = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!plugin || !direct) return printf("%s\n", dlerror()), 1;
  int (*run)(void) = (int (*)(void))dlsym(plugin, "run_inside");
  int failed = !run || run() || run_still() || run_moving() || run_object() || !dlsym(direct, "opened_forward");
  if (dlsym(direct, "sg_gemm")) failed = printf("a name of the runtime's own leaves the library\n");
  if (dlclose(plugin) || dlclose(direct)) failed = 1;
  if (!failed && run_still()) failed = 1;
  return failed;
}
C
cat >project/CMakeLists.txt <<'L'
cmake_minimum_required(VERSION 3.21)
project(features LANGUAGES ${LANGUAGE})
enable_testing()
find_package(Surgery 0.1 REQUIRED COMPONENTS compiler development runtime)
if(LANGUAGE STREQUAL "CXX")
  surgery_add_network(still SCRIPT digits.surgery EMBED_WEIGHTS CPU x86-64-v2)
  add_executable(app use.cpp plus.cpp)
  target_compile_definitions(app PRIVATE NET=still)
  target_link_libraries(app PRIVATE still)
  return()
endif()
surgery_add_network(still SCRIPT digits.surgery STATIC CPU x86-64-v2 x86-64-v3 WEIGHTS_FILE still_weights
  OUTPUTS ASM still_asm LLVM still_llvm PLAN still_plan EXPECT_MEMORY 64M)
surgery_add_network(moving SCRIPT choice.surgery SHARED WEIGHTS DigitNet=zero-to-four.safetensors DEFINES classes=7 CPU x86-64-v2)
surgery_add_network(object-files SCRIPT choice.surgery OBJECT NAME object WEIGHTS_DIR . WEIGHTS DigitNet=zero-to-four.safetensors
  EMBED_WEIGHTS INFERENCE_ONLY CPU x86-64-v2)
surgery_add_network(inside SCRIPT digits.surgery EMBED_WEIGHTS CPU x86-64-v2)
surgery_add_network(opened SCRIPT digits.surgery SHARED EMBED_WEIGHTS CPU x86-64-v2)
surgery_add_network(program SCRIPT digits.surgery PROGRAM EMBED_WEIGHTS CPU x86-64-v2 BENCHMARK)
file(WRITE ${CMAKE_BINARY_DIR}/paths "${still_weights}\n${still_asm}\n${still_llvm}\n${still_plan}\n")
foreach(net still moving object)
  add_library(use_${net} OBJECT use.c)
  target_compile_definitions(use_${net} PRIVATE NET=${net})
endforeach()
target_link_libraries(use_still PRIVATE still)
target_link_libraries(use_moving PRIVATE moving)
target_link_libraries(use_object PRIVATE object-files)
add_library(plugin MODULE use.c)
target_compile_definitions(plugin PRIVATE NET=inside)
target_link_libraries(plugin PRIVATE inside)
add_executable(app main.c)
target_compile_definitions(app PRIVATE PLUGIN="$<TARGET_FILE:plugin>" LIBRARY="$<TARGET_FILE:opened>")
target_link_libraries(app PRIVATE use_still use_moving use_object still moving object-files ${CMAKE_DL_LIBS})
add_dependencies(app plugin opened)
add_test(NAME info COMMAND program info)
install(TARGETS moving)
L
cat >project/plus.cpp <<'C'
#include <surgery/surgery.h>
extern "C" int run_still(void);
int main() { return run_still() || surgery_threads() < 1; }
C

configure() { "$CMAKE" -S project -B build -DCMAKE_PREFIX_PATH="$prefix" "$@" >log 2>&1; }
configure -DLANGUAGE=C || { cat log; fail "configuring"; }
quietly "$CMAKE" --build build -j2
quietly ./build/app
while read -r path; do [ -s "$path" ] || fail "there is no $path"; done <build/paths
[ "$(wc -l <build/paths)" = 4 ] || fail "a variable for a path was not set"
has build/still.s 'still_forward:'
has build/still.ll 'define .*@still_forward'
has build/still.plan.txt 'parameters'
has build/still.h 'CPU  x86-64-v2,x86-64-v3'
has build/moving.h '^#define MOVING_CLASSES 7$'
has build/object.h '^#define OBJECT_TRAINABLE_PARAMETERS 0$'
has build/object.h '^#define OBJECT_TRAIN_BYTES\(n\) \(\(size_t\)0\)'
[ ! -e build/object.safetensors ] || fail "embedded weights have a file"
nm -D --defined-only build/libmoving.so | awk '{ print $NF }' | grep -vE '^(moving_|surgery_)' && fail "libmoving.so shows the names of others"
(cd build && ctest --output-on-failure) >log 2>&1 || { cat log; fail "ctest"; }
has log '100% tests passed'
quietly "$CMAKE" --build build --target program_benchmark
quietly "$CMAKE" --install build --prefix "$work/there"
[ -e there/lib/libmoving.so ] || fail "install(TARGETS) of a network"

rm -rf build
configure -DLANGUAGE=CXX || { cat log; fail "configuring a C++ project"; }
quietly "$CMAKE" --build build -j2
quietly ./build/app
rm -rf build
# Where shared libraries are asked for, the runtime is one.
configure -DLANGUAGE=CXX -DBUILD_SHARED_LIBS=ON || { cat log; fail "configuring with shared libraries"; }
quietly "$CMAKE" --build build -j2
quietly ./build/app
ldd build/app >log
has log 'libsurgery\.so\.0 => .*préfix'

# What is wrong is said when the project is configured.
wrong() { # PATTERN, then arguments of surgery_add_network
  pattern=$1; shift
  printf 'cmake_minimum_required(VERSION 3.21)\nproject(wrong LANGUAGES C)\nfind_package(Surgery REQUIRED)\n%s\n' \
    "surgery_add_network($*)" >project/CMakeLists.txt
  configure && { cat log; fail "'$*' is taken"; }
  tr -s '\n ' '  ' <log >line
  has line "$pattern"
}
wrong 'does not write ONNX' net SCRIPT digits.surgery OUTPUTS ONNX x
wrong 'SCRIPT is missing' net STATIC
wrong 'what is .STATICC' net SCRIPT digits.surgery STATICC
wrong 'one kind, not STATIC;SHARED' net SCRIPT digits.surgery STATIC SHARED
wrong 'EMBED_WEIGHTS leaves no WEIGHTS_FILE' net SCRIPT digits.surgery EMBED_WEIGHTS WEIGHTS_FILE f
wrong 'WEIGHTS needs NAME=FILE' net SCRIPT digits.surgery WEIGHTS a.pth
wrong 'OUTPUTS does not know OBJ' net SCRIPT digits.surgery OUTPUTS OBJ x
wrong 'EXPECT_MEMORY is a number' net SCRIPT digits.surgery EXPECT_MEMORY 3MB
wrong 'nothing stands after CPU' net SCRIPT digits.surgery CPU

# TEST is for programs with a selftest.
if grep -q '^COMMAND(selftest' "$SURGERY_SOURCE/runtime/cli/commands.def"; then
  printf 'cmake_minimum_required(VERSION 3.21)\nproject(tests LANGUAGES C)\nenable_testing()\nfind_package(Surgery REQUIRED)\n%s\n' \
    "surgery_add_network(net SCRIPT digits.surgery CPU x86-64-v2 TEST)" >project/CMakeLists.txt
  rm -rf build
  configure || { cat log; fail "configuring TEST"; }
  quietly "$CMAKE" --build build
  (cd build && ctest -V) >log 2>&1 || { cat log; fail "selftest"; }
  has log 'net\.selftest .*Passed'
else
  wrong "TEST runs a program's selftest, which this version" net SCRIPT digits.surgery TEST
fi

# What is wrong is said when it is built.
fails() { # PATTERN, then arguments of surgery_add_network
  pattern=$1; shift
  printf 'cmake_minimum_required(VERSION 3.21)\nproject(wrong LANGUAGES C)\nfind_package(Surgery REQUIRED)\n%s\n' \
    "surgery_add_network($*)" >project/CMakeLists.txt
  rm -rf build
  configure || { cat log; fail "configuring $*"; }
  "$CMAKE" --build build >log 2>&1 && { cat log; fail "'$*' is built"; }
  has log "$pattern"
}
fails 'digits\.surgery:1:1: error: needs [0-9]+ bytes .* EXPECT_MEMORY is 100k, 102400 bytes' net SCRIPT digits.surgery EXPECT_MEMORY 100k
sed '1i let unused = 3' project/digits.surgery >project/doubtful.surgery
echo 'freeze all' >>project/doubtful.surgery
fails 'doubtful\.surgery:[0-9]+:[0-9]+: (error|warning)\[W' net SCRIPT doubtful.surgery WERROR

# Versions and components.
asks() { # find_package's arguments
  printf 'cmake_minimum_required(VERSION 3.21)\nproject(asks LANGUAGES C)\nfind_package(Surgery %s)\n' "$*" >project/CMakeLists.txt
  rm -rf build
  configure
}
asks 0.1 REQUIRED || fail "the version is refused"
asks 0.99 REQUIRED && fail "a version that is not there is found"
asks 1 REQUIRED && fail "another major version is found"
asks REQUIRED COMPONENTS runtime || fail "a component is refused"
asks REQUIRED COMPONENTS trainer && fail "a component that does not exist is found"
has log "no component 'trainer'"
finish
