#!/bin/sh
# Networks from ONNX files against PyTorch's numbers: run.sh CASE SURGERYC NUMTOOL. Works in a folder of its own, which is
# removed when the case passes.
#   NAME       models/NAME.onnx: its graph is golden/NAME.txt, its outputs are those of the goldens within 1e-5
#   slice      a slice by children: its output is PyTorch's; and edits of it compile and train
#   reference  every operator that is read stands in the language reference
#   resnet18, resnet18-folded    exported on the spot by Debian's PyTorch; skipped (77) where that is not installed
# With UPDATE=1 in the environment golden/NAME.txt is rewritten; read the diff.
set -eu
case=$1 surgeryc=$2 numtool=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
cd "$work"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" OMP_WAIT_POLICY=passive

compile() { # NAME SCRIPT-TEXT
  printf '%s\n' "$2" > "$1.surgery"
  "$surgeryc" "$1.surgery" -o "$1"
}
graph() { # SCRIPT: as text
  "$surgeryc" "$1" --stop-after=edit --dump=edit
}
predict() { # PROGRAM KEY N DIM…: its outputs against the golden. Measured: below 4e-7, resnet18 1.2e-6.
  program=$1 key=$2 n=$3
  shift 3
  "$numtool" inputs x.npy "$n" 10 "" "$@"
  "./$program" predict x.npy --out y.npy > predict.txt
  "$numtool" forward "$goldens" "$key" y.npy 1e-5
}

goldens=$here/goldens.safetensors
case $case in
bn | folded | open | train | old) dims="3 9 9" ;;
ops) dims="1 9 10" ;;
shared) dims="2 4 4" ;;
mlp | parallel) dims=7 ;;
slice)
  cp "$here/models/bn.onnx" .
  compile front 'take "bn.onnx"[0:2]'
  predict front slice 3 3 9 9
  "$surgeryc" check front.surgery -Werror
  # Everything that is possible on a built-in network: replace what was cut off, freeze, insert, train.
  compile edited 'take "bn.onnx"[conv1..pool]
    freeze all
    replace pool with MaxPool2d(2)
    insert norm = BatchNorm2d(_) after conv1
    append Sequential(AdaptiveAvgPool2d(1), Flatten(), Linear(_, 2))
    input image(3, 16, 16)
    expect output (N, 2)
    train { optimizer SGD(lr=0.1); loss CrossEntropy; batch 4; epochs 2 }'
  "$numtool" inputs data.safetensors 8 2 "" 3 16 16
  ./edited train --data data.safetensors --out after.safetensors --steps 2 > train.txt
  "$numtool" same edited.safetensors after.safetensors 'bn1.*'
  "$numtool" same edited.safetensors after.safetensors conv1.weight
  if "$numtool" same edited.safetensors after.safetensors norm.weight; then echo "norm was not trained"; exit 1; fi
  # What the take cut off comes back with the way to it.
  compile back 'take "bn.onnx"[conv1..relu_2]; replace fc with Linear(_, 3); expect output (N, 3)'
  "$numtool" inputs x.npy 2 10 "" 3 9 9
  ./back predict x.npy --out y.npy > predict.txt
  # Other weights for the same network, by the names of its parameters; and fresh ones.
  compile whole 'take "bn.onnx"'
  compile again 'take "bn.onnx" from "whole.safetensors"'
  predict again bn 3 3 9 9
  compile fresh 'take "bn.onnx" from random'
  if "$numtool" same whole.safetensors fresh.safetensors conv1.weight; then echo "fresh weights are the file's"; exit 1; fi
  # An ONNX file as a weight file.
  compile named 'model Net { fc1 = Linear(7, 6); bn = BatchNorm1d(6); a = Tanh(); fc2 = Linear(6, 4, bias=false); s = Softmax(1)
      input tensor(7) }
    take Net from "'"$here"'/models/parallel.onnx"'
  predict named parallel 3 7
  rm -rf "$work"
  exit 0 ;;
reference)
  count=0
  for op in $(sed -n 's/^ *{"\([A-Za-z]*\)".*/\1/p' "$here/../../compiler/import/onnx_ops.c"); do
    sed -n '/^### Networks from ONNX/,/^## /p' "$here/../../grammar/README.md" | grep -qw "$op" || { echo "$op is not in grammar/README.md"; exit 1; }
    count=$((count + 1))
  done
  echo "$count operators"
  [ "$count" -gt 20 ]
  rm -rf "$work"
  exit 0 ;;
resnet18 | resnet18-folded)
  if ! /usr/bin/python3 -c "import torch, torchvision" 2> python.txt; then
    echo "SKIPPED: no PyTorch for /usr/bin/python3 (python3-torch, python3-torchvision)"
    rm -rf "$work"
    exit 77
  fi
  folded=${case#resnet18}
  /usr/bin/python3 "$here/make_models.py" resnet18 . $folded > python.txt 2>&1
  goldens=goldens.safetensors
  compile net 'take "resnet18.onnx"'
  predict net resnet18 2 3 64 64
  if [ -z "$folded" ]; then # the same graph as the built-in network's, but for what ONNX does not have
    printf 'take resnet18 from random\ninput image(3, 64, 64)\n' > zoo.surgery
    for name in net zoo; do
      graph $name.surgery | sed -e 1d -e 's/inplace=[a-z]*//' -e 's/ stage=.*//' > $name.txt
    done
    diff zoo.txt net.txt
    compile head 'take "resnet18.onnx"[0:8]; freeze all; replace fc with Linear(512, 10); expect parameters of fc == 5130'
  fi
  rm -rf "$work"
  exit 0 ;;
*) echo "run.sh: no case $case" >&2; exit 2 ;;
esac
compile net "take \"$here/models/$case.onnx\""
graph net.surgery > graph.txt
if [ "${UPDATE:-}" ]; then cp graph.txt "$here/golden/$case.txt"; fi
diff "$here/golden/$case.txt" graph.txt
predict net "$case" 3 $dims
cd /
rm -rf "$work"
