# The C interface: headers that stand alone in C99 and C++, two networks in one program, a thread for each, the caller's
# own memory; from objects, static and shared libraries.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK"/*.surgery .
cat >other.surgery <<'X'
include "net.surgery"
take Tiny(5) from random
train { optimizer SGD(lr=0.1, momentum=0.9) }
X
run 0 "$SURGERYC" tiny.surgery -o tiny.o
run 0 "$SURGERYC" other.surgery -o other.o
cp tiny.safetensors first.safetensors

# only names of its own: no two networks can clash
for net in tiny other; do # the sanitizers' own names, __asan…, are weak
  nm -g --defined-only $net.o | sed 's/.* //' | grep -v '^__' | sort | tr '\n' ' ' >names
  equals "what $net.o exports" "$(cat names)" "$(for f in close forward forward_outputs forward_raw network open pack save train_step; do printf '%s ' ${net}_$f; done)"
done
matches tiny.h '^#define TINY_INPUT_SHAPE \{1, 8, 8\}'
matches tiny.h '^ \* +class 2  right$'

# headers alone, twice, with the runtime's header before and behind, as C99 and as C++
for order in 'tiny other' 'tiny tiny' 'tiny surgery' 'surgery tiny'; do
  for header in $order; do echo "#include \"$header.h\""; done >use.c
  echo 'int size(void); int size(void) { return (int)(TINY_WEIGHTS_BYTES + TINY_FORWARD_BYTES(3) + TINY_TRAIN_BYTES(3) + TINY_STATE_BYTES); }' >>use.c
  check "C99: $order" "${CC:-cc}" -std=c99 -pedantic-errors -Wall -Wextra -Werror -I "$SURGERY_SOURCE/runtime" -c use.c -o use.o
  if command -v c++ >/dev/null; then
    for standard in c++98 c++20; do
      # size_t products and 64-bit constants are fine in both; surgery.h wants C++11 for <stdint.h>
      check "$standard: $order" c++ -x c++ -std=$standard -Wall -Wextra -Werror -I "$SURGERY_SOURCE/runtime" -c use.c -o use.o
    done
  fi
done
command -v c++ >/dev/null || echo "without a C++ compiler: the headers were tried as C alone"

libraries="$SURGERY_RUNTIME -ljpeg -lpng -lz -lm"
sanitize=${SURGERY_SANITIZE:+-fsanitize=$SURGERY_SANITIZE}
compile() { "${CC:-cc}" -std=gnu11 -O1 -Wall -Werror $sanitize -I. "$RUN_SOURCE/scripts/two.c" "$@" -pthread; }

run 0 compile tiny.o other.o $libraries -o two
for threads in 1 2; do
  OMP_NUM_THREADS=$threads run 0 ./two
  out '^all as it should be$'
done
check "the weights as they were" cmp tiny.safetensors first.safetensors
run 0 "$SURGERYC" tiny.surgery -o tiny.a
run 0 "$SURGERYC" other.surgery -o other.a
run 0 compile tiny.a other.a $libraries -o two-static
run 0 ./two-static
run 0 "$SURGERYC" tiny.surgery -o tiny.so
run 0 "$SURGERYC" other.surgery -o other.so
if [ -z "$sanitize" ]; then # two runtimes in one program, each in its library
  run 0 compile ./tiny.so ./other.so -Wl,-rpath,"$tmp" -o two-shared
  run 0 ./two-shared
fi
# embedded weights: the object alone is enough
run 0 "$SURGERYC" tiny.surgery -o tiny.o --embed-weights
run 0 "$SURGERYC" other.surgery -o other.o
run 0 compile tiny.o other.o $libraries -o two-embedded
rm tiny.safetensors
run 0 ./two-embedded
out '^all as it should be$'
finish
