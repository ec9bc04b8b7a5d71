# The C interface of a network whose input is tokens with a mask.
. "$RUN_SOURCE/common.sh"
cat >small.surgery <<'X'
model Small() = Bert(1, 16, 2, 32, vocab_size=20, max_position_embeddings=8)
take Small() from random
append classifier = Linear(_, 2)
input tokens(6, mask=true)
train { optimizer SGD(lr=0.05); loss CrossEntropy }
X
run 0 "$SURGERYC" small.surgery -o small.o
matches small.h '^ \* +x  \(N, 6\) int32, token numbers, row-major$'
matches small.h '^ \* +mask  \(N, 6\) int32: 1 where a token is attended to, else 0$'
libraries="$SURGERY_RUNTIME -ljpeg -lpng -lz -lm"
sanitize=${SURGERY_SANITIZE:+-fsanitize=$SURGERY_SANITIZE}
run 0 "${CC:-cc}" -std=gnu11 -O1 -Wall -Werror $sanitize -I. "$RUN_SOURCE/scripts/masked.c" small.o $libraries -o masked
run 0 ./masked
out '^all as it should be$'
sed 's/, mask=true//' small.surgery >maskless.surgery
run 0 "$SURGERYC" maskless.surgery -o maskless.o
lacks maskless.h masked
finish
