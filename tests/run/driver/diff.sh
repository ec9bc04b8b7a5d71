# diff: networks and scripts by their layers, weight files by their tensors and values; its exit status is that of diff.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK"/*.surgery .

# nothing to say: nothing is said
run 0 "$SURGERYC" diff tiny.surgery tiny.surgery
is_empty "$tmp/out"
run 0 "$SURGERYC" diff resnet18 resnet18
run 0 "$SURGERYC" diff 'lenet(10)' lenet
run 0 "$SURGERYC" diff lenet lenet --json
out '"equal": true'

# what a script's edits change
cat >edited.surgery <<'X'
take lenet from random
freeze conv1, conv2
replace fc3 with Linear(_, 3)
remove relu3
insert drop = Dropout(0.1) before fc2
X
run 1 "$SURGERYC" diff lenet edited.surgery
golden diff-networks.txt
is_empty "$tmp/err"
run 1 "$SURGERYC" diff lenet edited.surgery --json
golden diff-networks.json
run 1 "$SURGERYC" diff edited.surgery lenet
out '^\+  relu3 '
out '^~  frozen → trained  \(2 layers\): conv1, conv2$'
run 1 "$SURGERYC" diff lenet edited.surgery --color=always
out '^.\[31m-  fc3 '
out '^.\[36m~  trained → frozen '
# one line for what one edit does to many layers
run 1 "$SURGERYC" diff resnet18 'resnet18; freeze all; unfreeze fc'
equals "lines" "$(head -n 1 "$tmp/out")" "~  trained → frozen  (40 layers): conv1, bn1, layer1, layer2, layer3, layer4"
run 1 "$SURGERYC" diff resnet18 'resnet18; remove maxpool'
out '^~  \(N, 512, 7, 7\) → \(N, 512, 14, 14\)  \(16 layers\): layer4$'
out 'layer1\.0\.conv1 .* input maxpool → relu$'
run 1 "$SURGERYC" diff resnet18 resnet34
out '^\+  layer4\.2\.conv2 '
out_lacks '^-'

# weight files: the same values in three formats, then others
"$tiny" export --out tiny.pth >/dev/null && "$tiny" export --out tiny.npz >/dev/null || fail "export"
cp "$RUN_WORK/tiny.safetensors" .
run 0 "$SURGERYC" diff tiny.safetensors tiny.pth
is_empty "$tmp/out"
run 0 "$SURGERYC" diff tiny.npz tiny.pth --json
out '"equal": true'
sed 's/seed 5/seed 6/; s/from random/from random; init bn1.weight with constant(1.5)/' tiny.surgery >other.surgery
run 0 "$SURGERYC" other.surgery --stop-after=weights -o other
run 1 "$SURGERYC" diff tiny.safetensors other.safetensors
golden diff-weights.txt
run 1 "$SURGERYC" diff tiny.safetensors other.safetensors --json
golden diff-weights.json
sed /labels/d tiny.surgery >any.surgery
run 0 "$SURGERYC" any.surgery -D classes=5 --stop-after=weights -o five
run 1 "$SURGERYC" diff tiny.safetensors five.safetensors
out '^-  fc\.bias +f32 +\[3\]$'
out '^\+  fc\.bias +f32 +\[5\]$'
"$tiny" export --only conv1 --out part.safetensors >/dev/null || fail "export --only"
run 1 "$SURGERYC" diff part.safetensors tiny.safetensors
out '^part\.safetensors +1 tensors, 0 only here$'

# a network against a file: does it fit?
run 0 "$SURGERYC" diff tiny.surgery tiny.pth
run 1 "$SURGERYC" diff tiny.surgery five.safetensors
out 'values not compared'
run 1 "$SURGERYC" diff tiny.pth lenet

# -D goes to the script that has the param
printf 'take lenet from random\n' >plain.surgery
run 1 "$SURGERYC" diff plain.surgery any.surgery -D classes=4
out '^output +\(N, 10\) +\(N, 4\)$'
run 2 "$SURGERYC" diff plain.surgery any.surgery -D clases=4
err '-D clases: neither script has a param of that name'

# trouble is neither 0 nor 1
run 3 "$SURGERYC" diff lenet lennet
err "did you mean 'lenet'"
run 3 "$SURGERYC" diff nowhere.surgery lenet
run 3 "$SURGERYC" diff lenet nowhere.pth
echo 'these are no weights' >text.pth
run 3 "$SURGERYC" diff tiny.pth text.pth
err 'text\.pth'
run 1 "$SURGERYC" diff bert_tiny bert_mini # a list of sizes is written as in a script
out '^- +embeddings\.LayerNorm +LayerNorm\(128, eps=1e-12\)'
run 2 "$SURGERYC" diff lenet
err 'diff wants 2 arguments'
run 2 "$SURGERYC" diff a b c
err "'c' is too much for diff"
run 2 "$SURGERYC" diff lenet lenet --tree
run 0 "$SURGERYC" diff --help
out '^exit status: 0 no difference, 1 they differ'
is_empty "$tmp/err"
finish
