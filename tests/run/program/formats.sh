# Pictures of every format from a program, with a channel for alpha and without, turned as EXIF says.
. "$RUN_SOURCE/common.sh"
formats=$SURGERY_SOURCE/tests/images/formats
cat >four.surgery <<'S'
model Four(channels = 4) {
  input image(channels, 8, 8) { exif_transpose; resize (8, 8) }
  fc = Linear(channels * 64, 2)
  forward x { return fc(flatten(x, 1)) }
}
take Four() from random
S
sed 's/channels = 4/channels = 3/' four.surgery >three.surgery
count=$(ls "$formats"/* | grep -c '\.')
for net in three four; do
  run 0 "$SURGERYC" -O1 $net.surgery -o $net
  run 0 ./$net info
  out '^pictures +exif_transpose, resize 8 x 8$'
  run 0 ./$net predict "$formats" --out $net.npy
  equals "pictures of $net" "$("$RUNTOOL" npy $net.npy | head -n 1)" "$count 2"
done
# alpha counts: the same colours, opaque and not
run 0 ./four predict "$formats/webp/alpha.webp" --out alpha.npy --quiet
run 0 ./four predict "$formats/webp/lossless.webp" --out opaque.npy --quiet
check "alpha is an input of its own" sh -c '! cmp -s alpha.npy opaque.npy'
run 0 ./three predict "$formats/tiff/rgba.tif" --out alpha.npy --quiet
run 0 ./three predict "$formats/tiff/rgb.tif" --out opaque.npy --quiet
check "where there is no channel for it, it is left out" cmp alpha.npy opaque.npy
# turned: without exif_transpose the pixels as they lie in the file
sed 's/exif_transpose; //' three.surgery >lying.surgery
run 0 "$SURGERYC" -O1 lying.surgery -o lying
for net in three lying; do run 0 ./$net predict --weights three.safetensors "$formats/turned/6.jpg" --out $net.npy --quiet; done
check "exif_transpose turns a picture" sh -c '! cmp -s three.npy lying.npy'
finish
