# show: tables, trees and JSON of networks, scripts and weight files; what is none of them.
. "$RUN_SOURCE/common.sh"
script=$RUN_WORK/tiny.surgery
cp "$script" "$RUN_WORK/net.surgery" .
cat >blocks.surgery <<'X'
model Block(channels, out, stride = 1) {
  conv = Conv2d(channels, out, 3, stride=stride, padding=1, bias=false)
  bn = BatchNorm2d(out)
  act = ReLU()
  if stride != 1 { short = Sequential(Conv2d(channels, out, 1, stride=stride, bias=false), BatchNorm2d(out)) }
  forward x {
    y = bn(conv(x))
    if short { x = short(x) }
    return act(y + x)
  }
}
model Blocks(classes = 4) {
  first = Conv2d(3, 8, 3, padding=1)
  body = Sequential(Block(8, 8), Block(8, 8), Block(8, 8), Block(8, 16, 2))
  an_unusually_long_name_for_the_head = Sequential(AdaptiveAvgPool2d(1), Flatten(), Dropout(0.25), Linear(16, classes))
  input image(3, 16, 16) { normalize mean=[0.5, 0.5, 0.5] std=[0.25, 0.25, 0.25] }
}
take Blocks from random
freeze first, body
unfreeze body.3.conv
X

# the forms of a network, of a script and of a weight file
run 0 "$SURGERYC" show blocks.surgery
golden show-table.txt
is_empty "$tmp/err"
run 0 "$SURGERYC" show blocks.surgery --tree
golden show-tree.txt
run 0 "$SURGERYC" show tiny.surgery --json
golden show-network.json
run 0 "$SURGERYC" show blocks.surgery --color=always
out '^.\[36m +body\.0\.conv .*frozen.\[0m$'
out '^.\[32m +an_unusually_long_name_for_the_head\.3 .*trained.\[0m$'
run 0 "$SURGERYC" show blocks.surgery --color=auto
out_lacks '.\[3'
cp "$RUN_WORK/tiny.safetensors" weights.bin # by content, not by name
run 0 "$SURGERYC" show weights.bin
golden show-weights.txt
run 0 "$SURGERYC" show weights.bin --json
golden show-weights.json
run 0 "$SURGERYC" show "$SURGERY_SOURCE/tests/weights/fixtures/checkpoint_sets.pth"
out '^weights +under "state_dict": 4 tensors, the one above$'
out '^ +under "state_dict_ema": 4 tensors$'
out '^ +under "channelwise": cannot be read$'

run 0 "$SURGERYC" show "$SURGERY_SOURCE/tests/onnx/models/mlp.onnx"
out ' Linear '
sed 's/Softmax/Softmay/g' "$SURGERY_SOURCE/tests/onnx/models/mlp.onnx" >odd.onnx # an operator that there is not
run 0 "$SURGERYC" show odd.onnx
err 'odd\.onnx: the network cannot be taken, its tensors are shown: .*Softmay'
out '^format +onnx'
echo 'take lenet from random' >make.surgery
run 0 "$SURGERYC" make.surgery --stop-after=weights -o made
run 0 "$SURGERYC" show made.safetensors
out '^fits +take lenet from "made\.safetensors"$'

# a built-in network needs no file, in whatever words a take has; a program of the same name is not in the way
echo 'no network' >lenet
run 0 "$SURGERYC" show lenet
out '^fc3 +Linear +\(N, 10\) +850 +trained$'
out '^parameters +61,706: 61,706 trained, 0 frozen$'
out_lacks '^weights'
run 0 "$SURGERYC" show 'lenet(7)'
out '^output +\(N, 7\)$'
run 0 "$SURGERYC" show 'lenet[0:1]'
out '^output +\(N, 6, 14, 14\)$'
run 0 "$SURGERYC" show 'lenet; freeze conv1'
out '^conv1 .* frozen$'
run 0 "$SURGERYC" show resnet50
out '^stages +\[0\] stem, \[1\] layer1, '
out '^parameters +25,557,032: '

# a script whose weights are missing; its own words; -D
printf 'param classes = 5\ntake lenet from "nowhere.pth"\nreplace fc3 with Linear(_, classes)\nload conv1 from "nowhere.pth"\n' >absent.surgery
run 1 "$SURGERYC" check absent.surgery
run 0 "$SURGERYC" show absent.surgery -D classes=3
out '^output +\(N, 3\)$'
out '^weights +not looked at; surgeryc check does$'
printf 'take lenet from random\nremove fc9\n' >wrong.surgery
run 1 "$SURGERYC" show wrong.surgery
err "wrong\.surgery:2:8: error\[E0201\]|fc9"
is_empty "$tmp/out"
run 1 "$SURGERYC" show wrong.surgery --json --diagnostics=json
err '"code": "E'

# what is nothing that can be shown
run 1 "$SURGERYC" show resnt18
err "there is no network 'resnt18'"
err "did you mean 'resnet18'"
run 3 "$SURGERYC" show nowhere.surgery
err '^surgeryc: nowhere\.surgery: No such file'
run 3 "$SURGERYC" show no/where
run 3 "$SURGERYC" show .
err 'directory'
echo 'these are no weights' >text.pth
run 1 "$SURGERYC" show text.pth
err '^surgeryc: text\.pth: '
head -c 3000 /dev/urandom >noise
printf '\0\0\0' | cat - noise >noise.dat
run 1 "$SURGERYC" show noise.dat
err '^surgeryc: noise\.dat: '
: >empty.safetensors
run 1 "$SURGERYC" show empty.safetensors
err 'is empty'
head -c 5000 "$RUN_WORK/tiny.safetensors" | head -c 700 >short.safetensors
run 1 "$SURGERYC" show short.safetensors
err '^surgeryc: short\.safetensors: '
run 1 "$SURGERYC" show weights.bin --tree
err 'is a weight file'
run 1 "$SURGERYC" show ''
run 2 "$SURGERYC" show
run 2 "$SURGERYC" show a b
run 2 "$SURGERYC" check tiny.surgery --tree
run 2 "$SURGERYC" show lenet -o x

# a full disk under stdout
if [ -w /dev/full ]; then
  "$SURGERYC" show resnet18 >/dev/full 2>"$tmp/err"
  equals "the status with a full disk" $? 3
  err 'No space left'
fi
finish
