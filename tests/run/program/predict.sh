# predict: .npy, IDX, PNG and JPEG files, a folder; --top, --json, --out, --batch; broken pictures among good ones.
. "$RUN_SOURCE/common.sh"
val=$data/pictures/val

# the trained program knows the classes, whichever way the pictures come
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" "$val/left/00.png" "$val/middle/01.jpg" "$val/right/02.png" --top 1
equals "labels" "$(sed 's/.*: \([a-z]*\) .*/\1/' "$tmp/out" | tr '\n' ' ')" "left middle right "
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" "$val" --top 1
equals "pictures in the folder" "$(wc -l <"$tmp/out")" 24
equals "wrong ones" "$(awk -F'[/: ]+' '{n=NF; for(i=1;i<=NF;i++) if ($i=="val") dir=$(i+1); if (dir != $(n-1)) w++} END{print w+0}' "$tmp/out")" 0
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" "$data/idx/t10k-images-idx3-ubyte" --out idx.npy --quiet
cp "$tmp/out" idx.txt
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" "$data/idx" --out folder.npy --quiet
check "an IDX folder gives its test part" cmp idx.npy folder.npy
"$RUNTOOL" npy idx.npy >idx.rows
equals "shape of --out" "$(head -n 1 idx.rows)" "24 3"
# IDX and PNG hold the same bytes: with batches of one the very same outputs
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" "$val/left/00.png" "$val/left/06.png" --out png.npy --batch 1
err '^tiny: wrote png\.npy$'
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" "$data/idx" --out ones.npy --batch 1 --quiet
equals "PNG and IDX" "$("$RUNTOOL" npy png.npy | sed 1d)" "$("$RUNTOOL" npy ones.npy | sed -n '2p;8p')"

# so do bytes in arrays, with the channels first or last; --raw takes pictures of every kind as 0 to 255, without preprocessing
bytes() { # SHAPE: a .npy of the IDX file's bytes
  printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': $1, }"
  tail -c +17 "$data/idx/t10k-images-idx3-ubyte"
}
bytes '(24, 1, 8, 8)' >first.npy && bytes '(24, 8, 8, 1)' >last.npy && bytes '(24, 8, 8)' >gray.npy
for what in first last gray; do
  run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" $what.npy --out $what.y.npy
  err_lacks "note: $what"
  check "bytes in an array are pictures: $what" cmp $what.y.npy idx.npy
done
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" --raw gray.npy --out raw.npy
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" --raw "$data/idx" --out raw.idx.npy
check "--raw of arrays and of IDX" cmp raw.npy raw.idx.npy
check "--raw is something else" sh -c '! cmp -s raw.npy idx.npy'
run 0 "$tiny" predict --raw "$val/left/00.png" "$val/left/06.png" --weights "$RUN_WORK/trained.safetensors" --batch 1 --out raw.png.npy
run 0 "$tiny" predict --raw "$data/idx" --weights "$RUN_WORK/trained.safetensors" --batch 1 --out raw.ones.npy
equals "--raw of PNG and IDX" "$("$RUNTOOL" npy raw.png.npy | sed 1d)" "$("$RUNTOOL" npy raw.ones.npy | sed -n '2p;8p')"
# floats that no picture gives are noted, once
"$RUNTOOL" arrays bright.npz "x:f32:1,1,8,8:$(seq -s, 3 4 255)"
run 0 "$tiny" predict bright.npz
err 'note: bright\.npz: its values go from 3 to 255, but preprocessed pictures lie between [-0-9.]+ and [-0-9.]+ here'
equals "notes" "$(grep -c "note: bright" "$tmp/err")" 1
run 0 "$tiny" eval --raw --data "$data/idx"
run 0 "$tiny" train --raw --data "$data/idx" --epochs 1 --out raw.safetensors
run 0 "$tiny" predict --quiet bright.npz
is_empty "$tmp/err"

# probabilities: --top 3 of 3 classes add up to 1 and are the softmax of --out
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" "$data/idx/t10k-images-idx3-ubyte" --top 3
awk '{s=$3+$5+$7; if (s<0.9997||s>1.0003||$3<$5||$5<$7) bad++} END{exit bad>0 || NR!=24}' "$tmp/out"
equals "sorted probabilities that add up to 1" $? 0
sed 1d idx.rows | awk '{m=$1; for(i=2;i<=3;i++) if($i>m) m=$i; s=0; for(i=1;i<=3;i++) s+=exp($i-m); printf "%.4f\n", 1/s}' >softmax
awk '{print $3}' "$tmp/out" >printed
equals "the softmax of --out" "$(paste softmax printed | awk '{d=$1-$2; if (d<-0.00011||d>0.00011) bad++} END{print bad+0, NR}')" "0 24"
run 0 "$tiny" predict "$val/left/00.png" --top 2
equals "words of --top 2" "$(wc -w <"$tmp/out")" 5
run 0 "$tiny" predict "$val/left/00.png" --top 99
equals "words of --top 99" "$(wc -w <"$tmp/out")" 7

# JSON: one valid array, the same numbers
run 0 "$tiny" predict --weights "$RUN_WORK/trained.safetensors" "$val/left/00.png" "$val/right/02.png" --json --top 2
equals "objects" "$("$RUNTOOL" json "$tmp/out" '#')" 2
equals "file" "$("$RUNTOOL" json "$tmp/out" 1.file)" "$val/right/02.png"
equals "label" "$("$RUNTOOL" json "$tmp/out" 1.classes.0.label)" right
equals "class" "$("$RUNTOOL" json "$tmp/out" 1.classes.0.class)" 2
equals "classes" "$("$RUNTOOL" json "$tmp/out" '0.classes.#')" 2
odd=$(printf 'q"\\ \n\303\251\377.png')
cp "$val/left/00.png" "$odd"
run 0 "$tiny" predict "$odd" --json
check "JSON of a name with quotes, a newline and no UTF-8" "$RUNTOOL" json "$tmp/out"

# floats as they are; the batch changes nothing but the last bits, the threads not even these
run 0 "$tiny" predict "$data/x.npy" --out one.npy --quiet --batch 1
run 0 "$tiny" predict "$data/x.npy" --out all.npy --quiet --batch 24
run 0 "$tiny" predict "$data/x.npy" --out odd.npy --quiet --batch 7 --threads 1
run 0 "$tiny" predict "$data/x.npy" --out two.npy --quiet --batch 7 --threads 2
near one.npy all.npy 1e-6
near odd.npy all.npy 1e-6
check "--threads 1 and 2" cmp odd.npy two.npy

# what cannot be read is named, the others are predicted, the status is 1
head -c 100 "$val/left/03.jpg" >cut.jpg && echo garbage >bad.png && : >empty.jpg
run 1 "$tiny" predict "$val/left/00.png" cut.jpg bad.png empty.jpg absent.png "$val/right/02.png" --top 1
equals "predicted" "$(wc -l <"$tmp/out")" 2
for name in cut.jpg bad.png empty.jpg absent.png; do err "left out: .*$name"; done
err '4 of 6 inputs could not be used'
run 1 "$tiny" predict bad.png --json
equals "JSON of nothing" "$("$RUNTOOL" json "$tmp/out" '#')" 0
mkdir empty
run 1 "$tiny" predict empty
err 'empty: no pictures in this folder'
run 1 "$tiny" predict nowhere.npy
err 'nowhere\.npy'
head -c 3000 "$data/x.npy" >cut.npy
run 1 "$tiny" predict cut.npy
err 'cut\.npy'
run 1 "$tiny" predict "$RUN_WORK/tiny.surgery"
err 'tiny\.surgery'
run 3 "$tiny" predict "$data/x.npy" --out no/such/y.npy
err 'no/such/y\.npy'
finish
