# CrossEntropy(ignore_index=…): places of that target count for nothing in the loss, its mean, the gradient and the metrics;
# labels name the classes of places too; a target that is no class is printed as the number that it is.
. "$RUN_SOURCE/common.sh"
cat >net.inc <<'END'
model Net {
  c = Conv2d(1, 3, 1)
  input tensor(1, 2, 2)
}
take Net from "w.safetensors"
labels "sky", "road", "tree"
END
script() { { cat net.inc; printf 'train { optimizer SGD(lr=0.5); loss %s; batch 2; epochs 1; seed 3 }\n' "$1"; } >"$2.surgery"; }
"$RUNTOOL" arrays w.safetensors c.weight:f32:3,1,1,1:1,-1,0.5 c.bias:f32:3:0,0.25,-0.5
script 'CrossEntropy(ignore_index=255)' own
script CrossEntropy usual
script 'CrossEntropy(ignore_index=1)' inside
for name in own usual inside; do run 0 "$SURGERYC" $name.surgery -o $name; done

# torch.nn.functional.cross_entropy in double: 0.4412, and without the places of class 1 0.6592
"$RUNTOOL" arrays own-x.safetensors x:f32:2,1,2,2:1,2,-1,0.5,-2,3,0,1 y:i64:2,2,2:0,255,1,2,1,0,255,255
"$RUNTOOL" arrays usual-x.safetensors x:f32:2,1,2,2:1,2,-1,0.5,-2,3,0,1 y:i64:2,2,2:0,-100,1,2,1,0,-100,-100
run 0 ./own eval --data own-x.safetensors
out '^loss +0\.4412'
out '^top-1 +0\.8000 +\(4 of 5\)$'
cp "$tmp/out" first
run 0 ./usual eval --data usual-x.safetensors
check "the same" cmp first "$tmp/out"

# The steps are the same, and -100 is the default.
run 0 ./own train --data own-x.safetensors --quiet --no-cache --out a.safetensors
run 0 ./usual train --data usual-x.safetensors --quiet --no-cache --out b.safetensors
check "one step" "$RUNTOOL" same a.safetensors b.safetensors

# A class of the network's own.
"$RUNTOOL" arrays inside-x.safetensors x:f32:2,1,2,2:1,2,-1,0.5,-2,3,0,1 y:i64:2,2,2:0,1,1,2,1,0,1,1
run 0 ./inside eval --data inside-x.safetensors
out '^loss +0\.6592'
out '^top-1 +0\.6667 +\(2 of 3\)$'

# Other numbers are no classes.
for wrong in -7 -100 300; do
  "$RUNTOOL" arrays wrong-x.safetensors x:f32:1,1,2,2:1,2,-1,0.5 "y:i64:1,2,2:0,255,$wrong,2"
  run 1 ./own eval --data wrong-x.safetensors
  err "label $wrong of sample 0 is not in 0\.\.2: the network has 3 classes"
done
finish
