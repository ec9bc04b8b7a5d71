# A CSV of picture files: with a class, with several columns of 0 and 1, with numbers. The same pictures in the same order train
# the same bits as class folders do, augmented or not; predict and eval take the CSV too.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK/net.surgery" .
cp -r "$data/pictures" .
rows() { (cd pictures && LC_ALL=C find "$1" -name '*.[pj][np]g' | LC_ALL=C sort | sed "s|^$1/\([a-z]*\)/.*|&,\1|"); }

# Classes by name: with a header and without, with any separator, relative to the CSV, absolute, with quotes
rows train >pictures/names.csv
equals "rows" "$(wc -l <pictures/names.csv)" 48
{ echo 'file;label;source'; sed 's/,/;/; s/$/;camera/' pictures/names.csv; } >pictures/header.csv
sed "s|^\(.*\),\(.*\)|\"$tmp/pictures/\1\",\"\2\"|" pictures/names.csv >absolute.csv
sed 's/,left/,0/; s/,middle/,1/; s/,right/,2/' pictures/names.csv >pictures/numbers.csv
{ echo 'label,picture'; sed 's|\(.*\),\(.*\)|\2,\1|' pictures/names.csv; } | gzip >pictures/turned.csv.gz
run 0 "$tiny" train --data pictures/train --epochs 2 --quiet --out folders.safetensors
for csv in pictures/names.csv pictures/header.csv absolute.csv pictures/numbers.csv pictures/turned.csv.gz; do
  run 0 "$tiny" train --data $csv --epochs 2 --out csv.safetensors
  check "$csv and the folders train the same bits" cmp folders.safetensors csv.safetensors
  [ $csv != pictures/header.csv ] || err 'note: pictures/header\.csv: columns that are not used: source$'
done
run 0 "$RUN_WORK/augmented" train --data pictures/train --epochs 2 --quiet --out augmented.safetensors
run 0 "$RUN_WORK/augmented" train --data pictures/names.csv --epochs 2 --quiet --out csv.safetensors
check "augmented" cmp augmented.safetensors csv.safetensors
run 0 "$tiny" eval --data pictures/train --weights folders.safetensors
cp "$tmp/out" folders.txt
run 0 "$tiny" eval --data pictures/names.csv --weights folders.safetensors
check "eval of both" cmp folders.txt "$tmp/out"
run 0 "$tiny" predict pictures/header.csv --weights folders.safetensors --top 1
equals "predicted" "$(wc -l <"$tmp/out")" 48
out '^pictures/train/left/00\.png: '
run 0 "$tiny" train --data pictures/names.csv --feature-cache cache --epochs 1 --quiet --out one.safetensors
run 0 "$tiny" train --data pictures/names.csv --feature-cache cache --epochs 1 --out two.safetensors
err 'read from'
check "with features from a file" cmp one.safetensors two.safetensors

# A class that lies in no folder is found by its name, in any order; another name is an error
printf 'val/right/02.png,RIGHT\nval/middle/01.jpg,middle\n' >pictures/part.csv
run 0 "$tiny" eval --data pictures/part.csv --weights "$RUN_WORK/trained.safetensors"
out '^top-1 +1\.0000 +\(2 of 2\)$'
err "'RIGHT' is taken for the class 'right'"
printf 'val/right/02.png,up\nval/middle/01.jpg,middle\n' >pictures/wrong.csv
run 1 "$tiny" eval --data pictures/wrong.csv
err "the class 'up' is not among the network's 3 labels"

# A regression: MAE and R2 of what predict gives; a picture that is none is left out
printf 'include "net.surgery"\ntake Tiny(2) from random\nfreeze conv1, bn1\ntrain { optimizer Adam(lr=0.01); loss MSE; batch 8; epochs 60; seed 5; augment vertical_flip(p=0.5) }\n' >reg.surgery
run 0 "$SURGERYC" reg.surgery -o reg
{ echo 'file,x,y'; sed 's/,left/,-1,0.5/; s/,middle/,0,0.5/; s/,right/,1.5,0.25/' pictures/names.csv; } >pictures/reg.csv
run 0 ./reg train --data pictures/reg.csv --val pictures/reg.csv --out reg-trained.safetensors
out '^val MAE    0\.'
err 'validation loss [0-9.]*, MAE [0-9.]*, R2 [-0-9.]*;'
run 0 ./reg eval --data pictures/reg.csv --weights reg-trained.safetensors
cp "$tmp/out" reg.txt
run 0 ./reg predict pictures/reg.csv --weights reg-trained.safetensors --out y.npy --quiet
"$RUNTOOL" npy y.npy | sed 1d >y
sed 1d pictures/reg.csv | tr , ' ' | paste -d ' ' - y | awk '
  { for (k = 0; k < 2; k++) { t[NR,k] = $(2+k); y = $(4+k); sum[k] += t[NR,k]; a[k] += y > t[NR,k] ? y - t[NR,k] : t[NR,k] - y; s[k] += (y - t[NR,k]) ^ 2 } }
  END { for (k = 0; k < 2; k++) { m = sum[k] / NR; v = 0; for (i = 1; i <= NR; i++) v += (t[i,k] - m) ^ 2; mae += a[k] / NR / 2; r2 += (1 - s[k] / v) / 2 }
    print mae, r2 }' >formula
awk '/^MAE/{m=$2} /^R2/{r=$2} END{print m, r}' reg.txt | paste -d ' ' - formula >both
check "MAE and R2, printed and by formula: $(cat both)" awk '{d = $1 - $3; e = $2 - $4; exit !(d < 1e-5 && d > -1e-5 && e < 1e-4 && e > -1e-4)}' both
check "it learns" awk '/^R2/{exit !($2 > 0.5)}' reg.txt
printf 'x.jpg,1,2\n' | cat - pictures/names.csv | sed 's/,[a-z]*$/,0,1/' >pictures/broken.csv
run 0 ./reg eval --data pictures/broken.csv
err 'left out: pictures/x\.jpg'
out '^samples +48$'

# Several labels: columns go by their names; mean AP and F1; names are kept
printf 'include "net.surgery"\ntake Tiny(2) from random\nfreeze conv1, bn1\ntrain { optimizer Adam(lr=0.01); loss BCEWithLogits; batch 8; epochs 30; seed 5 }\n' >multi.surgery
run 0 "$SURGERYC" multi.surgery -o multi
{ echo 'file,edge,east'; sed 's/,left/,1,0/; s/,middle/,0,0/; s/,right/,1,1/' pictures/names.csv; } >pictures/multi.csv
run 0 ./multi train --data pictures/multi.csv --val pictures/multi.csv --out multi-trained.safetensors --quiet
out '^val mean AP  1\.0000$'
out '^val F1     1\.0000$'
run 0 ./multi eval --data pictures/multi.csv --weights multi-trained.safetensors
out '^edge  .* 32       0      32$'
out '^mean AP +1\.0000$'
cp "$tmp/out" multi.txt
{ echo 'east,file,edge'; sed 1d pictures/multi.csv | awk -F, '{print $3","$1","$2}'; } >pictures/moved.csv
run 0 ./multi eval --data pictures/moved.csv --weights multi-trained.safetensors
check "the columns in another order" cmp multi.txt "$tmp/out"
run 0 ./multi predict "$(sed -n 's|^\(.*/right/.*\),.*|pictures/\1|p' pictures/names.csv | head -n 1)" --weights multi-trained.safetensors
out 'edge (0\.[5-9]|1\.)'
sed '1s/east/west/' pictures/multi.csv >pictures/west.csv
run 1 ./multi eval --data pictures/west.csv --weights multi-trained.safetensors
err "the class 'west' is not among the network's 2 labels"
run 1 ./multi train --data pictures/names.csv --out n.safetensors
err 'names\.csv: 3 classes, but the network has 2$'

# What does not fit
refused() { # PROGRAM TEXT PATTERN
  printf "$2" >pictures/bad.csv
  run 1 "$1" train --data pictures/bad.csv --out bad.safetensors
  err "^[a-z]*: pictures/bad\.csv: $3"
  absent bad.safetensors
}
refused "$tiny" 'file,a,b,c\na.png,0,1,0\n' '3 columns beside that of the files \(a, b, c\), but one with the class is needed.*BCEWithLogits'
refused "$tiny" 'file,age\na.png,20.5\nb.png,21.5\n' 'the targets are numbers, as 20\.5, but the loss tells classes apart: a regression needs loss MSE or L1'
refused ./reg 'a.png,cat\nb.png,dog\n' '1 column beside that of the files, but the network has 2 outputs: a number for each'
refused ./reg 'a.png,1,cat\n' 'line 1: not a number: cat; classes need loss CrossEntropy, and this is MSE'
refused ./reg 'file,x,y\na.png,1,\n' 'line 2: an empty cell beside a\.png'
refused ./reg 'file,x,y\nb.png,1,2\n,1,2\n' 'line 3: no file in it'
refused ./reg 'file,x,y\nb,1,2\n' '3 columns: .* or a column of picture files'
refused ./multi 'a.png,1,2\n' 'line 1: neither 0 nor 1, nor between them: 2'
refused "$tiny" 'a.png,left\nb.png\n' 'line 2: 1 columns, but the first line has 2'
refused "$tiny" 'file,label\n' '2 columns: .* or a column of picture files'

# Classes under a loss of numbers are said to be taken for amounts, or refused
run 1 ./reg train --data pictures/train --out bad.safetensors
err 'class folders give one class for each picture, but the loss MSE compares each output with a number: classes need loss CrossEntropy'
run 1 ./reg train --data "$data/idx" --out bad.safetensors
err "one class for each sample, but MSE compares each of the network's 2 outputs with a number: classes need loss CrossEntropy"
sed 's/Tiny(2)/Tiny(1)/' reg.surgery >amount.surgery
run 0 "$SURGERYC" amount.surgery -o amount
run 0 ./amount train --data "$data/idx" --epochs 1 --out amount-trained.safetensors
err 'its targets are classes, and MSE takes their numbers as amounts: classes need loss CrossEntropy'
finish
