# surgeryc plan: what selectors picked and statements did, as text (plan/edits.golden; read the diff before it is
# changed) and as JSON; and the memory that it promises is the memory that programs use (arena.c).
. "$RUN_SOURCE/common.sh"
export OMP_NUM_THREADS=2

cp "$TOOLS_SOURCE/plan/edits.surgery" .
run 0 "$SURGERYC" plan edits.surgery
# memory has a table of its own below; a sanitized build needs more
sed '/^memory/,$d' "$tmp/out" >edits.plan
check "as edits.golden" diff -u "$TOOLS_SOURCE/plan/edits.golden" edits.plan
out '^  forward +[0-9,]+ (n|min\(n, [0-9]+\)) \+ [0-9,]+ \+ [0-9,]+ t +[0-9,]+ +[0-9,]+ +[0-9]+ calls$'
absent fc.safetensors
run 0 "$SURGERYC" plan --json edits.surgery
for pattern in '"selector": "every BatchNorm2d in layer4"' '"line": 5' '"restored": \[' '"writes": "fc\.safetensors"' '"network": '; do
  out "$pattern"
done
while read -r path wanted; do equals "$path" "$("$RUNTOOL" json "$tmp/out" "$path")" "$wanted"; done <<'X'
parameters.total 6461002
parameters.trained 8192
parameters.frozen 6452810
donor.layers.kept 52
donor.layers.added 4
donor.layers.removed 9
donor.parameters.kept 6455872
donor.parameters.added 5130
donor.parameters.removed 5233640
statements.1.frozen.parameters 11176512
statements.2.unfrozen.parameters 5120
statements.2.matches.0.layers 5
layers.# 63
layers.61.name fc
layers.61.parameters 5130
layers.61.trained 5120
prefix layer3.1.relu_1
weights.0.parameters 6455872
weights.1.parameters 5130
saves.0.tensors.# 2
X
# without the weights a plan is made of shapes
printf 'take lenet from "nonesuch.pth"\nreplace fc3 with Linear(_, 4)\n' >absent.surgery
run 1 "$SURGERYC" plan absent.surgery
err 'error\[E0401\]: the weight file nonesuch\.pth is not there'
out '^weights     nonesuch\.pth: 8 tensors, 60,856 parameters; the file is not there$'
out '^            fresh values: 2 tensors, 340 parameters$'
run 0 "$SURGERYC" plan --json -Wno-weights absent.surgery
equals missing "$("$RUNTOOL" json "$tmp/out" weights.0.missing)" true
equals "not missing" "$("$RUNTOOL" json "$tmp/out" weights.1.missing)" false
run 2 "$SURGERYC" check --json edits.surgery
echo 'freze all' >wrong.surgery
run 1 "$SURGERYC" plan --json wrong.surgery
is_empty "$tmp/out"

# the phases of a train block, one alone as well
cat >phases.surgery <<'X'
take lenet from random
freeze all
train { optimizer SGD(lr=0.1); phase head { epochs 1; unfreeze fc3 }; phase rest { epochs 1; unfreeze all } }
X
run 0 "$SURGERYC" plan phases.surgery
out '^phase       head: 850 parameters trained, 3,456 bytes of gradients; frozen up to relu4: \(N, 84\)'
out '^phase       rest: 61,706 parameters trained, 247,040 bytes of gradients$'
out '^  step_2 '
run 0 "$SURGERYC" plan --json phases.surgery
tr -d ' \n' <"$tmp/out" >phases.json
matches phases.json '"phases":\[\{"name":"head","trained":850,"gradients_bytes":3456,"prefix":"relu4"\},\{"name":"rest","trained":61706,"gradients_bytes":247040,"prefix":null\}\]'
sed 's/; phase rest.*/ }/' phases.surgery >one.surgery
run 0 "$SURGERYC" plan one.surgery
out '^phase       head: 850 parameters trained'

# to the byte: everything trained, everything frozen but the head, a part of it, small ones, phases
cat >all.surgery <<'X'
input image(3, 64, 64)
take resnet18 from random
train { optimizer SGD(lr=0.1, momentum=0.9) }
X
cat >flagship.surgery <<'X'
input image(3, 64, 64)
take resnet18[0:5] from random; freeze all; replace fc with Linear(512, 10)
X
echo 'take lenet from random' >lenet.surgery
echo 'take mobilenet_v2 from random; freeze all; replace classifier.1 with Linear(1280, 16)' >sliced.surgery
cp "$SURGERY_SOURCE"/tests/run/scripts/net.surgery "$SURGERY_SOURCE"/tests/run/scripts/tiny.surgery .
cp "$SURGERY_SOURCE/examples/ants-bees/ants_bees.surgery" .
networks='all flagship lenet sliced tiny phases'
weights=
if [ -e "$SURGERY_SHARED_DATA/resnet18/resnet18.pth" ]; then
  networks="$networks ants_bees"
  weights="--weights resnet18=$SURGERY_SHARED_DATA/resnet18/resnet18.pth"
fi
for net in $networks; do
  [ $net = ants_bees ] || weights_here=
  [ $net != ants_bees ] || weights_here=$weights
  run 0 "$SURGERYC" plan --json $net.surgery $weights_here
  cp "$tmp/out" $net.json
  run 0 "$SURGERYC" -O1 $net.surgery -o $net.so $weights_here
  run 0 "$ARENA" ./$net.so $net $net.json $net.safetensors
  cat "$tmp/err"
done
finish
