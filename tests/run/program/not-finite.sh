# NaN and infinity in data or in weights are named with their sample or tensor, and are not taken for a rate that is too high.
. "$RUN_SOURCE/common.sh"
cat >line.surgery <<'S'
model Line { fc = Linear(4, 2) }
take Line from random
input tensor(4)
train { optimizer SGD(lr=0.01); loss CrossEntropy; batch 2; epochs 2 }
S
run 0 "$SURGERYC" line.surgery -o line
"$RUNTOOL" arrays good.npz x:f32:4,4:1,2,3,4,2,3,4,5,3,4,5,6,4,5,6,7 y:i64:4:0,1,0,1
"$RUNTOOL" arrays bad.npz x:f32:4,4:1,2,3,4,2,3,4,5,3,nan,5,6,4,5,6,7 y:i64:4:0,1,0,1
"$RUNTOOL" arrays far.npz x:f32:4,4:1,2,3,4,2,3,4,5,3,4,5,inf,4,5,6,7 y:i64:4:0,1,0,1
for option in '' --no-shuffle; do
  run 1 ./line train --data bad.npz --out w.safetensors $option
  err 'the loss is -?nan: bad\.npz\[2\]: value 1 of the sample is nan\. No weights were written$'
  err_lacks 'diverged|--lr'
  run 1 ./line train --data far.npz --out w.safetensors $option
  err 'far\.npz\[2\]: value 3 of the sample is inf\. No weights'
  absent w.safetensors
done
run 0 ./line eval --data bad.npz
err 'warning: bad\.npz\[2\]: value 1 of the sample is nan$'
run 0 ./line predict bad.npz
equals "warnings" "$(grep -c 'warning: bad\.npz\[2\]: value 1 of the sample is nan$' "$tmp/err")" 1
# weights
"$RUNTOOL" arrays sick.npz fc.weight:f32:2,4:1,2,3,4,5,nan,7,8 fc.bias:f32:2:0,0
run 1 ./line train --data good.npz --weights sick.npz --out w.safetensors
err "the loss is -?nan: sick\.npz: value 5 of 'fc\.weight' is nan\. No weights"
for command in 'eval --data' predict; do
  run 0 ./line $command good.npz --weights sick.npz
  err "warning: sick\.npz: value 5 of 'fc\.weight' is nan$"
done
# neither: the rate
run 1 ./line train --data good.npz --lr 1e38 --out w.safetensors --epochs 50
err 'training has diverged; a smaller --lr'
finish
