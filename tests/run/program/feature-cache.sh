# train --feature-cache: the second training reads the features; with another network, other weights, samples or a damaged
# file they are computed anew, which is told. The result is always that of --no-cache, to the last bit.
. "$RUN_SOURCE/common.sh"
cp -r "$data/pictures" pictures
cp "$tiny" tiny && cp "$tiny.safetensors" .
computed='^features: 48 images in [0-9.]+ s, kept in'
read_all='^features: 48 images read from fc/tiny-[0-9a-f]{16}\.features: the frozen part does not run$'
anew='these features are computed anew$'

plain() { # [OPTION…]: plain.safetensors, what every training with these options must give
  run 0 ./tiny train --data pictures/train --no-cache --quiet --out plain.safetensors "$@"
}
trains() { # PATTERN [OPTION…]: with the cache; PATTERN is told
  pattern=$1
  shift
  run 0 ./tiny train --data pictures/train --feature-cache fc --out cached.safetensors "$@"
  err "$pattern"
  check "the same weights as without a file" cmp cached.safetensors plain.safetensors
}
hits() {
  trains "$read_all" "$@"
  err_lacks "$anew|$computed"
}

# the first run writes one file, in a folder that it makes; the second reads it and leaves it alone
plain
trains "$computed"
err_lacks "$anew|read from"
file=$(echo fc/*)
cp "$file" first
hits
hits --threads 1
check "the file is left alone" cmp "$file" first
rm "$file"
trains "$computed" --threads 1
check "and does not depend on the threads" cmp "$file" first
run 0 ./tiny train --data pictures/train --feature-cache fc --quiet --out cached.safetensors
is_empty "$tmp/err"
# what learns does not matter, nor how
plain --weights "$RUN_WORK/trained.safetensors" --epochs 3 --lr 0.003 --batch 7
hits --weights "$RUN_WORK/trained.safetensors" --epochs 3 --lr 0.003 --batch 7
# training and validation set have a file each, every set its own
run 0 ./tiny train --data pictures/train --val pictures/val --feature-cache fc
err "$read_all"
err '^features: 24 images in'
equals "files" "$(ls fc | wc -l)" 2
run 0 ./tiny train --data pictures/train --val pictures/val --feature-cache fc
err '^features: 24 images read from'
run 0 ./tiny train --data "$data/idx" --no-cache --quiet --out plain.safetensors
for pattern in '^features: [0-9]+ images in' '^features: [0-9]+ images read from fc'; do
  run 0 ./tiny train --data "$data/idx" --feature-cache fc --out cached.safetensors
  err "$pattern"
  check "samples in memory" cmp cached.safetensors plain.safetensors
done

# other frozen weights
plain --seed 9
trains 'features was made with other frozen weights: these features are computed anew$' --seed 9
err "$computed"
hits --seed 9
plain
trains 'other frozen weights'
hits

# a picture changes, with its size and its time left as they were; a new one, one less
set -- pictures/train/*/*
shift 17 # in the second block of 16
cp -p "$1" was && cp "$2" "$1" && touch -r was "$1"
plain
trains "features was made of other samples in part: $anew"
err '^features: 32 of them read from fc/'
err "$computed"
hits
touch "$1" # its time alone is nothing
hits
cp was "$1"
rm "$(echo pictures/train/right/* | sed 's/.* //')"
plain
trains '^features: 47 images in'
err '^features: 16 of them read from' # the changed block, the shortened one are not
trains '^features: 47 images read from'
rm -r pictures && cp -r "$data/pictures" pictures
plain
trains "made of other samples in part: $anew"
hits
# a broken one is named each time, and its block computed each time
set -- pictures/train/*/*
head -c 40 "$1" >cut && cp cut "$1"
plain
trains "left out: $1"
err '^features: 32 of them read from'
trains "left out: $1"
err '^features: 32 of them read from'
err_lacks "$anew"
cp "$data/$1" "$1"
plain
trains "$anew"
hits

# another network or preprocessing under the same name; another train block is none
mkdir other && cp "$RUN_WORK"/*.surgery other
recompile() { # SED FILE
  sed -i "$1" "other/$2"
  run 0 "$SURGERYC" other/tiny.surgery -o other/tiny
  cp other/tiny tiny
}
recompile 's/lr=0.01/lr=0.02/' tiny.surgery
plain
hits
cp "$file" good
for change in 's/mean=\[0.5\]/mean=[0.4]/' 's/padding=1, bias/padding=2, dilation=2, bias/' 's/relu(bn1/tanh(bn1/;s/\.\.relu_1/..relu/'; do
  cp "$RUN_WORK/net.surgery" other/net.surgery
  recompile "$change" net.surgery
  cp good "$file"
  cp other/tiny.safetensors tiny.safetensors
  plain --weights tiny.safetensors
  trains "features was made by another program, with another network or preprocessing: $anew" --weights tiny.safetensors
  hits --weights tiny.safetensors
done
cp "$tiny" tiny && cp "$tiny.safetensors" .
plain
trains 'made by another program'
cp "$file" good

# damage: never a crash, never a wrong number, and the next run finds a good file
size=$(wc -c <"$file")
damaged() { # PATTERN
  trains "$1: $anew"
  hits
  check "it is written anew" cmp "$file" good
}
for length in 0 1 63 64 79 80 100 $((size - 1)) $((size / 2)); do
  head -c "$length" good >"$file"
  damaged "$file is damaged"
done
(cat good; echo) >"$file"
damaged "$file is damaged"
for byte in 8 16 24 33 50 70 81 150; do # the head and the entries
  cp good "$file"
  printf '\377' | dd of="$file" bs=1 seek=$byte conv=notrunc status=none
  damaged "$file is (damaged|not a file)"
done
for byte in $((size - 1)) $((size - 30000)); do # features
  cp good "$file"
  printf '\377' | dd of="$file" bs=1 seek=$byte conv=notrunc status=none
  damaged "$file is damaged in part"
done
echo 'not at all what is expected here, but long enough for a head of a file of features, or is it' >"$file"
damaged "$file is not a file of features of this version"

# where nothing can be written that is said before the work
run 3 ./tiny train --data pictures/train --feature-cache nowhere/fc
err 'nowhere/fc: the folder for features cannot be made: No such file or directory$'
run 1 ./tiny train --data pictures/train --feature-cache plain.safetensors
err 'plain.safetensors: is a file, and a folder for features is wanted$'
rm "$file" && mkdir "$file"
run 1 ./tiny train --data pictures/train --feature-cache fc
err "$file: exists and is not a regular file"
rmdir "$file"
run 2 ./tiny train --data pictures/train --feature-cache fc --no-cache
err 'feature-cache keeps what --no-cache does without'
if small_disk 8k; then # full: the training goes on
  run 0 ./tiny train --data pictures/train --feature-cache small --out cached.safetensors
  err 'small/tiny-.*features: not written.*No space left'
  check "trained all the same" cmp cached.safetensors plain.safetensors
  small_disk_away
fi
# a call that makes the file fails, or the process dies in it: the file is whole or not there
prepare() { rm -rf fc; }
examine() {
  for left in fc/*; do [ ! -e "$left" ] || check "whole" cmp "$left" good; done
}
every_fault kill 5 ./tiny train --data pictures/train --feature-cache fc --quiet --steps 1 --out w.safetensors
examine() {
  for left in fc/.*.tmp; do absent "$left"; done
  for left in fc/*; do [ ! -e "$left" ] || check "whole" cmp "$left" good; done
}
every_fault fail 5 ./tiny train --data pictures/train --feature-cache fc --quiet --steps 1 --out w.safetensors
hits

# nothing can be kept where each epoch has other pictures; of the validation set it can
run 0 "$RUN_WORK/augmented" train --data pictures/train --val pictures/val --feature-cache fc --out a.safetensors
err 'pictures/train: no features are kept: its pictures are augmented, differently in each epoch$'
err '^features: 24 images in'
run 0 "$RUN_WORK/augmented" train --data pictures/train --val pictures/val --feature-cache fc --out b.safetensors
err '^features: 24 images read from'
check "the same" cmp a.safetensors b.safetensors

# phases have a file each; a resumed run takes those that its own checkpoint finds right
cp "$RUN_WORK/net.surgery" .
cat >phases.surgery <<'S'
include "net.surgery"
take Tiny(classes) from random
freeze all
labels "left", "middle", "right"
train {
  optimizer SGD(lr=0.05, momentum=0.9)
  batch 8; seed 5
  phase rest { epochs 2; unfreeze conv2, bn2 }
  phase head { epochs 2; freeze all; unfreeze fc }
}
S
run 0 "$SURGERYC" -O1 phases.surgery -o phases
run 0 ./phases train --data pictures/train --no-cache --quiet --out plain.safetensors
for told in '^features: 48 images in' '^features: 48 images read from'; do
  run 0 ./phases train --data pictures/train --feature-cache both --out cached.safetensors
  equals "told of both phases" "$(grep -cE "$told" "$tmp/err")" 2
  check "phases" cmp cached.safetensors plain.safetensors
done
equals "files" "$(ls both | wc -l)" 2
run 0 ./phases train --data pictures/train --feature-cache both --epochs 3 --quiet --checkpoint-every 1 --out half.safetensors
run 0 ./phases train --data pictures/train --feature-cache both --resume half-checkpoint.safetensors --epochs 4 --out resumed.safetensors
err '^features: 48 images read from'
check "resumed" cmp resumed.safetensors plain.safetensors
finish
