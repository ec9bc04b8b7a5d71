# Several named outputs: the program's files and words, and the C interface, all hold the values of networks that were
# cut off where each output is.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK"/net.surgery . && cp "$RUN_WORK/tiny.safetensors" donor.safetensors
script() { printf 'include "net.surgery"\n%s\n' "$2" >"$1.surgery"; }
input=$data/idx/t10k-images-idx3-ubyte

script multi 'take Tiny from "donor.safetensors"
output low = conv1, maps = pool, logits = fc'
run 0 "$SURGERYC" -O0 multi.surgery -o multi
run 0 ./multi predict "$input" --out y.npy
err 'wrote y\.low\.npy'
out '\[0\]: low \(4, 8, 8\) mean'
out '\[0\]: logits -?[0-9.]+ -?[0-9.]+ -?[0-9.]+$'
exists y.low.npy y.maps.npy y.logits.npy
absent y.npy
run 0 ./multi predict "$input" --json
equals "outputs by name" "$("$RUNTOOL" json "$tmp/out" 3.outputs.maps.#)" 128
run 0 ./multi info
out '\(N, 8, 4, 4\) maps'

# each is what the network returns that ends there
single() { # NAME LAYER
  script one "take Tiny from \"donor.safetensors\"
output $2"
  run 0 "$SURGERYC" -O0 one.surgery -o one
  run 0 ./one predict "$input" --out "one.$1.npy" --quiet
  near "y.$1.npy" "one.$1.npy" 1e-6
}
single low conv1
single maps pool
run 0 "$tiny" predict --weights donor.safetensors "$input" --out whole.npy --quiet
near y.logits.npy whole.npy 1e-5

# a named value is a feature, not a choice of classes; labels say otherwise, of the first output
script one 'take Tiny from "donor.safetensors"
output features = fc'
run 0 "$SURGERYC" -O0 one.surgery -o one
run 0 ./one predict "$input"
out '\[0\]: -?[0-9.]+ -?[0-9.]+ -?[0-9.]+$'
script one 'take Tiny from "donor.safetensors"
output logits = fc, maps = pool
labels "left", "middle", "right"
train { optimizer SGD(lr=0.01); loss CrossEntropy; batch 8; epochs 1; seed 5 }'
run 0 "$SURGERYC" -O0 one.surgery -o one
run 0 ./one predict "$input" --top 1
out '\[0\]: (left|middle|right) 0\.[0-9]+$'
out '\[0\]: maps \(8, 4, 4\) mean'
run 0 ./one eval --data "$data/idx"
run 0 ./one train --data "$data/idx" --quiet --out trained.safetensors
script two 'take Tiny from "donor.safetensors"
train { optimizer SGD(lr=0.01); loss CrossEntropy; batch 8; epochs 1; seed 5 }'
run 0 "$SURGERYC" -O0 two.surgery -o two
run 0 ./two train --data "$data/idx" --quiet --out alone.safetensors
check "the second output changes nothing in training" "$RUNTOOL" same trained.safetensors alone.safetensors
script one 'take Tiny from "donor.safetensors"
output maps = pool, logits = fc
labels "left", "middle", "right"'
run 1 "$SURGERYC" check one.surgery
err 'E0508.*3 labels'

# from C
sanitize=${SURGERY_SANITIZE:+-fsanitize=$SURGERY_SANITIZE}
run 0 "$SURGERYC" -O0 multi.surgery -o multi.o
matches multi.h '^#define MULTI_OUTPUTS 3$'
matches multi.h '^#define MULTI_OUTPUT_NAMES \{"low", "maps", "logits"\}'
matches multi.h '^#define MULTI_OUTPUT_SHAPES \{\{4, 8, 8\}, \{8, 4, 4\}, \{3, 0, 0\}\}'
run 0 "${CC:-cc}" -std=c99 -O1 -Wall -Wextra -Werror $sanitize -I. "$RUN_SOURCE/scripts/outputs.c" multi.o "$SURGERY_RUNTIME" \
  -ljpeg -lpng -lz -lm -o use
script input 'model Same { id = Identity(); input image(1, 8, 8) { normalize mean=[0.5] std=[0.25] } }
take Same from random'
run 0 "$SURGERYC" -O0 input.surgery -o input
run 0 ./input predict "$input" --out x.npy --quiet
tail -c $((24 * 64 * 4)) x.npy | head -c $((5 * 64 * 4)) >x.raw
run 0 ./use
compare() { # NAME FLOATS: the first five rows of the program's file
  tail -c $((24 * $2 * 4)) "y.$1.npy" | head -c $((5 * $2 * 4)) | od -An -v -tf4 -w4 >a.txt
  od -An -v -tf4 -w4 "$1.raw" >b.txt
  equals "$1 by C" "$(paste a.txt b.txt | awk '{d=$1-$2; if (d<0) d=-d; if (d>1e-5) bad++} END{print bad+0, NR}')" "0 $((5 * $2))"
}
compare low 256
compare maps 128
compare logits 3
finish
