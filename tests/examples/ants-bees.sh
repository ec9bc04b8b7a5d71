# Ants and bees with the real ResNet-18: at least 0.94 on the validation pictures, everything frozen bit-identical.
#   cached      without augmentation, seeds 0, 1, 2: the frozen part runs once for each picture
#   augmented   the script of the language page as it is, 25 epochs, seed 0
. "$(dirname "$0")/common.sh"
mode=$1 resnet18=$SURGERY_SHARED_DATA/resnet18/resnet18.pth data=$SURGERY_SHARED_DATA/hymenoptera_data
[ -e "$resnet18" ] || skip "no $resnet18: set SURGERY_SHARED_DATA when configuring"
[ -d "$data" ] || skip "no $data: set SURGERY_SHARED_DATA when configuring"

train() { # NAME SEED
  "$work/$1" train --data "$data/train" --val "$data/val" --seed "$2" --out "$work/trained.safetensors" >"$work/output" 2>"$work/remarks" ||
    { cat "$work/remarks"; fail "training ended with status $?"; }
  at_least "validation accuracy with seed $2" "$(number_after "$work/output" 'val top-1')" 0.94
  # Every convolution, weight and bias, and every running mean, variance and count; all 120 tensors but fc.
  for part in 'conv1*' 'bn1*' 'layer[1-4]*'; do same "$work/$1.safetensors" "$work/trained.safetensors" "$part"; done
  ! "$NUMTOOL" same "$work/$1.safetensors" "$work/trained.safetensors" 'fc.*' >"$work/fc" || fail "fc has learnt nothing"
}

if [ "$mode" = augmented ]; then
  "$SURGERYC" "$examples/ants-bees/ants_bees.surgery" -o "$work/ants_bees" --weights "resnet18=$resnet18"
  train ants_bees 0
  ! grep -q 'features: 244 ' "$work/remarks" || fail "features of augmented pictures were kept"
  tail -n 1 "$work/remarks"
  finish
  exit 0
fi

"$examples/ants-bees/run" "$build" "$resnet18" "$data" "$work" >"$work/story" 2>&1 || { cat "$work/story"; fail "run ended with status $?"; }
cat "$work/story"
has "$work/story" '^parameters  11,176,512 frozen, 1,026 trainable'
has "$work/story" '^features: 244 images in [0-9.]+ s'
has "$work/story" 'val/ants/.*: ants 0\.[5-9]'
has "$work/story" 'val/bees/.*: bees (0\.[5-9]|1\.0)'
at_least "accuracy that the example shows" "$(number_after "$work/story" top-1)" 0.94
for seed in 0 1 2; do train ants_bees_cached $seed; done

if "$examples/ants-bees/run" "$build" >"$work/output" 2>&1; then fail "it runs without weights and data"; fi
has "$work/output" 'which weights, which pictures'
has "$work/output" 'usage: run BUILD-FOLDER'
if "$examples/ants-bees/run" "$build" "$work/nothing.pth" "$data" >"$work/output" 2>&1; then fail "it runs without weights"; fi
has "$work/output" 'nothing\.pth: no such file of weights'
finish
