# train: what it prints and writes, seeds, --steps, --no-shuffle, --lr, --batch, --epochs, --val, --log.
. "$RUN_SOURCE/common.sh"
train() { run 0 "$tiny" train --data "$data/idx" --quiet "$@"; }

# as the script says, with the names that the program chooses
run 0 "$tiny" train --data "$data/idx"
exists tiny-trained.safetensors
only_files . tiny-trained.safetensors out err
out '^steps      12$' # 48 pictures in batches of 8, 2 epochs
out '^weights    tiny-trained\.safetensors$'
out '^val top-1  [01]\.[0-9]{4}$'
equals "lines for epochs" "$(grep -cE '^epoch [12]/2: loss [0-9.]+, accuracy [0-9.]+; validation loss [0-9.]+, accuracy [0-9.]+; ' "$tmp/err")" 2
err 'validation: the test part of'
train --out quiet.safetensors
is_empty "$tmp/err"
check "the same run, the same bits" "$RUNTOOL" same tiny-trained.safetensors quiet.safetensors
check "and the same file" cmp tiny-trained.safetensors quiet.safetensors

# what is frozen stays, what is trained moves
frozen='conv1 bn1'
check "frozen tensors and batch statistics" "$RUNTOOL" same quiet.safetensors "$RUN_WORK/tiny.safetensors" $frozen
check "trained tensors and their batch statistics" "$RUNTOOL" differ quiet.safetensors "$RUN_WORK/tiny.safetensors" conv2 bn2 fc
"$RUNTOOL" list quiet.safetensors | sort >names.trained
"$RUNTOOL" list "$RUN_WORK/tiny.safetensors" | sort >names.fresh
check "the same tensors, nothing of the optimizer's" cmp names.trained names.fresh

# seeds: of the fresh layers' values, of shuffling
train --seed 1 --out s1a.safetensors
train --seed 1 --out s1b.safetensors
train --seed 2 --out s2.safetensors
check "seed 1 twice" cmp s1a.safetensors s1b.safetensors
check "seeds 1 and 2" "$RUNTOOL" differ s1a.safetensors s2.safetensors conv2.weight fc
cp "$RUN_WORK/net.surgery" .
cat >shifted.surgery <<'X'
include "net.surgery"
take Tiny from random
init fc.weight with uniform(2, 3)
init conv2.weight with normal(1, 0.5)
save conv2 to "drawn-once.pth"
rename conv2 to second
labels "left", "middle", "right"
train { optimizer Adam(lr=0.01); loss CrossEntropy; seed 5 }
X
run 0 "$SURGERYC" -O0 shifted.surgery -o shifted
run 0 ./shifted train --data "$data/idx" --quiet --epochs 0 --seed 5 --out drawn.safetensors
check "the program draws what the compiler drew" "$RUNTOOL" same drawn.safetensors shifted.safetensors
train --seed 1 --weights "$RUN_WORK/tiny.safetensors" --out w1.safetensors
train --seed 2 --weights "$RUN_WORK/tiny.safetensors" --out w2.safetensors
check "the same first weights in another order" "$RUNTOOL" differ w1.safetensors w2.safetensors conv2.weight fc
train --seed 1 --weights "$RUN_WORK/tiny.safetensors" --no-shuffle --out n1.safetensors
train --seed 2 --weights "$RUN_WORK/tiny.safetensors" --no-shuffle --out n2.safetensors
check "unshuffled, the seed means nothing here" "$RUNTOOL" same n1.safetensors n2.safetensors
check "unshuffled is another order" "$RUNTOOL" differ n1.safetensors w1.safetensors conv2.weight

# --steps counts all of them; --epochs 0 and a rate of 0 move no parameter
train --steps 5 --out five.safetensors
out '^steps      5$'
train --steps 7 --out seven.safetensors
out '^steps      7$'
check "5 and 7 steps" "$RUNTOOL" differ five.safetensors seven.safetensors fc
train --epochs 0 --out none.safetensors
check "no epoch, no change" "$RUNTOOL" same none.safetensors "$RUN_WORK/tiny.safetensors"
train --lr 0 --epochs 1 --out zero.safetensors
check "a rate of 0: parameters stay" "$RUNTOOL" same zero.safetensors "$RUN_WORK/tiny.safetensors" conv1 bn1 conv2 bn2.weight bn2.bias fc
check "a rate of 0: batch statistics move" "$RUNTOOL" differ zero.safetensors "$RUN_WORK/tiny.safetensors" bn2.running
train --lr 0.02 --epochs 1 --out lr.safetensors
train --epochs 1 --out lr1.safetensors
check "--lr counts" "$RUNTOOL" differ lr.safetensors lr1.safetensors fc
train --batch 48 --epochs 3 --out big.safetensors
out '^steps      3$'
train --batch 1000 --epochs 1 --out bigger.safetensors
out '^steps      1$'
train --batch 7 --epochs 1 --out odd.safetensors # 48 = 6 * 7 + 6
out '^steps      7$'

# the log: every step and every epoch, its numbers those of the summary
run 0 "$tiny" train --data "$data/idx" --epochs 3 --out logged.safetensors --log log.csv --lr 0.01
cp "$tmp/out" summary
equals "head" "$(head -n 1 log.csv)" "row,epoch,step,loss,lr,train_loss,train_acc,val_loss,val_acc,seconds"
equals "rows" "$(grep -c '^step,' log.csv) $(grep -c '^epoch,' log.csv)" "18 3"
equals "columns" "$(awk -F, '{print NF}' log.csv | sort -u)" 10
equals "steps count on" "$(sed -n 's/^step,[0-9]*,\([0-9]*\),.*/\1/p' log.csv | tr '\n' ' ')" "$(seq -s ' ' 1 18) "
equals "rates" "$(sed -n 's/^step,//p' log.csv | cut -d, -f4 | sort -u)" 0.01
awk -F, '$1=="step" {s+=$4; n++} $1=="epoch" {d=s/n-$6; if(d>1e-5||d<-1e-5) bad++; s=n=0} END{exit bad+0}' log.csv
equals "each epoch's loss is the mean of its steps'" $? 0
tail -n 1 log.csv | awk -F, '{printf "loss       %.6f\naccuracy   %.4f\nval loss   %.6f\nval top-1  %.4f\n", $6, $7, $8, $9}' >wanted
equals "the last row is the summary" "$(grep -E '^(loss|accuracy|val)' summary)" "$(cat wanted)"
run 0 "$tiny" eval --data "$data/idx" --weights logged.safetensors
equals "eval after training gives the validation's loss" "$(number_after "$tmp/out" loss)" "$(sed -n 's/^val loss *//p' summary)"

# --val, folders of pictures, other suffixes
run 0 "$tiny" train --data "$data/pictures/train" --val "$data/pictures/val" --out pictures.pth
out '^val top-1  '
check "a .pth with the same tensors" sh -c "'$RUNTOOL' list pictures.pth | sort | cmp - names.fresh"
train --out t.npz --epochs 1
check "an .npz" sh -c "'$RUNTOOL' list t.npz | grep -q '^fc.weight f32 (3, 128)$'"
run 0 "$tiny" train --data "$data/pictures/train" --epochs 1 --quiet --out noval.safetensors
out_lacks '^val '
run 1 "$tiny" train --data "$data/idx" --out weights.txt
err 'weights\.txt: weights are written as'

# the report: one page that needs nothing else
train --epochs 3 --out reported.safetensors --report r.html
out '^report     r\.html$'
matches r.html '<!DOCTYPE html>'
equals "curves" "$(grep -c '<svg' r.html)" 3
matches r.html '<tr><td>left</td><td class=n>[0-9]+</td>'
lacks r.html '(src|href)='
run 3 "$tiny" train --data "$data/idx" --report nowhere/r.html --out unwritten.safetensors
err 'nowhere'
absent unwritten.safetensors
# a rate that no script could have without a warning
for rate in 3 0 1e-12; do
  run 0 "$tiny" train --data "$data/idx" --steps 1 --lr $rate --out rate.safetensors --force
  err "note: --lr: with a rate of $rate .*; usual with Adam: 0\.0001 to 0\.01"
done
run 0 "$tiny" train --data "$data/idx" --steps 1 --lr 0.001 --out rate.safetensors --force
err_lacks 'usual with'
run 0 "$tiny" train --data "$data/idx" --steps 1 --lr 3 --quiet --out rate.safetensors --force
err_lacks 'usual with'
finish
