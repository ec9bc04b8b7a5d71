# The one-line script that must always work, on a ResNet-18 of random weights: its counts, and an object that holds no
# gradient code for a frozen layer.
. "$RUN_SOURCE/common.sh"
printf 'take resnet18[0:5]; freeze all; replace fc with Linear(512, 10)\n' >one.surgery
echo 'take resnet18 from random' >donor.surgery # its values mean nothing here
run 0 "$SURGERYC" donor.surgery -o donor --stop-after=weights
equals "tensors of ResNet-18" "$("$RUNTOOL" list donor.safetensors | wc -l)" 122

run 0 "$SURGERYC" one.surgery -o one --weights resnet18=donor.safetensors
err 'note\[N0201\]: re-attached avgpool, flatten before the new fc'
run 0 ./one info
out '^input +\(N, 3, 224, 224\) image$'
out '^output +\(N, 10\)$'
out '^parameters +11,176,512 frozen, 5,130 trainable$'
run 0 "$SURGERYC" plan one.surgery --weights resnet18=donor.safetensors
out '^parameters +11,181,642: 5,130 trained, 11,176,512 frozen$'

grads() { nm "$1" | sed 's/.* //' | grep -i grad | sort | tr '\n' ' '; }
run 0 "$SURGERYC" one.surgery -o one.o --weights resnet18=donor.safetensors
equals "gradient code of the flagship" "$(grads one.o)" "sg_linear_grad_bias sg_linear_grad_weight "
nm one.o >symbols
matches symbols ' [tT] .*layer4\.1\.conv2\.forward$'
run 0 "$SURGERYC" one.surgery --weights resnet18=donor.safetensors --dump=plan --stop-after=plan
sed -n '/^step:/,$p' "$tmp/out" | grep -oE '[a-z0-9_.]+\.grad_[a-z]+' | sort -u | tr '\n' ' ' >steps
equals "gradients in the step" "$(cat steps)" "fc.grad_bias fc.grad_weight "

# one layer unfrozen: what lies behind it gets gradients, what lies before it gets none
sed 's/; replace/; unfreeze layer4.1.conv2; replace/' one.surgery >two.surgery
run 0 "$SURGERYC" -O0 two.surgery -o two.o --weights resnet18=donor.safetensors
nm two.o | sed 's/.* //' | grep -i grad >symbols
matches symbols 'layer4\.1\.conv2\.grad_weight'
lacks symbols 'layer4\.1\.conv1|layer4\.0|layer[123]|(^|\.)conv1\.'
lacks symbols 'layer4\.1\.conv2\.grad_input'
matches symbols 'sg_linear_grad_input'
# nothing frozen: every shape of convolution has some (layers of one shape share their code)
echo 'take resnet18 from random' >all.surgery
run 0 "$SURGERYC" -O0 all.surgery -o all.o
nm all.o | sed 's/.* //' | grep -i grad >symbols
for layer in conv1 'layer1\.[01]\.conv[12]' 'layer2\.0\.downsample\.0' 'layer4\.[01]\.conv[12]'; do matches symbols "\.$layer\.grad_weight"; done
# all of it frozen: no step at all
printf 'take resnet18 from random; freeze all\n' >none.surgery
run 0 "$SURGERYC" -O0 none.surgery -o none.o
equals "gradient code of a frozen network" "$(grads none.o)" ""
matches none.h '^#define NONE_TRAIN_BYTES\(n\) \(\(size_t\)0\)'
finish
