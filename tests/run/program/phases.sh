# Phases, accumulated gradients, averaged weights, mixup, early stopping: a run that is interrupted anywhere and resumed
# equals the uninterrupted one bit for bit; what a phase does not train stays; what the train block saves.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK/net.surgery" .
cat >phases.surgery <<'S'
# Two phases, the second from a frozen part of another depth, with all that a position has to remember.
include "net.surgery"
take Tiny(classes) from random
freeze all
labels "left", "middle", "right"
train {
  optimizer SGD(lr=0.05, momentum=0.9)
  batch 8; seed 5; accumulate 4; clip_norm 1; ema 0.9
  schedule cosine(warmup=2, interval="step")
  save fc, bn2 to "part.npz"
  phase head { epochs 2; unfreeze fc }
  phase rest { epochs 3; unfreeze conv2, bn2; batch 6; optimizer Adam(lr=0.003); group conv2 lr=0.001; augment horizontal_flip }
}
S
cat >mixed.surgery <<'S'
include "net.surgery"
take Tiny(classes) from random
freeze conv1, bn1
labels "left", "middle", "right"
train {
  optimizer RMSprop(lr=0.001, momentum=0.5)
  batch 8; seed 5; epochs 12
  mixup 0.4
  early_stop patience=2 min_delta=0.02
}
S
run 0 "$SURGERYC" -O1 phases.surgery -o phases
run 0 "$SURGERYC" -O1 mixed.surgery -o mixed
train() { program=$1; shift; run 0 ./$program train --data "$data/idx" "$@"; }

# 48 pictures: phase 1 has 6 batches of 8, so 2 steps an epoch; phase 2 has 8 batches of 6, so 2 steps
train phases --out whole.safetensors --log whole.csv
out '^steps      10$'
err '^phase head: epochs 1 to 2$'
err '^phase rest: epochs 3 to 5$'
out '^saved      part\.npz$'
equals "what was saved" "$("$RUNTOOL" list part.npz | cut -d' ' -f1 | sort | tr '\n' ' ')" \
  "bn2.bias bn2.num_batches_tracked bn2.running_mean bn2.running_var bn2.weight fc.bias fc.weight "
check "what no phase trains" "$RUNTOOL" same whole.safetensors phases.safetensors conv1 bn1
equals "rates of the first phase" "$(sed -n 's/^step,[12],//p' whole.csv | cut -d, -f3 | head -n 2 | tr '\n' ' ')" "0.0166666667 0.0333333333 "
train phases --epochs 2 --out head.safetensors --quiet
check "the first phase trains the head alone" "$RUNTOOL" same head.safetensors phases.safetensors conv1 bn1 conv2 bn2
check "and the head" "$RUNTOOL" differ head.safetensors phases.safetensors fc
train phases --epochs 9 --out longer.safetensors --quiet
out '^steps      18$'

# after any epoch, and so in the middle of either phase and between them
for epoch in 1 2 3 4; do
  # --epochs cuts the first phase short; in the last one it would change how long the cosine is
  case $epoch in
    [12]) train phases --epochs $epoch --checkpoint-every 1 --out e$epoch.safetensors --quiet ;;
    *) train phases --checkpoint-every $epoch --out e$epoch.safetensors --quiet ;;
  esac
  train phases --resume e$epoch-checkpoint.safetensors --out r$epoch.safetensors --quiet --report r$epoch.html
  check "resumed after epoch $epoch" cmp r$epoch.safetensors whole.safetensors
done

# the charts of accuracy, loss and rate have both phases, whatever was resumed
for epoch in 1 4; do
  equals "phases in a report" "$(grep -o '>head</text>' r$epoch.html | wc -l),$(grep -o '<line class=phase[^>]*><text [^>]*>rest<' r$epoch.html | wc -l)" 3,3
done

# and within an epoch, where a signal comes: in the first phase and in the second
for phase in 1 2; do
  w=signal-$phase
  [ $phase = 1 ] && cat phases.surgery | sed 's/head { epochs 2/head { epochs 100000/' >slow.surgery
  [ $phase = 2 ] && cat phases.surgery | sed 's/rest { epochs 3/rest { epochs 100000/' >slow.surgery
  run 0 "$SURGERYC" -O1 slow.surgery -o slow
  last_command="slow train, SIGINT in phase $phase"
  env --default-signal=INT ./slow train --data "$data/idx" --out $w.safetensors --log $w.csv >"$tmp/out" 2>"$tmp/err" &
  pid=$!
  tries=0
  until grep -q '^epoch,3' $w.csv 2>/dev/null || [ $tries = 300 ]; do sleep 0.1 && tries=$((tries + 1)); done
  kill -s INT $pid
  wait $pid
  equals "status" $? 130
  err "^slow: interrupted after step [0-9]+; to go on, repeat the command with --resume $w-checkpoint\.safetensors$"
  steps=$(sed -n 's/.*interrupted after step \([0-9]*\);.*/\1/p' "$tmp/err")
  on=$((steps + 7))
  train slow --steps $on --resume $w-checkpoint.safetensors --out $w.safetensors --quiet
  train slow --steps $on --out $w-whole.safetensors --quiet
  check "phase $phase resumed after step $steps" cmp $w.safetensors $w-whole.safetensors
done

# the command line against phases
train phases --batch 12 --out b.safetensors --quiet # 4 batches, 1 step an epoch
out '^steps      5$'
run 1 ./phases train --data "$data/idx" --resume e2-checkpoint.safetensors --batch 12
err 'was made with batch'
train phases --lr 0.5 --epochs 1 --out lr.safetensors --log lr.csv --quiet
equals "--lr" "$(sed -n 's/^step,//p' lr.csv | cut -d, -f4 | head -n 1)" 0.166666667
train phases --epochs 3 --lr 0.5 --steps 5 --out lr.safetensors --log lr2.csv --quiet
equals "--lr, where a phase has its own" "$(sed -n 's/^step,3,//p' lr2.csv | cut -d, -f3 | head -n 1)" 0.001
run 0 ./phases info
out 'head: SGD\(lr=0\.05\), schedule cosine, batch 8, 2 epochs'
out 'accumulate 4, ema 0\.9'
run 0 ./phases bench --runs 1 --batch 2
run 0 ./mixed bench --runs 1 --batch 2

# the plan tells of every phase; what a phase does not train has no gradient in it
run 0 "$SURGERYC" plan phases.surgery
out '^phase       head: 387 parameters trained, [0-9,]+ bytes of gradients; frozen up to flatten: \(N, 128\)'
out '^phase       rest: 699 parameters trained, [0-9,]+ bytes of gradients; frozen up to relu: \(N, 4, 8, 8\)'
out '^  step_2 '
run 0 "$SURGERYC" phases.surgery --stop-after=plan --dump=plan
sed -n '/^step:/,/^[a-z]*_2:/p' out >step
lacks step 'conv2d_grad'
sed -n '/^step_2:/,$p' out >step2
matches step2 'conv2d_grad_weight'

# BCEWithLogits: classes made one-hot, one logit for two classes, floats; probabilities by the sigmoid
for outputs in 1 2; do
  cat >binary.surgery <<S
include "net.surgery"
take Tiny($outputs) from random
labels "no", "yes"
train { loss BCEWithLogits; optimizer Adam(lr=0.01); batch 6; epochs 10; seed 1 }
S
  run 0 "$SURGERYC" -O1 binary.surgery -o binary
  mkdir -p two/no two/yes
  cp "$data"/pictures/train/left/* two/no && cp "$data"/pictures/train/right/* two/yes
  run 0 ./binary train --data two --out binary-trained.safetensors --quiet
  out '^accuracy   (0\.[89]|1\.0)'
  run 0 ./binary eval --data two --weights binary-trained.safetensors
  out '^yes +[0-9]+'
  set -- two/yes/*
  run 0 ./binary predict "$1" --weights binary-trained.safetensors
  out ': yes (0\.[5-9]|1\.0)'
done

# mixup draws from the seed alone; early_stop looks at the validation set
train mixed --out m.safetensors --log m.csv
err '^stopped early: no improvement in 2 epochs; the best one was epoch [0-9]+$'
epochs=$(grep -c '^epoch,' m.csv)
checks=$((checks + 1))
[ "$epochs" -lt 12 ] || fail "all $epochs epochs were run"
train mixed --epochs 2 --checkpoint-every 1 --out m2.safetensors --quiet
train mixed --resume m2-checkpoint.safetensors --out m3.safetensors --quiet
check "mixed and resumed" cmp m3.safetensors m.safetensors
sed '/mixup/d' mixed.surgery >plain.surgery
run 0 "$SURGERYC" -O1 plain.surgery -o plain
train plain --epochs 1 --out plain1.safetensors --log plain.csv --quiet
# of the same weights and pictures, and further apart than one-hot targets are from classes
first_loss() { grep '^step,1,1,' "$1" | cut -d, -f4; }
apart=$(echo "$(first_loss m.csv) $(first_loss plain.csv)" | awk '{d = $1 - $2; print NF == 2 && (d > 1e-3 || d < -1e-3) ? "apart" : $0}')
equals "the first losses with and without mixup" "$apart" apart
run 1 ./mixed train --data "$data/pictures/train" --out none.safetensors
err 'early_stop looks at the validation.s loss, and there is no validation set: give one with --val'
finish
