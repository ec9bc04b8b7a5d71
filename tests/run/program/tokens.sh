# Programs whose input is tokens: masks, what padding may not change, the feature cache, and every wrong array.
. "$RUN_SOURCE/common.sh"
cat >net.surgery <<'X'
model Small() = Bert(2, 16, 2, 32, vocab_size=20, max_position_embeddings=8)
take Small() from random
freeze all
append classifier = Linear(_, 2)
input tokens(6, mask=true)
labels "no", "yes"
train { optimizer Adam(lr=0.05); loss CrossEntropy; batch 2; epochs 30 }
X
run 0 "$SURGERYC" net.surgery -o small
run 0 "$SURGERYC" plan net.surgery
run 0 ./small info
out '^input +\(N, 6\) tokens below 20, with a mask$'
run 0 ./small bench --runs 2

# what stands at masked places changes nothing, to the bit
x='x:i64:2,6:3,4,5,0,0,0,7,8,9,10,0,0' mask='mask:i64:2,6:1,1,1,0,0,0,1,1,1,1,0,0' y='y:i64:2:0,1'
"$RUNTOOL" arrays a.safetensors "$x" "$mask"
"$RUNTOOL" arrays b.npz x:i64:2,6:3,4,5,9,19,1,7,8,9,10,2,3 mask:f32:2,6:1,1,1,0,0,0,1,1,1,1,0,0
"$RUNTOOL" arrays plain.safetensors "$x"
for what in a.safetensors b.npz plain.safetensors; do run 0 ./small predict $what --out ${what%%.*}.npy; done
check "padding changes nothing" cmp a.npy b.npy
check "without a mask padding counts" sh -c '! cmp -s a.npy plain.npy'
"$RUNTOOL" arrays ones.safetensors "$x" mask:i64:2,6:1,1,1,1,1,1,1,1,1,1,1,1
run 0 ./small predict ones.safetensors --out ones.npy
check "no mask is a mask of ones" cmp ones.npy plain.npy
# one sample after the other, and several files as one set
run 0 ./small predict a.safetensors --batch 1 --out one.npy
near one.npy a.npy 1e-5
run 0 ./small predict plain.safetensors a.safetensors --out both.npy
equals "samples of two files" "$("$RUNTOOL" npy both.npy | head -n 1)" "4 2"

# training: the cache of frozen features gives what running the encoder each time gives; eval knows the mask too
"$RUNTOOL" arrays train.safetensors "$x" "$mask" "$y"
run 0 ./small inspect --data train.safetensors
out '^embeddings.word_embeddings +Embedding'
out_lacks 'zeros_like' # token numbers have no mean
run 0 ./small train --data train.safetensors --no-shuffle --out t.safetensors
run 0 ./small train --data train.safetensors --no-shuffle --out u.safetensors --no-cache
check "with and without the cache" cmp t.safetensors u.safetensors
run 0 ./small eval --data train.safetensors --weights t.safetensors
out '^top-1 +1\.0000'
"$RUNTOOL" same small.safetensors t.safetensors encoder embeddings pooler
equals "what is frozen stays" $? 0
# where the frozen part ends within the encoder, the mask goes along with the features
sed 's/freeze all/freeze embeddings, encoder.layer.0/' net.surgery >half.surgery
run 0 "$SURGERYC" half.surgery -o half
run 0 ./half train --data train.safetensors --epochs 2 --no-shuffle --out v.safetensors
run 0 ./half train --data train.safetensors --epochs 2 --no-shuffle --no-cache --out w.safetensors
check "a mask behind the cache" cmp v.safetensors w.safetensors

# what the network does not take is no part of the data: nothing of it is left out without a word
"$RUNTOOL" arrays types.npz "$x" "$mask" token_type_ids:i64:2,6:0,0,0,0,0,0,0,0,0,0,0,1
run 1 ./small predict types.npz
err "types\.npz: the network takes no 'token_type_ids' \(2, 6\): a data set has x, the samples, y, the targets, and mask; leave it out"

refused() { # PATTERN ARRAY…: by train, and where there are no targets in the way by predict
  pattern=$1
  shift
  "$RUNTOOL" arrays wrong.safetensors "$@"
  run 1 ./small train --data wrong.safetensors --out n.safetensors
  err "$pattern"
  absent n.safetensors
  run 1 ./small predict wrong.safetensors
  err "$pattern"
}
refused 'sample 1, position 2: token 20 is not in the vocabulary, 0 to 19' x:i64:2,6:1,2,3,4,5,6,7,8,20,1,2,3 "$y"
refused 'sample 0, position 0: token -1 is not in the vocabulary' x:i64:1,6:-1,2,3,4,5,6 y:i64:1:0
refused 'token 4294967296 is not' x:i64:1,6:4294967296,2,3,4,5,6 y:i64:1:0
refused 'numbers of type f32, but tokens are whole numbers' x:f32:1,6:1,2,3,4,5,6 y:i64:1:0
refused 'its samples are \(N, 7\), but the input is \(N, 6\)' x:i64:1,7:1,2,3,4,5,6,7 y:i64:1:0
refused 'mask is \(2, 5\), but \(2, 6\) is wanted' "$x" "$y" mask:i64:2,5:1,1,1,1,1,1,1,1,1,1
refused 'mask of sample 1, position 3 is 2' "$x" "$y" mask:i64:2,6:1,1,1,0,0,0,1,1,1,2,0,0
refused 'the mask of sample 1 is all 0' "$x" "$y" mask:i64:2,6:1,1,1,0,0,0,0,0,0,0,0,0
sed 's/, mask=true//' net.surgery >maskless.surgery
run 0 "$SURGERYC" maskless.surgery -o maskless
run 1 ./maskless predict a.safetensors
err 'there is a mask, but the network takes none'
run 0 ./maskless predict plain.safetensors --out m.npy
check "a network without a mask attends to all" cmp m.npy plain.npy
run 1 ./small predict "$data/pictures/val/left/00.png"
err "the network's input is tokens"
run 1 ./small train --data "$data/pictures/val"
err "the network's input is tokens"
run 1 ./small predict nothing.npz
err 'nothing.npz: No such file'
finish
