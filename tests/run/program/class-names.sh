# Classes go by their names: trained weights keep them, folders are found by them, predict prints them. A script without
# `labels`, folders that lack a class, that are called otherwise, or that sort otherwise than the network's classes.
. "$RUN_SOURCE/common.sh"
train=$data/pictures/train
val=$data/pictures/val
cp "$RUN_WORK/net.surgery" .
printf 'include "net.surgery"\ntake Tiny(classes) from random\nfreeze conv1, bn1\ntrain { optimizer Adam(lr=0.01); batch 8; epochs 6; seed 5 }\n' >bare.surgery
run 0 "$SURGERYC" bare.surgery -o bare

# Nothing names the classes yet: all of them can be numbered in order, which is said; a part of them cannot.
run 0 ./bare eval --data "$val"
err 'numbered in this order: left, middle, right$'
mkdir part && cp -r "$val/middle" "$val/right" part
run 1 ./bare eval --data part
err "part: 2 of the network's 3 classes \(middle, right\), and neither the script nor the weights say which"
err 'labels "middle", '
is_empty "$tmp/out"

# The training names them; each kind of file keeps them.
run 0 ./bare train --data "$train" --val part --epochs 30 --quiet --out t.safetensors
out '^val top-1  1\.0000$'
for file in t.safetensors t.pth t.npz; do
  [ $file = t.safetensors ] || run 0 ./bare export --weights t.safetensors --out $file
  run 0 ./bare eval --data part --weights $file
  out '^top-1 +1\.0000 +\(16 of 16\)$'
  out '^middle +8 +8 +1\.0000$'
  err_lacks "class"
  run 0 ./bare predict "$val/right/02.png" --weights $file --top 1
  out ': right [01]\.'
  run 0 ./bare info --weights $file
  out '^labels +left, middle, right \(of the weights\)$'
  run 0 ./bare info --json --weights $file
  tr -d ' \n' <"$tmp/out" >json
  check "their names in JSON" grep -q '"labels":\["left","middle","right"\]' json
done
check "the tensors are the same" "$RUNTOOL" same t.safetensors t.pth
run 0 ./bare export --weights t.pth --out again.safetensors
check "there and back" cmp t.safetensors again.safetensors
if command -v unzip >/dev/null; then
  unzip -zq t.pth >comment
  matches comment '"class_names":"\[\\"left\\",\\"middle\\",\\"right\\"\]"'
fi

# Weights that a script takes keep their names as long as the layer that makes the outputs is theirs.
printf 'include "net.surgery"\ntake Tiny(classes) from "t.pth"\n' >taken.surgery
run 0 "$SURGERYC" taken.surgery -o taken
run 0 ./taken eval --data part
out '^top-1 +1\.0000 +\(16 of 16\)$'
printf 'include "net.surgery"\ntake Tiny(classes) from "t.pth"\nreplace fc with Linear(_, 2)\n' >headless.surgery
run 0 "$SURGERYC" headless.surgery -o headless
run 0 ./headless info
out_lacks '^labels'

# Case alone is accepted and said; another name is an error with both lists, one folder too.
mkdir case && cp -r "$val/middle" case/Middle && cp -r "$val/left" case/LEFT
run 0 ./bare eval --data case --weights t.safetensors
out '^top-1 +1\.0000 +\(16 of 16\)$'
err "'LEFT' is taken for the class 'left': the names differ in case only"
cp -r "$val/left" case/left
run 1 ./bare eval --data case --weights t.safetensors
err "the class 'LEFT' is not among the network's 3 labels"
mkdir lone && cp -r "$val/left" lone/dogs
for program in "./bare --weights t.safetensors" "$tiny --weights $RUN_WORK/trained.safetensors"; do
  run 1 ${program% --*} eval --data lone --weights ${program##* }
  err "lone: the class 'dogs' is not among the network's 3 labels"
  err '^  in lone: dogs$'
  err '^  (classes of the weights|labels of the script): left, middle, right$'
done

# A training with other names begins anew from given weights, and says so; a resumed one does not.
mkdir new && cp -r "$val/left" new/a && cp -r "$val/middle" new/b && cp -r "$val/right" new/c
run 0 ./bare train --data new --weights t.safetensors --epochs 1 --out u.safetensors
err 'numbered anew: a, b, c \(before: left, middle, right\)'
run 0 ./bare info --weights u.safetensors
out '^labels +a, b, c'
run 0 ./bare train --data new --weights t.safetensors --epochs 1 --checkpoint-every 1 --quiet --out v.safetensors
mv new/a new/z
run 1 ./bare train --data new --resume v-checkpoint.safetensors --epochs 2 --out w.safetensors
err "the class 'z' is not among the network's 3 labels"
run 1 ./bare train --data "$train" --val new --epochs 1 --out w.safetensors
err "the class 'b' is not among the network's 3 labels"
err '^  classes of the training set: left, middle, right$'
absent w.safetensors

# A script that names them in another order than the weights would print each wrong name; other names are told.
printf 'include "net.surgery"\ntake Tiny(classes) from random\nlabels "right", "left", "middle"\n' >turned.surgery
run 0 "$SURGERYC" turned.surgery -o turned
run 1 ./turned predict "$val/left/00.png" --weights t.safetensors
err 'its classes are those of the script in another order'
err '^  weights: left, middle, right$'
printf 'include "net.surgery"\ntake Tiny(classes) from random\nlabels "links", "mitte", "rechts"\n' >german.surgery
run 0 "$SURGERYC" german.surgery -o german
run 0 ./german predict "$val/left/00.png" --weights t.safetensors --top 1
out ': links '
err 'trained on the classes left, middle, right; the labels of the script are used: links, mitte, rechts'

# Names that are no UTF-8, and hostile ones in a file.
odd=$(printf 'l\377\n"\\')
mkdir odd && cp -r "$val/left" "odd/$odd" && cp -r "$val/middle" odd/m && cp -r "$val/right" odd/r
run 0 ./bare train --data odd --epochs 1 --quiet --out odd.safetensors
run 0 ./bare eval --data odd --weights odd.safetensors
run 0 ./bare export --weights odd.safetensors --out odd.pth
run 0 ./bare predict "$val/left/00.png" --weights odd.pth --json
check "JSON" "$RUNTOOL" json "$tmp/out"
escape=$(printf '\033[31ml')
mv odd/m "odd/$escape"
run 0 ./bare train --data odd --epochs 1 --quiet --out odd.safetensors
run 0 ./bare eval --data odd --weights odd.safetensors
lacks "$tmp/out" "$(printf '\033')"
finish
