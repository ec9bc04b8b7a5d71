# Ctrl-C during training: the step is finished, a checkpoint saved, its place told, status 130; and going on from there
# gives what an uninterrupted run gives, bit for bit.
. "$RUN_SOURCE/common.sh"
for net in tiny augmented; do
  for signal in INT TERM HUP; do
    program=$RUN_WORK/$net
    w=$net-$signal
    last_command="$net train, SIG$signal in its course"
    # a shell gives its background jobs SIGINT ignored: env sets it right
    env --default-signal=INT,TERM,HUP "$program" train --data "$data/idx" --epochs 1000000 --checkpoint-every 999999 --out $w.safetensors \
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

# Two signals at once, as from GNU timeout, are one. The program is held up by a log that nobody reads; after half a second
# a further signal ends it.
mkfifo pipe
exec 3<>pipe
cpu_time() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 12,13; }
held_up() { # PID: until it computes no more
  tries=0 last=
  until [ "$last" = "$(cpu_time $1)" ] || [ $tries = 100 ]; do last=$(cpu_time $1) && sleep 0.5 && tries=$((tries + 1)); done
}
for pause in 0 0.7; do
  last_command="train, SIGTERM, and $pause s later another one"
  "$tiny" train --data "$data/idx" --epochs 1000000 --out two-$pause.safetensors --log pipe >"$tmp/out" 2>"$tmp/err" 3>&- &
  pid=$!
  held_up $pid
  kill -s TERM $pid
  sleep 0.1 # it has come: two that wait together are one in any case
  [ $pause = 0 ] || sleep $pause
  kill -s TERM $pid
  sleep 0.2
  cat <&3 >/dev/null &
  reader=$!
  wait $pid
  status=$?
  kill $reader
  if [ $pause = 0 ]; then
    equals "status" $status 130
    exists two-0-checkpoint.safetensors
  else
    equals "status" $status 143
  fi
done
exec 3>&-

# nohup: what is to survive the terminal does
last_command="nohup train, SIGHUP"
env --ignore-signal=HUP "$tiny" train --data "$data/idx" --epochs 300 --quiet --out nohup.safetensors --log nohup.csv >"$tmp/out" 2>"$tmp/err" &
pid=$!
until grep -q '^epoch' nohup.csv 2>/dev/null; do sleep 0.05; done
kill -s HUP $pid 2>/dev/null
wait $pid
equals "status" $? 0
exists nohup.safetensors

# nobody reads the progress any more
{ "$tiny" train --data "$data/idx" --epochs 300 --out unread.safetensors 2>&1 >/dev/null; echo $? >unread.status; } | true
equals "status" "$(cat unread.status)" 0
exists unread.safetensors
equals "temporaries" "$(ls -A | grep -c '^\.')" 0
finish
