# The same donor's layers twice in one network: frozen, its tensors and what is packed of them are there once, in the file
# and in memory, and the numbers are those of two copies; trained, they are two.
. "$RUN_SOURCE/common.sh"
cat >stack.surgery <<'X'
model Stack {
  a = Conv2d(1, 32, 3, padding=1)
  b = Conv2d(32, 32, 3, padding=1, bias=false)
  bn = BatchNorm2d(32)
  act = ReLU()
  input image(1, 8, 8) { normalize mean=[0.5] std=[0.25] }
}
X
script() { printf 'include "stack.surgery"\n%s\n' "$2" >"$1.surgery"; }
script donor 'take Stack from random
init bn.weight with uniform(0.5, 1.5)
init bn.bias with normal(0, 0.3)
save all to "donor.pth"'
run 0 "$SURGERYC" -O0 donor.surgery -o donor

script once 'take Stack from "donor.pth"
freeze all'
script twice 'take Stack from "donor.pth"
append again = Stack.children[1:4] from "donor.pth"
freeze all'
script apart 'take Stack from "donor.pth"
append again = Stack.children[1:4] from "donor.pth"'
for net in once twice apart; do
  run 0 "$SURGERYC" -O0 $net.surgery -o $net
  cp err $net.err
  run 0 "$SURGERYC" -O0 $net.surgery -o $net.o
done
matches twice.err 'N0204.*3 of these tensors'
matches apart.err 'N0203.*3 of these tensors'
bytes() { sed -n "s/^#define ${1}_$2_BYTES ((size_t)\([0-9]*\)u.*/\1/p" "$(echo "$1" | tr A-Z a-z).h"; }
equals "the state dict in memory" "$(bytes TWICE STATE)" "$(bytes ONCE STATE)"
equals "with what is packed" "$(bytes TWICE WEIGHTS)" "$(bytes ONCE WEIGHTS)"
# 32*32*9 floats, four vectors of 32, and the counter in 64 bytes
equals "two copies" "$(($(bytes APART STATE) - $(bytes ONCE STATE)))" $((32 * 32 * 9 * 4 + 4 * 128 + 64))
equals "tensors in the file" "$("$RUNTOOL" list twice.safetensors | grep -c .)" "$("$RUNTOOL" list once.safetensors | grep -c .)"
"$RUNTOOL" list twice.safetensors >list
lacks list '^again'
matches twice.h 'TENSOR\("again\.b\.weight", f32'
for net in once twice; do ./$net info | grep '^memory' >$net.memory; done
check "info says the same" cmp once.memory twice.memory

input=$data/idx/t10k-images-idx3-ubyte
run 0 ./twice predict "$input" --out twice.npy --quiet
run 0 ./apart predict "$input" --out apart.npy --quiet
near twice.npy apart.npy 1e-6

# What goes out has all keys; what comes in may have them, with the same numbers.
run 0 ./twice export --out all.safetensors
"$RUNTOOL" list all.safetensors >list
matches list '^again\.b\.weight'
run 0 ./twice predict "$input" --weights all.safetensors --out back.npy --quiet
check "the same numbers" cmp twice.npy back.npy
check "an unshared network's file fits" "$RUNTOOL" same all.safetensors apart.safetensors
script other 'take Stack from "donor.pth"
append again = Stack.children[1:4] from random
save all to "other.safetensors"'
run 0 "$SURGERYC" -O0 other.surgery -o another
run 1 ./twice predict "$input" --weights other.safetensors
err 'again\..*other numbers'

# trained: they start equal, and end apart
script trained 'take Stack from "donor.pth"
append again = Stack.children[1:4] from "donor.pth"
append Flatten()
append fc = Linear(_, 3)
freeze a, b, bn
train { optimizer SGD(lr=0.05); loss CrossEntropy; batch 8; epochs 1; seed 5 }'
run 0 "$SURGERYC" -O0 trained.surgery -o trained
run 0 ./trained train --data "$data/idx" --quiet --out after.safetensors
check "frozen ones stay" "$RUNTOOL" same after.safetensors trained.safetensors a. b. bn.
run 0 "$RUNTOOL" differ after.safetensors trained.safetensors again.b fc
finish
