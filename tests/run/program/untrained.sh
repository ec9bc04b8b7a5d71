# A head that nobody has trained predicts at random: one note in predict and eval says so, until a training has changed it.
. "$RUN_SOURCE/common.sh"
note='never been trained: these weights are random; give trained ones with --weights$'
picture=$data/x.npy
for command in "predict $picture" "eval --data $data/idx"; do
  run 0 "$tiny" $command
  equals "notes" "$(grep -c "$note" "$tmp/err")" 1
  run 0 "$tiny" $command --quiet
  is_empty "$tmp/err"
done
cp "$RUN_WORK"/*.surgery "$tiny.safetensors" .
# one that comes with the donor's weights, and a head that is new; batch norm's ones and zeros are not random numbers
run 0 "$tiny" train --data "$data/idx" --epochs 1 --quiet --out trained.safetensors
printf 'include "net.surgery"\ntake Tiny from "trained.safetensors"\nfreeze all\nreplace fc with Linear(_, 3)\n' >head.surgery
run 0 "$SURGERYC" head.surgery -o head
run 0 ./head predict "$picture"
err "^head: note: fc has $note"
run 0 ./head export --out head.pth
run 0 ./head predict "$picture" --weights head.pth
err "^head: note: fc has $note"
run 0 ./head train --data "$data/idx" --epochs 0 --quiet --out none.safetensors
run 0 ./head predict "$picture" --weights none.safetensors
err "^head: note: fc has $note"
run 0 ./head train --data "$data/idx" --epochs 1 --quiet --out one.safetensors
run 0 ./head predict "$picture" --weights one.safetensors
err_lacks "$note"
printf 'include "net.surgery"\ntake Tiny(3) from "trained.safetensors"\n' >whole.surgery
run 0 "$SURGERYC" whole.surgery -o whole --embed-weights
run 0 ./whole predict "$picture"
err_lacks "$note"
# what is random and frozen stays untrained
printf 'include "net.surgery"\ntake Tiny(3) from random\nfreeze all\nunfreeze fc\n' >frozen.surgery
run 0 "$SURGERYC" frozen.surgery -o frozen --embed-weights
run 0 ./frozen predict "$picture"
err "^frozen: note: conv1, conv2 and fc have $note"
run 0 ./frozen train --data "$data/idx" --epochs 1 --quiet --out frozen-trained.pth
run 0 ./frozen predict "$picture" --weights frozen-trained.pth
err "^frozen: note: conv1 and conv2 have $note"
finish
