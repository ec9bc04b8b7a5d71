# `info --json`: the manifest, and all of the training's recipe, as the rows of train.def have it.
. "$RUN_SOURCE/common.sh"
cat >net.surgery <<'X'
take lenet from random
freeze conv1
train {
  optimizer SGD(lr=0.125, momentum=0.5); loss CrossEntropy(label_smoothing=0.25)
  augment random_crop(28, padding=4), gray(p=0.25)
  schedule cosine(warmup=2)
  group fc3 lr=0.0625
  early_stop patience=5 monitor="accuracy"
  save fc3 to "head.safetensors"
}
X
run 0 "$SURGERYC" -O0 net.surgery -o net
run 0 ./net info --json
tr -d '\n' <"$tmp/out" | tr -s ' ' >all
has() { matches all "$(echo "$1" | sed 's/[][{}().*]/\\&/g')"; }
has '"name": "net",'
has '"threads": '
has '"loss": { "type": "CrossEntropy", "weight": [], "label_smoothing": 0.25, "ignore_index": -100 }, "seed": 0,'
has '"early_stop": { "patience": 5, "min_delta": 0.0, "monitor": "accuracy" },'
has '"optimizer": { "type": "SGD", "lr": 0.125, "momentum": 0.5, "dampening": 0.0, "weight_decay": 0.0, "nesterov": false, "maximize": false },'
has '"schedule": { "type": "cosine", "T_max": 0, "eta_min": 0.0, "warmup": 2,'
has '"augment": [ { "type": "random_crop", "size": [ 28, 28 ], "padding": 4 }, { "type": "gray", "p": 0.25 } ],'
has '"groups": [ { "lr": 0.0625, "weight_decay": null, "momentum": null } ]'
has '"saves": [ { "file": "head.safetensors", "tensors": [ "fc3.weight", "fc3.bias" ] } ]'
# a network without a train block has none
echo 'take lenet from random' >bare.surgery
run 0 "$SURGERYC" -O0 bare.surgery -o bare
run 0 ./bare info --json
out '"train": null'
finish
