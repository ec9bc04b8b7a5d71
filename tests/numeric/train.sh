#!/bin/sh
# Every setting of the train block against PyTorch's numbers: train.sh SURGERYC NUMTOOL GOLDENS. Ten losses (within 1e-6)
# and rates of a small network for each case; make_training_goldens.py has the same cases in Python.
set -eu
surgeryc=$1 numtool=$2 goldens=$3/settings.safetensors
work=$(mktemp -d)
cd "$work"
"$numtool" inputs classes.safetensors 40 10 "" 1 8 8
"$numtool" values floats.safetensors 40 10 "" 1 8 8
"$numtool" inputs eight.npy 8 10 "" 1 8 8
failed=0

case_of() { # NAME SETTINGS [DATA [EDITS]]
  optimizer="optimizer SGD(lr=0.05, momentum=0.9)" batch="batch 20" epochs="epochs 5"
  case $2 in *optimizer*) optimizer= ;; esac
  case $2 in *batch*) batch= ;; esac
  case $2 in *epochs*) epochs= ;; esac
  cat > "$1.surgery" <<S
model Small {
  input image(1, 8, 8)
  conv1 = Conv2d(1, 4, 3, padding=1)
  conv2 = Conv2d(4, 8, 3, padding=1)
  bn2   = BatchNorm2d(8)
  pool  = MaxPool2d(2)
  fc    = Linear(128, 10)
  forward x { return fc(flatten(pool(relu(bn2(conv2(relu(conv1(x)))))), 1)) }
}
take Small from random
${4-}
train { $optimizer
  $batch
  $epochs
  $2
}
S
  "$surgeryc" -O1 "$1.surgery" -o "$1" 2>"$1.log" || { cat "$1.log"; exit 1; }
  "$numtool" fill "$1.safetensors" "$1.filled.safetensors"
  ./"$1" train --data "${3:-classes.safetensors}" --weights "$1.filled.safetensors" --no-shuffle --steps 10 --quiet \
    --log "$1.csv" --out "$1.after.safetensors" >/dev/null
  # Measured: at most 4e-7; rates 1e-9.
  "$numtool" losses "$goldens" "losses/$1" "$1.csv" 1e-6 > "$1.txt" || { failed=1; cat "$1.txt"; }
  tail -n 1 "$1.txt"
  "$numtool" rates "$goldens" "lr/$1" "$1.csv" 1e-8 > "$1.txt" || { failed=1; cat "$1.txt"; }
}

case_of rmsprop "optimizer RMSprop(lr=1e-3)"
case_of rmsprop-all "optimizer RMSprop(lr=1e-3, alpha=0.9, eps=1e-6, weight_decay=0.01, momentum=0.5, centered=true)"
case_of step "schedule step(2, gamma=0.5)"
case_of multistep "schedule multistep([1, 3])"
case_of exponential "schedule exponential(0.7)"
case_of cosine "schedule cosine(eta_min=0.001)"
case_of warmup "schedule cosine(warmup=3, interval=\"step\")"
case_of linear "schedule linear(start_factor=0.1, total_iters=4)"
case_of one-cycle "schedule one_cycle(0.05)"
case_of one-cycle-adam "optimizer Adam; schedule one_cycle(0.01)"
case_of clip "optimizer SGD(lr=0.5); clip_norm 0.25"
case_of accumulate "batch 6; accumulate 3"
case_of weights "loss CrossEntropy(weight=[1, 2, 0.5, 1, 1, 3, 1, 1, 0.25, 1], label_smoothing=0.1)"
case_of bce "loss BCEWithLogits(pos_weight=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])"
case_of bce-values "loss BCEWithLogits" floats.safetensors
case_of l1 "loss L1" floats.safetensors
case_of ema "ema 0.9"
./ema predict eight.npy --weights ema.after.safetensors --out ema.npy >/dev/null
"$numtool" forward "$goldens" ema ema.npy 1e-6 || failed=1
case_of phases "phase head { epochs 2; unfreeze fc }
  phase block { epochs 3; unfreeze conv2, bn2; lr 0.005 }" "" "freeze all"
"$numtool" same phases.filled.safetensors phases.after.safetensors 'conv1.*'
cd /
[ $failed = 1 ] || rm -rf "$work"
exit $failed
