# What a command writes is never what it reads, unless --force says so; and no two outputs are one file.
. "$RUN_SOURCE/common.sh"
cp "$tiny" tiny
cp "$tiny.safetensors" tiny.safetensors
cp "$RUN_WORK/trained.safetensors" "$data/x.npy" .
ln -s tiny.safetensors link.safetensors
refuses() { # FILE PATTERN COMMAND…: status 2, the file stays, nothing else appears
  file=$1 pattern=$2
  cp "$file" before
  shift 2
  ls -A >names
  run 2 "$@"
  err "$pattern"
  check "$file is as it was" cmp "$file" before
  equals "files" "$(ls -A)" "$(cat names)"
}
: >before >names
run 0 true
check "true" true
# the program's own weights, by whatever name; the weights that were given; the file of the data
for out in tiny.safetensors ./tiny.safetensors "$tmp/tiny.safetensors" link.safetensors; do
  refuses tiny.safetensors "--out would overwrite the network's weights: name another file, or add --force\$" ./tiny train --data "$data/idx" --epochs 0 --out $out
  refuses tiny.safetensors "--out would overwrite the network's weights" ./tiny export --out $out --dtype f16
done
refuses trained.safetensors "the network's weights" ./tiny train --data "$data/idx" --weights trained.safetensors --out trained.safetensors
refuses trained.safetensors "the network's weights" ./tiny train --data "$data/idx" --weights trained.safetensors --log trained.safetensors
refuses trained.safetensors "the network's weights" ./tiny export --weights trained.safetensors --out trained.safetensors
refuses x.npy 'x\.npy: --out would overwrite an input' ./tiny predict x.npy --out x.npy
refuses trained.safetensors "the network's weights" ./tiny predict x.npy --weights trained.safetensors --out trained.safetensors
cp "$data/idx/train-images-idx3-ubyte" images
for option in log report; do
  refuses images "images: --$option would overwrite the training set" ./tiny train --data images --$option images
  refuses images "images: --$option would overwrite the validation set" ./tiny train --data "$data/idx" --val images --$option images
done
# the default name of --out is no exception
run 0 ./tiny train --data "$data/idx" --epochs 1 --quiet
refuses tiny-trained.safetensors "the network's weights" ./tiny train --data "$data/idx" --epochs 1 --weights tiny-trained.safetensors
# a checkpoint: the training that goes on from it replaces it, and its weights do not
run 0 ./tiny train --data "$data/idx" --epochs 2 --checkpoint-every 1 --quiet --out w.safetensors
run 0 ./tiny train --data "$data/idx" --epochs 3 --checkpoint-every 1 --quiet --out w.safetensors --resume w-checkpoint.safetensors
refuses w-checkpoint.safetensors "checkpoint" ./tiny train --data "$data/idx" --epochs 4 --out w-checkpoint.safetensors --resume w-checkpoint.safetensors
# two outputs
refuses w.safetensors 'out: would be both --log and --report' ./tiny train --data "$data/idx" --log out --report ./out --out v.safetensors
refuses w.safetensors 'w\.safetensors: would be both --out and --log' ./tiny train --data "$data/idx" --log w.safetensors --out w.safetensors --force
# asked for
run 0 ./tiny train --data "$data/idx" --epochs 1 --quiet --force --out tiny.safetensors
check "written over" "$RUNTOOL" same tiny.safetensors tiny-trained.safetensors
run 0 ./tiny export --force --out tiny.safetensors --dtype f32
run 0 ./tiny predict x.npy --quiet --force --out x.npy
# of surgeryc: the script, an include, a weight file, and its own outputs
cp "$RUN_WORK"/*.surgery .
printf 'include "net.surgery"\ntake Tiny from "tiny.safetensors"\n' >use.surgery
refuses use.surgery 'is one of the inputs' "$SURGERYC" use.surgery -o use.surgery
refuses net.surgery 'is one of the inputs' "$SURGERYC" use.surgery -o net.surgery
refuses tiny.safetensors 'is one of the inputs' "$SURGERYC" use.surgery -o tiny.safetensors
refuses tiny.safetensors 'tiny\.safetensors would be overwritten, and it is one of the inputs' "$SURGERYC" use.surgery -o tiny
refuses use.surgery 'is one of the inputs' "$SURGERYC" use.surgery -o new -MF use.surgery
refuses use.surgery 'new\.safetensors would be two of the outputs' "$SURGERYC" use.surgery -o new -MF ./new.safetensors
refuses use.surgery 'new\.h would be two of the outputs' "$SURGERYC" use.surgery -o new.o -MF new.h
finish
