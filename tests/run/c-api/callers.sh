# What C programs do: fork, more threads than memory was planned for, NULL, and telling a step's failures apart.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK"/*.surgery .
run 0 "$SURGERYC" tiny.surgery -o tiny.o
libraries="$SURGERY_RUNTIME -ljpeg -lpng -lz -lm"
sanitize=${SURGERY_SANITIZE:+-fsanitize=$SURGERY_SANITIZE}
compile() { "${CC:-cc}" -std=gnu11 -O1 -Wall -Werror $sanitize -I. "$@" $libraries -pthread; }
run 0 compile "$RUN_SOURCE/scripts/callers.c" tiny.o -o callers
run 0 timeout 300 ./callers
out '^all as it should be$'
cat >frozen.surgery <<'X'
model Frozen() { fc = Linear(4, 3); forward x { return fc(x) } }
take Frozen() from random
input tensor(4)
freeze all
X
cat >single.surgery <<'X'
model Single() { bn = BatchNorm1d(4); fc = Linear(4, 3); forward x { return fc(bn(x)) } }
take Single() from random
input tensor(4)
train { optimizer SGD(lr=0.1); loss CrossEntropy }
X
run 0 "$SURGERYC" frozen.surgery -o frozen.o
run 0 "$SURGERYC" single.surgery -o single.o
run 0 compile "$RUN_SOURCE/scripts/frozen.c" frozen.o single.o -o apart
run 0 ./apart
finish
