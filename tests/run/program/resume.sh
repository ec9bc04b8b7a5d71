# --checkpoint-every and --resume: what was interrupted and resumed equals the uninterrupted run bit for bit.
. "$RUN_SOURCE/common.sh"
for net in tiny augmented; do # Adam on cached features; SGD with momentum on augmented pictures
  program=$RUN_WORK/$net
  train() { run 0 "$program" train --data "$data/idx" --quiet "$@"; }
  train --epochs 5 --out $net-whole.safetensors --log $net-whole.csv
  train --epochs 5 --checkpoint-every 2 --out $net-saved.safetensors
  check "$net: saving changes nothing" cmp $net-saved.safetensors $net-whole.safetensors
  exists $net-saved-checkpoint.safetensors
  train --epochs 5 --resume $net-saved-checkpoint.safetensors --out $net-resumed.safetensors
  out '^steps      30$'
  check "$net: resumed after epoch 4" cmp $net-resumed.safetensors $net-whole.safetensors

  # in the middle of an epoch, where SIGINT comes; see interrupt.sh. Here: two runs of two and three epochs
  train --epochs 2 --checkpoint-every 1 --out $net-two.safetensors --log $net-parts.csv
  train --epochs 5 --resume $net-two-checkpoint.safetensors --out $net-parts.safetensors --log $net-parts.csv
  check "$net: 2 + 3 epochs" cmp $net-parts.safetensors $net-whole.safetensors
  equals "$net: the log goes on" "$(cut -d, -f1-9 $net-parts.csv | cksum)" "$(cut -d, -f1-9 $net-whole.csv | cksum)"
  # the report tells of all epochs, those before the checkpoint too
  train --epochs 5 --out $net-whole.safetensors --report $net-whole.html
  train --epochs 5 --resume $net-two-checkpoint.safetensors --out $net-parts.safetensors --report $net-parts.html
  grep -o '<title>epoch [^<]*' $net-whole.html >$net-epochs
  equals "$net: the epochs of a report" "$(wc -l <$net-epochs)" 20
  check "$net: a report goes on" sh -c "grep -o '<title>epoch [^<]*' $net-parts.html | cmp - $net-epochs"
  train --epochs 2 --resume $net-two-checkpoint.safetensors --out $net-done.safetensors
  check "$net: nothing left to do" cmp $net-done.safetensors $net-two.safetensors
done

# what does not go together
run 1 "$tiny" train --data "$data/idx" --resume tiny-whole.safetensors
err 'tiny-whole\.safetensors: no checkpoint of a training run'
run 1 "$tiny" train --data "$data/idx" --resume augmented-two-checkpoint.safetensors
err 'augmented-two-checkpoint\.safetensors'
run 1 "$tiny" train --data "$data/pictures/val" --resume tiny-two-checkpoint.safetensors --epochs 5
err 'was made with 48 training samples'
run 1 "$tiny" train --data "$data/idx" --resume tiny-two-checkpoint.safetensors --epochs 5 --batch 4
err 'was made with batch 8'
run 2 "$tiny" train --data "$data/idx" --resume tiny-two-checkpoint.safetensors --weights tiny-whole.safetensors
err 'weights of its own'
run 1 "$tiny" train --data "$data/idx" --resume nowhere.safetensors
err 'nowhere\.safetensors'
head -c 3000 tiny-two-checkpoint.safetensors >cut.safetensors
run 1 "$tiny" train --data "$data/idx" --resume cut.safetensors
err 'cut\.safetensors'
# a checkpoint is also a weight file
run 0 "$tiny" eval --data "$data/idx" --weights tiny-two-checkpoint.safetensors
cp "$tmp/out" a
run 0 "$tiny" eval --data "$data/idx" --weights tiny-two.safetensors
check "the checkpoint's weights" cmp a "$tmp/out"
finish
