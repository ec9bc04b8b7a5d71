# A large batch goes through the network some samples at a time where that is faster: forward, prefix and tail then give
# what they give for one sample alone, bit for bit, in each output, whatever is left over at the end.
. "$RUN_SOURCE/common.sh"
cat >wide.surgery <<'X'
take mobilenet_v2 from random
input image(3, 192, 192) { resize (192, 192) }
freeze all
replace classifier.1 with Linear(1280, 16)
unfreeze features.18
output classes = classifier.1, early = features.1
train { optimizer SGD(lr=0.01); batch 7; epochs 1 }
X
run 0 "$SURGERYC" plan wide.surgery
for function in forward prefix tail; do out "^  $function +[0-9,]+ min\(n, [248]\) "; done
run 0 "$SURGERYC" -O1 wide.surgery -o wide
pictures=$data/pictures/val
# three of sixteen classes, by number
find "$pictures" -name '*.png' -o -name '*.jpg' | LC_ALL=C sort | sed 's|.*/left/.*|&,0|; s|.*/middle/.*|&,7|; s|.*/right/.*|&,15|' >some.csv
for batch in 1 7; do
  run 0 ./wide predict "$pictures" --out $batch.npy --batch $batch --quiet
  run 0 ./wide eval --data some.csv --batch $batch --quiet # by prefix and tail
  cp "$tmp/out" $batch.eval
done
for what in classes.npy early.npy eval; do check "$what" cmp 1.$what 7.$what; done
finish
