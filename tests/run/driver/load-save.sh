# load and save by the compiler: round trips between scripts and formats, files whole or not at all, and what is never
# written: by check and plan, over what was read, when the build fails.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK/net.surgery" . && cp "$RUN_WORK/tiny.safetensors" donor.safetensors
script() { printf 'include "net.surgery"\n%s\n' "$1" >script.surgery; }

# One script saves the convolutions as .pth, another reads them: those two have the donor's values, the rest its own.
script 'take Tiny from "donor.safetensors"
save **.conv* to "conv.pth"
save fc.weight[:, :10], fc.bias to "subset.npz"
save all to "all.safetensors"'
run 0 "$SURGERYC" check script.surgery
err 'N0405.*a build writes 3 tensors, 1328 bytes of values, to conv.pth'
run 0 "$SURGERYC" plan script.surgery
run 0 "$SURGERYC" script.surgery --emit=graph -o graph.dot
run 0 "$SURGERYC" -O0 script.surgery -o x --stop-after=plan
absent conv.pth subset.npz all.safetensors
run 0 "$SURGERYC" -O0 script.surgery -o one
exists conv.pth subset.npz all.safetensors
check "all of it" "$RUNTOOL" same all.safetensors donor.safetensors
run 0 "$RUNTOOL" list conv.pth
out '^conv1.weight .*4, 1, 3, 3'
out '^conv2.bias'
out_lacks 'bn|fc'
run 0 "$RUNTOOL" list subset.npz
out '^fc.weight .*3, 10'
equals "no temporaries" "$(ls -A | grep -c '^\.')" 0

script 'take Tiny from random
load **.conv* from "conv.pth"
load fc.weight[:, :10], fc.bias from "subset.npz"'
run 0 "$SURGERYC" -O0 script.surgery -o two -MD
check "the convolutions are the donor's" "$RUNTOOL" same two.safetensors donor.safetensors conv fc.bias
check "the rest of fc is not" "$RUNTOOL" differ two.safetensors donor.safetensors fc.weight
matches two.d 'conv\.pth'
matches two.d 'subset\.npz'

# The region is the donor's, and the rest is not.
script 'take Tiny from "donor.safetensors"
load fc.weight[:, 10:] = fc.weight[:, 10:] from "two.safetensors"
save fc to "mixed.safetensors"'
run 0 "$SURGERYC" -O0 script.surgery -o three
check "both halves are those of two" "$RUNTOOL" same mixed.safetensors two.safetensors fc

# A file that is saved and loaded in the same script, and is never read from the disk.
echo garbage >inner.pth
script 'take Tiny from "donor.safetensors"
save conv1 to "inner.pth"
init conv1 with zeros
load conv1 from "inner.pth"'
run 0 "$SURGERYC" -O0 script.surgery -o four
check "conv1 came back" "$RUNTOOL" same four.safetensors donor.safetensors
run 0 "$RUNTOOL" list inner.pth
script 'take Tiny from random
save all to "fresh.safetensors"
train { optimizer Adam(lr=0.01); loss CrossEntropy; seed 7 }'
run 0 "$SURGERYC" -O0 script.surgery -o five
check "the seed that the script says further down" "$RUNTOOL" same fresh.safetensors five.safetensors

# Never over what was read, or what the compiler writes itself; nothing when something fails.
cp conv.pth before.pth
ln -s conv.pth link.pth
for target in conv.pth ./conv.pth link.pth; do
  script "take Tiny from random
save fc to \"$target\"
load **.conv* from \"conv.pth\""
  [ $target = link.pth ] || script "take Tiny from random
load **.conv* from \"conv.pth\"
save fc to \"$target\""
  run 1 "$SURGERYC" -O0 script.surgery -o six
  err 'E0408.*would write over'
  check "conv.pth is as it was" cmp conv.pth before.pth
done
script 'take Tiny from random
save fc to "six.safetensors"'
run 2 "$SURGERYC" -O0 script.surgery -o six
err 'both an output and the file of a save'
absent six six.safetensors
script 'take Tiny from random
save conv1 to "first.pth"
save fc to "no/such/folder/fc.pth"'
run 3 "$SURGERYC" -O0 script.surgery -o six
err 'no/such/folder'
absent six six.safetensors first.pth
script 'take Tiny from random
save conv1 to "first.pth"
load conv1 from "conv.pth" allow missing fc'
run 1 "$SURGERYC" -O0 -Werror script.surgery -o six
absent six first.pth
# A float that no counter can hold, where another dtype was allowed.
cat >counted.surgery <<'TEXT'
model Counted { fc = Linear(2, 2); bn = BatchNorm1d(2); input tensor(2) }
take Counted from random
TEXT
{ cat counted.surgery; printf 'init fc with constant(1e30)\nsave fc to "large.pth"\n'; } >large.surgery
run 0 "$SURGERYC" -c -O0 large.surgery -o seven.o
{ cat counted.surgery; echo 'load bn.num_batches_tracked = fc.bias[0] from "large.pth" allow dtype bn'; } >counted-large.surgery
run 1 "$SURGERYC" -c -O0 counted-large.surgery -o eight.o
err 'large\.pth: .*values that are no integers of 64 bits'
absent eight.o
equals "no temporaries at the end" "$(ls -A | grep -c '^\.')" 0

# A pretrained network's file in halves of the numbers' size, where it is there.
half=$SURGERY_SHARED_DATA/resnet18/resnet18_fp16.safetensors
if [ -e "$half" ]; then
  printf 'take resnet18 from random\nload layer1, conv1 from "%s"\n' "$half" >half.surgery
  printf 'save layer1, conv1 to "part.npz"\n' >>half.surgery
  run 0 "$SURGERYC" check half.surgery
  err 'N0403.*f16, which is converted'
else
  echo "without $half: its halves were not read"
fi
finish
