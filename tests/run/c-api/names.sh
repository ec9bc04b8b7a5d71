# No name of the runtime is in a user's way: of the library only surgery_* and sg_* can be seen, a program may have functions
# by every other name that the runtime has inside, and so may a network.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK"/*.surgery .
names() { nm -g --defined-only "$1" 2>/dev/null | sed -n 's/^[0-9a-f]* [A-TX-Z] \([a-z][a-z0-9_]*\)$/\1/p' | sort -u; }
names "$SURGERY_RUNTIME" >seen
names "$SURGERY_RUNTIME" | grep -v '^surgery_' >generated # what generated code calls, and nothing like it
{ names "$SURGERY_RUNTIME_PARTS"; nm -D --defined-only "$(pkg-config --variable=libdir jansson)/libjansson.so" | sed -n 's/.* T \(json_[a-z_0-9]*\)@@.*/\1/p'; } |
  grep -v '^surgery_' | grep -vxFf generated >inside
lacks seen '^([^s]|s[^gu]|su[^r])'
matches seen '^surgery_open$'
matches inside '^net_forward$'
matches inside '^sg_fail$'
matches inside '^json_object$'
lacks generated '^sg_fail$'
check "there are many inside" test "$(wc -l <inside)" -gt 100

run 0 "$SURGERYC" tiny.surgery -o tiny.o
{
  echo '#include "tiny.h"'
  sed 's/.*/int &(void); int &(void) { return __LINE__; }/' inside
  echo 'int main(void) { static float x[4 * TINY_INPUT_COUNT], y[4 * TINY_OUTPUT_COUNT], loss; int32_t target[4] = {0};'
  echo '  tiny *net = tiny_open(0, 0);'
  echo '  if (!net || tiny_forward(net, 4, x, y) || tiny_train_step(net, 4, x, target, &loss) || tiny_save(net, "saved.pth", 0, 0)) return 1;'
  echo '  tiny_close(net); return '"$(head -n 1 inside)"'() != 2; }'
} >clash.c
sanitize=${SURGERY_SANITIZE:+-fsanitize=$SURGERY_SANITIZE}
compile() { "${CC:-cc}" -std=gnu11 -O1 -w -fno-builtin $sanitize -I. "$@" "$SURGERY_RUNTIME" -ljpeg -lpng -lz -lm; }
run 0 compile clash.c tiny.o -o clash
run 0 ./clash
exists saved.pth
# the same program with the network as a shared library, whose names are all its own
run 0 "$SURGERYC" tiny.surgery -o tiny.so
nm -D --defined-only tiny.so | sed 's/.* //' >shown
lacks shown '^(sg|json)_'
rm saved.pth
if [ -z "$sanitize" ]; then
  run 0 "${CC:-cc}" -std=gnu11 -O1 -w -fno-builtin -rdynamic -I. clash.c ./tiny.so -Wl,-rpath,"$tmp" -o clash-shared
  run 0 ./clash-shared
  exists saved.pth
fi

# networks by such names keep them
for name in net log pool train json; do
  run 0 "$SURGERYC" tiny.surgery -o $name.o
  matches $name.h "^$name \*${name}_open\("
done
cat >use.c <<'X'
#include "net.h"
#include "log.h"
#include "pool.h"
#include "train.h"
int main(void) {
  net *a = net_open("tiny.safetensors", 0);
  log *b = log_open("tiny.safetensors", 0);
  pool *c = pool_open("tiny.safetensors", 0);
  train *d = train_open("tiny.safetensors", 0);
  float x[NET_INPUT_COUNT] = {0}, y[NET_OUTPUT_COUNT];
  if (!a || !b || !c || !d) return 1;
  int failed = net_forward(a, 1, x, y) | log_forward(b, 1, x, y) | pool_forward(c, 1, x, y) | train_forward(d, 1, x, y);
  net_close(a), log_close(b), pool_close(c), train_close(d);
  return failed;
}
X
run 0 compile use.c net.o log.o pool.o train.o -o use
run 0 ./use
finish
