# --embed-weights: the output stands alone.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK"/*.surgery .
mkdir e
run 0 "$SURGERYC" tiny.surgery -o e/net --embed-weights
only_files e net
run 0 "$SURGERYC" tiny.surgery -o plain
run 0 ./plain predict "$data/x.npy" --out plain.npy --quiet
rm plain.safetensors
run 1 ./plain info
err 'plain\.safetensors'
mkdir elsewhere && mv e/net elsewhere/moved && cd elsewhere
run 0 ./moved predict "$data/x.npy" --out "$tmp/moved.npy" --quiet
cd ..
check "the same outputs bit for bit" cmp plain.npy moved.npy
run 0 elsewhere/moved info
out '^weights +.*embedded'
# a file given by --weights comes before what is embedded
run 0 elsewhere/moved predict "$data/x.npy" --out trained.npy --quiet --weights "$RUN_WORK/trained.safetensors"
check "other weights, other outputs" sh -c '! cmp -s plain.npy trained.npy'
run 0 elsewhere/moved train --data "$data/idx" --epochs 1 --quiet --out t.safetensors
check "trained from embedded weights" "$RUNTOOL" same t.safetensors "$RUN_WORK/tiny.safetensors" conv1 bn1
for kind in o a so; do
  run 0 "$SURGERYC" -O0 tiny.surgery -o e/lib.$kind --embed-weights
  absent e/lib.safetensors
done
only_files e lib.a lib.h lib.o lib.so
check "the object holds them" sh -c 'test "$(wc -c <e/lib.o)" -gt 5000 && nm e/lib.o | grep -q " r lib_embedded$\| R lib_embedded$"'
run 0 "$SURGERYC" -O0 tiny.surgery -o e/text.ll --embed-weights
matches e/text.ll '^@text_embedded = '
equals "no temporaries" "$(ls -A . e | grep -c '^\..*embed\|^\..*safetensors')" 0
finish
