# A prefix that was moved: its components, names of the libraries, headers by themselves, the compiler, pkg-config.
. "$INSTALL_SOURCE/common.sh"

# Each component by itself, and all that is installed belongs to one.
for component in compiler runtime development; do
  quietly "$CMAKE" --install "$SURGERY_BUILD" --prefix "$work/$component" --component $component
  (cd $component && find . ! -type d | sort) >$component.list
done
sort compiler.list runtime.list development.list >together
(cd "$prefix" && find . ! -type d | sort) >all
diff all together || fail "a file belongs to no component, or to two"
has compiler.list '^\./bin/surgeryc$'
has compiler.list '^\./share/surgery/zoo/resnet\.surgery$'
has runtime.list "/libsurgery\.so\.$VERSION\$"
has development.list '^\./include/surgery/surgery\.h$'
grep -rIlF -e "$SURGERY_SOURCE" -e "$INSTALL_WORK" "$prefix" >paths || true
[ ! -s paths ] || { cat paths; fail "these files know where they were made"; }

lib=$(dirname "$(find "$prefix" -name libsurgery.a)")
readelf -dW "$lib/libsurgery.so" >dynamic
has dynamic "SONAME.*\[libsurgery\.so\.${VERSION%%.*}\]"
has_not dynamic 'RPATH|RUNPATH'
nm -D --defined-only "$lib/libsurgery.so" | awk '{ print $NF }' >names
has names '^surgery_open@@SURGERY_0$'
has names '^sg_gemm@@SURGERY_0$'
grep -vE '^(surgery_|sg_)|^SURGERY_0$' names && fail "libsurgery.so shows names of its own"

"$prefix/bin/surgeryc" --version >version
has version "^surgeryc $VERSION\$"
"$prefix/bin/surgeryc" "$SURGERY_SOURCE/examples/digits/digits.surgery" -c -o digits.o 2>log || { cat log; fail "surgeryc -c"; }

# The headers by themselves, installed and generated, in each order.
export PKG_CONFIG_PATH="$lib/pkgconfig"
for order in '"digits.h" <surgery/surgery.h>' '<surgery/surgery.h> "digits.h"'; do
  for header in $order; do echo "#include $header"; done >use.c
  echo 'int main(void) { return DIGITS_CLASSES != 10 || surgery_failure_text(0) == NULL; }' >>use.c
  cp use.c use.cpp
  for compiler in "gcc -std=c99" "gcc -std=c11" "clang -std=c99" "clang -std=c11" "g++ -std=c++17 -x c++" "clang++ -std=c++17 -x c++"; do
    command -v "${compiler%% *}" >/dev/null || continue
    quietly $compiler -I"$prefix/include" -I. -Wall -Wextra -Wpedantic -Wconversion -Werror -c use.c -o use.o
  done
done

no_sanitizers
# A program that surgeryc links, and the runtime linked by pkg-config, shared and static.
quietly "$prefix/bin/surgeryc" "$SURGERY_SOURCE/examples/digits/digits.surgery" -o program
./program info >info
has info '^network +program, from digits\.surgery'
need pkg-config
[ "$(pkg-config --modversion surgery)" = "$VERSION" ] || fail "pkg-config tells another version"
pkg-config --atleast-version=0.1 surgery || fail "pkg-config refuses the version"
eval "[ -x $(pkg-config --variable=surgeryc surgery) ]" || fail "the variable surgeryc is no program"
cat >main.c <<'C'
#include "digits.h"
#include <stdio.h>
int main(void) {
  static float x[DIGITS_INPUT_COUNT], y[DIGITS_CLASSES];
  surgery_error err;
  digits *net = digits_open(NULL, &err);
  if (!net) return fprintf(stderr, "%s\n", err.message), 1;
  int failure = digits_forward(net, 1, x, y);
  digits_close(net);
  return failure;
}
C
eval "gcc main.c digits.o -o shared $(pkg-config --cflags --libs surgery)" || fail "a program with libsurgery.so"
LD_LIBRARY_PATH="$lib" ./shared || fail "it does not run"
LD_LIBRARY_PATH="$lib" ldd ./shared >libraries
has libraries 'libsurgery\.so\.0 => .*préfix'
libs=$(pkg-config --static --libs surgery)
eval "gcc main.c digits.o -o static $(echo "$libs" | sed 's/-lsurgery/-l:libsurgery.a/')" || fail "a program with libsurgery.a"
./static || fail "it does not run"
ldd ./static >libraries
has_not libraries libsurgery
finish
