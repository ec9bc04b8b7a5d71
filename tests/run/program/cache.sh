# The feature cache: used where preprocessing is deterministic, told, and without influence on the result; not used with
# augmentation. And one result for one and two threads.
. "$RUN_SOURCE/common.sh"
augmented=$RUN_WORK/augmented
told='^features: 48 images in [0-9.]+ s, kept in [0-9.]+ kB: the frozen part does not run again$'

run 0 "$tiny" train --data "$data/pictures/train" --out cached.safetensors
err "$told"
run 0 "$tiny" train --data "$data/pictures/train" --out plain.safetensors --no-cache
err_lacks 'features'
check "with and without the cache" cmp cached.safetensors plain.safetensors
run 0 "$tiny" train --data "$data/pictures/train" --out quiet.safetensors --quiet
is_empty "$tmp/err"

run 0 "$augmented" train --data "$data/pictures/train" --out a.safetensors
err_lacks "$told"
check "trained on augmented pictures" "$RUNTOOL" differ a.safetensors "$RUN_WORK/augmented.safetensors" conv2 bn2 fc
check "frozen all the same" "$RUNTOOL" same a.safetensors "$RUN_WORK/augmented.safetensors" conv1 bn1
# the validation set is never augmented: its features may be kept
run 0 "$augmented" train --data "$data/pictures/train" --val "$data/pictures/val" --out b.safetensors
err '^features: 24 images'
err_lacks "$told"

# threads: the same bits
for program in "$tiny" "$augmented"; do
  name=$(basename "$program")
  for threads in 1 2; do
    run 0 "$program" train --data "$data/pictures/train" --val "$data/pictures/val" --threads $threads --quiet --out $name-$threads.safetensors
    cp "$tmp/out" $name-$threads.txt
    run 0 "$program" eval --data "$data/idx" --threads $threads --weights $name-1.safetensors
    cp "$tmp/out" $name-$threads.eval
  done
  check "$name trained on 1 and 2 threads" cmp $name-1.safetensors $name-2.safetensors
  check "$name evaluated on 1 and 2 threads" cmp $name-1.eval $name-2.eval
done
OMP_NUM_THREADS=3 run 0 "$tiny" info
out '; 3 threads$'
OMP_NUM_THREADS=3 run 0 "$tiny" train --data "$data/pictures/train" --val "$data/pictures/val" --quiet --out three.safetensors
check "and on 3" cmp three.safetensors tiny-1.safetensors
finish
