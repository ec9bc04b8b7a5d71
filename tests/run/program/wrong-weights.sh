# Weight files at run time that are missing, cut short, garbage, or another model's: status 1, file and reason named.
. "$RUN_SOURCE/common.sh"
good=$RUN_WORK/tiny.safetensors
size=$(wc -c <"$good")
refused() { # FILE REASON: by every command
  for command in info "predict $data/x.npy" "eval --data $data/idx" "train --data $data/idx" 'bench --runs 1' 'export --out e.safetensors'; do
    run 1 "$tiny" $command --weights "$1"
    err "^tiny: .*$1.*$2"
    is_empty "$tmp/out"
  done
  absent e.safetensors tiny-trained.safetensors
}
refused absent.safetensors 'No such file'
: >empty.safetensors
refused empty.safetensors .
head -c 4 "$good" >four.safetensors
refused four.safetensors .
head -c 500 "$good" >header.safetensors
refused header.safetensors .
head -c $((size - 1)) "$good" >one-less.safetensors
refused one-less.safetensors .
{ cat "$good"; echo more; } >one-more.safetensors
refused one-more.safetensors .
head -c 5000 "$SURGERYC" >garbage.safetensors
refused garbage.safetensors .
echo 'not weights at all' >text.pth
refused text.pth .
mkdir folder.safetensors
refused folder.safetensors .

# another model's: missing, superfluous and of another shape, each by name
cp "$RUN_WORK/net.surgery" .
printf 'include "net.surgery"\ntake Tiny from random\nreplace fc with Linear(_, 5)\n' >five.surgery
run 0 "$SURGERYC" five.surgery -o five --stop-after=weights
refused five.safetensors "these are not the weights of 'tiny'"
err 'shape of fc\.weight: \(5, 128\) in the file, \(3, 128\) in the network'
err 'shape of fc\.bias: \(5\) in the file, \(3\) in the network'
err_lacks 'conv1'
run 0 "$tiny" export --only 'conv1, bn1, conv2, bn2' --out part.safetensors
refused part.safetensors "these are not the weights of 'tiny'"
err 'missing fc\.weight'
err 'missing fc\.bias'
printf 'include "net.surgery"\ntake Tiny from random\nappend extra = Linear(_, 3)\n' >more.surgery
run 0 "$SURGERYC" more.surgery -o more --stop-after=weights
refused more.safetensors "these are not the weights of 'tiny'"
err "not in the network: '?extra\.weight"

# without --weights: the file beside the program, wherever that was moved, else a message (weights-place.sh has the rest)
mkdir built moved
run 0 "$SURGERYC" -O0 "$RUN_WORK/tiny.surgery" -o built/own
run 0 built/own info
out "^weights .*/built/own\.safetensors \(beside the program\)$"
mv built/own built/own.safetensors moved
run 0 moved/own info
out "^weights .*/moved/own\.safetensors \(beside the program\)$"
head -c 300 moved/own.safetensors >cut && mv cut moved/own.safetensors
run 1 moved/own info
err 'moved/own\.safetensors'
rm moved/own.safetensors
run 1 moved/own info
err "the weights of 'own' were not found: give the file with --weights FILE"
err 'beside the program .*/moved/own\.safetensors$'
finish
