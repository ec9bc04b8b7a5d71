# Ctrl-C during training: the step is finished, a checkpoint saved, its place told, status 130; and going on from there
# gives what an uninterrupted run gives, bit for bit.
. "$RUN_SOURCE/common.sh"
for net in tiny augmented; do
  for signal in INT TERM; do
    program=$RUN_WORK/$net
    w=$net-$signal
    last_command="$net train, SIG$signal in its course"
    # a shell gives its background jobs SIGINT ignored: env sets it right
    env --default-signal=INT,TERM "$program" train --data "$data/idx" --epochs 1000000 --checkpoint-every 999999 --out $w.safetensors \
      --log $w.csv >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    tries=0 # until the first epoch is in the log
    until grep -q '^epoch' $w.csv 2>/dev/null || [ $tries = 300 ]; do sleep 0.1 && tries=$((tries + 1)); done
    kill -s $signal $pid
    wait $pid
    equals "status" $? 130
    is_empty "$tmp/out"
    err "^$net: checkpoint: $w-checkpoint\.safetensors$"
    err "^$net: interrupted after step [0-9]+; to go on, repeat the command with --resume $w-checkpoint\.safetensors$"
    absent $w.safetensors
    exists $w-checkpoint.safetensors
    steps=$(sed -n 's/.*interrupted after step \([0-9]*\);.*/\1/p' "$tmp/err")
    equals "steps in the log" "$(grep -c '^step,' $w.csv)" "$steps"
    on=$((steps + 20))
    run 0 "$program" train --data "$data/idx" --epochs 1000000 --steps $on --resume $w-checkpoint.safetensors --out $w.safetensors --quiet --log $w.csv
    run 0 "$program" train --data "$data/idx" --epochs 1000000 --steps $on --out $w-whole.safetensors --quiet --log $w-whole.csv
    check "$net resumed after step $steps" cmp $w.safetensors $w-whole.safetensors
    equals "the losses of all steps" "$(grep '^step' $w.csv | cksum)" "$(grep '^step' $w-whole.csv | cksum)"
  done
done
equals "temporaries" "$(ls -A | grep -c '^\.')" 0
finish
