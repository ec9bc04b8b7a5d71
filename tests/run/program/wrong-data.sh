# Data that cannot be used: each answer names the path and the reason; one bad picture does not spoil the others.
. "$RUN_SOURCE/common.sh"
val=$data/pictures/val

refused() { # PATTERN, then what stands in ./d: by train and eval
  run 1 "$tiny" train --data d --out t.safetensors
  err "^tiny: d.*$1"
  is_empty "$tmp/out"
  absent t.safetensors
  [ "${2-}" = train-only ] && return
  run 1 "$tiny" eval --data d
  err "^tiny: d.*$1"
  is_empty "$tmp/out"
}
fresh() { rm -rf d && mkdir d; }

fresh
refused 'no class folders in it'
fresh && cp "$val"/left/*.png d
refused 'no class folders in it; pictures are expected as d/CLASS/PICTURE'
fresh && mkdir d/left d/middle && cp "$val"/left/*.png d/left
refused 'd/middle: no pictures|middle: no pictures'
fresh && mkdir d/left d/right && echo text >d/left/notes.txt && echo text >d/right/notes.txt
refused 'no pictures'
fresh && cp -r "$val/left" d
refused 'one class folder alone|one class' train-only
fresh && cp -r "$val"/* d && mkdir d/top && cp "$val"/left/*.png d/top
refused "the class 'top' is not among the network's 3 labels"
rm -rf d
refused 'No such file'
echo hello >d
refused 'not a data set'

# a broken JPEG among good ones: named, left out, counted; the rest is used

cp -r "$val" good
rm -rf d && cp -r "$val" d
head -c 120 d/middle/01.jpg >d/middle/90-cut.jpg
echo 'no picture at all' >d/right/91-text.png
: >d/left/92-empty.jpg
run 0 "$tiny" train --data d --epochs 2 --out broken.safetensors
for name in middle/90-cut.jpg right/91-text.png left/92-empty.jpg; do
  equals "times that $name is named" "$(grep -c "left out: .*$name" "$tmp/err")" 1
done
err '3 samples could not be used and were left out'
exists broken.safetensors
run 0 "$tiny" train --data d --epochs 2 --no-cache --out broken2.safetensors
err '3 samples could not be used'
check "with and without the cache" cmp broken.safetensors broken2.safetensors
run 0 "$tiny" eval --data d
out '^samples +24$'
err 'left out: .*90-cut\.jpg'
err '3 of 27 samples were left out'
cp "$tmp/out" with-broken
run 0 "$tiny" eval --data good
equals "the numbers of the good ones" "$(sed -n '/^class/,$p' with-broken)" "$(sed -n '/^class/,$p' "$tmp/out")"
fresh && for c in left middle right; do mkdir d/$c && echo nothing >d/$c/1.jpg; done
run 1 "$tiny" train --data d --out t.safetensors
err 'none of the 3 samples can be used'
absent t.safetensors
run 1 "$tiny" eval --data d
is_empty "$tmp/out"

# IDX and arrays: labels out of range, counts that differ, files cut short
idx=$data/idx
fresh && cp "$idx"/train-* d && { head -c 8 "$idx/train-labels-idx1-ubyte"; head -c 47 "$idx/train-labels-idx1-ubyte" | tail -c 39; printf '\003%.0s' 1 2 3 4 5 6 7 8 9; } >d/train-labels-idx1-ubyte
refused 'label' train-only
err '3'
fresh && cp "$idx"/t10k-* d && head -c 31 "$idx/t10k-labels-idx1-ubyte" >d/t10k-labels-idx1-ubyte
refused 'truncated|labels'
fresh && cp "$idx"/t10k-images* d
refused 'no file of labels beside it'
fresh && cp "$idx"/t10k-* d && head -c 500 "$idx/t10k-images-idx3-ubyte" >d/t10k-images-idx3-ubyte
refused 'truncated'
fresh && cp "$idx"/train-images* d && cp "$idx"/t10k-labels* d/x && mv d/x d/train-labels-idx1-ubyte
refused '24 labels, but 48 samples' train-only
fresh && cp "$idx"/train-* d && { head -c 8 "$idx/train-labels-idx1-ubyte"; head -c 48 /dev/zero; } >d/train-labels-idx1-ubyte
refused 'all 48 samples are of one class' train-only

# CSV: what a row must be
rm -rf d
row() { i=0; while [ $i -lt 64 ]; do printf '%d,' $((i * 3)); i=$((i + 1)); done; echo "$1"; }
{ row 0; row 1; row 2; row 0; } >d.csv
run 0 "$tiny" train --data d.csv --epochs 1 --batch 2 --quiet --out csv.safetensors
{ row 0; row 1; row 7; } >d.csv
run 1 "$tiny" train --data d.csv --out t.safetensors
err 'd\.csv.*7'
{ row 0; echo 1,2,3; row 1; } >d.csv
run 1 "$tiny" train --data d.csv --out t.safetensors
err 'd\.csv'
absent t.safetensors
finish
