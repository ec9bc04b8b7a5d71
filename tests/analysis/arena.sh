#!/bin/sh
# The memory that `surgeryc plan` prints, that the header states, that the manifest gives, and that the program then
# allocates are one number: arena.sh SURGERYC ARENA_TOOL WORK [SANITIZERS].
set -eu
scripts=$(cd "$(dirname "$0")/plans" && pwd) surgeryc=$1 tool=$2 sanitize=${4:+-fsanitize=$4}
export OMP_NUM_THREADS=2
mkdir -p "$3"
cd "$3"
bad=0 seen=0

same() { # WHAT A B
  seen=$((seen + 1))
  [ "$2" = "$3" ] || { echo "$1: $2 and $3"; bad=$((bad + 1)); }
}
printed() { # FUNCTION: the number in front of its calls, which is for 16 samples on 2 threads
  grep -q '(t = 2)$' plan.txt && sed -n "s/^  $1  *[0-9].* \([0-9,]*\)   [0-9,]* calls*\$/\1/p" plan.txt | tr -d ,
}
used() { sed -n "s/^$1 //p" used.txt; }

for name in half-frozen parameters-of all-trained frozen-between; do
  "$surgeryc" plan "$scripts/$name.surgery" > plan.txt 2> messages.txt || { cat messages.txt; exit 1; }
  "$surgeryc" "$scripts/$name.surgery" --emit=shared -O0 -o ./sized.so 2> messages.txt || { cat messages.txt; exit 1; }
  printf '#include <stdio.h>\n#include "sized.h"\nint main(void) { printf("%%zu\\n%%zu\\n", SIZED_FORWARD_BYTES(16), SIZED_TRAIN_BYTES(16)); }\n' > sizes.c
  cc $sanitize -I. sizes.c ./sized.so -o sizes -Wl,-rpath,.
  ./sizes > sizes.txt
  "$tool" ./sized.so sized.safetensors > used.txt
  for function in forward prefix tail step; do
    same "$name: $function, plan and manifest" "$(printed $function)" "$(used "manifest-$function")"
  done
  same "$name: forward, plan and header" "$(printed forward)" "$(sed -n 1p sizes.txt)"
  same "$name: forward, plan and program" "$(printed forward)" "$(used allocated-forward)"
  step=$(printed step) prefix=$(printed prefix)
  train=$step
  [ "${prefix:-0}" -le "$step" ] || train=$prefix
  same "$name: train, plan and program" "$train" "$(used allocated-train)"
  grads=$(sed -n 's/^memory .* gradients \([0-9,]*\)$/\1/p' plan.txt | tr -d ,)
  # The header counts a prefix's features too; without a prefix it is the step and its gradients.
  [ -n "$prefix" ] || same "$name: train, plan and header" "$((step + grads))" "$(sed -n 2p sizes.txt)"
done
echo "$seen numbers compared"
[ "$bad" = 0 ] && [ "$seen" -ge 20 ]
