#!/bin/sh
# One network against PyTorch's numbers: run.sh CASE SURGERYC NUMTOOL GOLDENS. Works in a folder of its own, which is
# removed when the case passes.
#   forward-NAME    logits of NAME at n = 1 and 3, within 3e-5 of the largest
#   gradients-NAME  every parameter's gradient of one step, within 5e-5 of its largest entry
#   inspect-NAME    mean, deviation, extremes and zeros of every value, n = 2, within 1e-4 of the largest number of the value
#   bert            forward with and without a mask, gradients, ten losses of all and of a new head on the frozen rest
#   training        ten losses: full, head alone, freeze parameters of all; within 1e-4, 1e-5, 1e-5
set -eu
case=$1 surgeryc=$2 numtool=$3 goldens=$4
work=$(mktemp -d)
cd "$work"

build() { # NAME SCRIPT-TEXT: compiles it with the weights of the formula in NAME.filled.safetensors
  printf '%s\n' "$2" > "$1.surgery"
  "$surgeryc" "$1.surgery" -o "$1"
  "$numtool" fill "$1.safetensors" "$1.filled.safetensors"
}

model=${case#*-}
dims="3 224 224" small="3 96 96" input="input image(3, 96, 96)" classes=1000 freeze="" salt=""
[ "$model" = resnet18 ] && salt=9
[ "$model" = mobilenet_v2 ] && salt=8
[ "$model" = lenet ] && dims="1 28 28" small="1 28 28" input="" classes=10
# Without noise, so that no random stream has to be shared with PyTorch.
[ "$model" = mobilenet_v2 ] && freeze="freeze every Dropout"

case $case in
forward-*)
  build net "take $model from random"
  for n in 1 3; do
    "$numtool" inputs x.npy $n 1000 "" $dims
    ./net predict x.npy --weights net.filled.safetensors --out y.npy --batch $n > predict.txt
    # Measured: 1e-7 to 7e-6.
    "$numtool" forward "$goldens/$model.safetensors" forward_$n y.npy 3e-5
  done ;;
gradients-*)
  build net "take $model from random
    $input
    $freeze
    train { optimizer SGD(lr=1); loss CrossEntropy; batch 4; epochs 1 }"
  "$numtool" inputs data.safetensors 4 $classes "$salt" $small
  # A step so long that what is left of the old weights is below the rounding of the gradient.
  ./net train --data data.safetensors --weights net.filled.safetensors --steps 1 --no-shuffle --lr 1048576 --out after.safetensors
  # Measured: 7e-7 and 1.2e-5; mobilenet_v2, where a relu6 at its kink decides for a whole channel: 3.3e-4.
  within=5e-5
  [ "$model" = mobilenet_v2 ] && within=1e-3
  "$numtool" gradients "$goldens/$model.safetensors" net.filled.safetensors after.safetensors 1048576 $within ;;
inspect-*)
  build net "take $model from random
    input image(3, 96, 96)"
  "$numtool" inputs x.npy 2 1000 "" $small
  ./net inspect x.npy --weights net.filled.safetensors --json > inspect.json
  # Measured: 1e-6 to 1.4e-5; 3.6e-5 on a CPU with another OpenBLAS kernel.
  "$numtool" inspect "$goldens/inspect-$model.json" inspect.json 1e-4 ;;
bert)
  golden=$goldens/bert_tiny.safetensors
  # Measured: outputs 2.4e-6, gradients 7.5e-6, losses 4e-7.
  # Without noise, so that no random stream has to be shared with PyTorch.
  tiny="bert_tiny(hidden_dropout_prob=0, attention_probs_dropout_prob=0)"
  for tokens in 17 1; do
    build net "take bert_tiny from random
      input tokens($tokens, mask=true)"
    for what in plain masked; do
      "$numtool" texts $what.safetensors 3 3 30522 $tokens $what
      ./net predict $what.safetensors --weights net.filled.safetensors --out y.npy > predict.txt
      key=forward_$tokens
      [ $what = masked ] && key=masked_$tokens
      "$numtool" forward "$golden" $key y.npy 6e-6
    done
  done
  build net "take bert_tiny from random
    input tokens(5, mask=true)
    remove pooler"
  "$numtool" texts x.safetensors 3 3 30522 5 masked
  ./net predict x.safetensors --weights net.filled.safetensors --out y.npy > predict.txt
  "$numtool" forward "$golden" hidden_5 y.npy 6e-6
  build net "take $tiny from random
    input tokens(17, mask=true)
    train { optimizer SGD(lr=1); loss CrossEntropy; batch 4; epochs 1 }"
  "$numtool" texts data.safetensors 4 128 30522 17 masked
  ./net train --data data.safetensors --weights net.filled.safetensors --steps 1 --no-shuffle --lr 1048576 --out after.safetensors
  "$numtool" gradients "$golden" net.filled.safetensors after.safetensors 1048576 2e-5
  "$numtool" texts data.safetensors 20 3 30522 9 masked
  train() { # WHAT TAKE FREEZE LR
    build $1 "take $2 from random
      input tokens(9, mask=true)
      $3
      append classifier = Linear(_, 3)
      train { optimizer SGD(lr=$4, momentum=0.9); loss CrossEntropy; batch 10; epochs 5 }"
    ./$1 train --data data.safetensors --weights $1.filled.safetensors --steps 10 --no-shuffle --log $1.csv --out $1.after.safetensors
    "$numtool" losses "$golden" losses/$1 $1.csv 1e-6
  }
  train full "$tiny" "" 0.002
  train head bert_tiny "freeze all" 0.05
  "$numtool" same head.filled.safetensors head.after.safetensors 'encoder*' ;;
training) # Measured: losses 1.6e-6, statistics 2e-6; full 2.5e-5 where another CPU's rounding flips a ReLU in step 9.
  "$numtool" inputs data.safetensors 20 10 "" 3 64 64
  train() { # WHAT FREEZE LR WITHIN
    build $1 "take resnet18 from random
      replace fc with Linear(_, 10)
      input image(3, 64, 64)
      $2
      train { optimizer SGD(lr=$3, momentum=0.9); loss CrossEntropy; batch 10; epochs 5 }"
    ./$1 train --data data.safetensors --weights $1.filled.safetensors --steps 10 --no-shuffle --log $1.csv --out $1.after.safetensors
    "$numtool" losses "$goldens/training.safetensors" losses/$1 $1.csv $4
  }
  train full "" 0.0002 1e-4
  train head "freeze all; unfreeze fc" 1e-5 1e-5
  "$numtool" same head.filled.safetensors head.after.safetensors 'layer*'
  "$numtool" same head.filled.safetensors head.after.safetensors '*bn1*'
  train statistics "freeze parameters of all; unfreeze fc" 0.0002 1e-5
  "$numtool" same statistics.filled.safetensors statistics.after.safetensors '*.conv?.weight'
  for what in mean var; do
    "$numtool" tensor "$goldens/training.safetensors" running_$what/layer4.1.bn2 statistics.after.safetensors layer4.1.bn2.running_$what 1e-5
  done ;;
*) echo "run.sh: no case $case" >&2; exit 2 ;;
esac
cd /
rm -rf "$work"
