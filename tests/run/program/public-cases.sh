# Small inputs of people who edit, load and train pretrained networks (../shared/cases, with what is right for each in its
# README): every one of them as it was tried.
. "$RUN_SOURCE/common.sh"
cases=$SURGERY_SHARED_DATA/../cases
[ -d "$cases" ] || skip "the folder shared/cases is not here"
cp -r "$cases" cases && chmod -R u+w cases
cd cases || exit 99

says() { # SCRIPT STATUS PATTERN…: surgeryc check in the script's folder
  script=$1 status=$2
  shift 2
  cd "$(dirname "$script")" || exit 99
  run "$status" "$SURGERYC" check -Wno-weights "$(basename "$script")"
  for pattern; do err "$pattern"; done
  cd "$tmp/cases" || exit 99
}
silent() { # SCRIPT…: nothing is wrong, and nothing is warned of
  for script; do
    says "$script" 0
    err_lacks 'error|warning'
  done
}
errors() { equals "errors" "$(grep -c 'error\[' "$tmp/err")" "$1"; }

# the nearest network, or what there is instead
says case00/vgg16.surgery 1 "did you mean 'vgg16'"
says case00/googlenet.surgery 1 'take "googlenet\.onnx"'
err_lacks 'lacks the argument|did you mean'
says case00/in_features.surgery 1 '`_` is inferred from what flows in'
says case00/fc.surgery 1 'the head of this network is classifier\.1'
says case03/gray_naive.surgery 1 'input image\(1, 224, 224\)' 'adapt conv1 to channels 1'

# four channels
sed -i 's/from "resnet18.pth"/from random/' case05/four_image.surgery
run 0 "$SURGERYC" -O0 case05/four_image.surgery -o four
run 0 ./four predict case05/rgba.png --top 1
out '^case05/rgba\.png: '

# where the weights are in a checkpoint
sed -i 's#\.\./mini#mini#' case07/*.surgery
says case07/moco_naive.surgery 1 "with 'encoder_q\.' before the names" 'under "encoder_q"'
says case07/moco_load3.surgery 0 "prefix 'module\.' taken off"
sed -i 's/"moco.pth.tar"/"moco.pth.tar" under "encoder_q"/' case07/moco_naive.surgery
says case07/moco_naive.surgery 0
says case08/naive.surgery 1 'under "model"'
says case09/nparr.surgery 0 'skipped, none of it was run: numpy\.core\.multiarray\._reconstruct'
says case09/omega.surgery 0 'skipped, none of it was run: omegaconf\.dictconfig\.DictConfig'
for file in pl_attr.ckpt dt.pth; do
  run 0 "$SURGERYC" show case09/$file
  out 'skipped, none of it was run'
done
says case10/ema.surgery 0 'other weights in the file: under "state_dict"'
run 0 "$SURGERYC" show case10/both.pth
out '"state_dict_ema": 68 tensors'
run 0 "$SURGERYC" show case37/qt.pth
out 'quantised: 1 tensor of 8-bit integers, read as f32'
silent case43/hfloop.surgery

# one mistake, one message
says case19/lora_hole.surgery 1
err_lacks 'E0201'
silent case19/scaled.surgery # number times value
says case20/unet_model.surgery 1 "ConvTranspose2d is not in this version"
errors 1
says case22/siam1.surgery 1 'has 2 inputs, a and b'
errors 1
err_lacks 'the mask flows'
silent case27/h4.surgery case27/hyper.surgery

# data
silent case21/ig.surgery case21/seg_ce.surgery case21/lab.surgery
sed -i '/^load/d; s/from "hf.bin"/from random/' case18/a.surgery
run 0 "$SURGERYC" -O0 case18/a.surgery -o tokens
run 1 ./tokens eval --data case18/tt.npz
err 'token_type_ids'
run 0 "$SURGERYC" -O0 case30/reg.surgery -o reg
mkdir case30/imgs # its pictures are any
for i in 0 1 2 3 4 5; do cp "$(ls trial/02-labels-order/cs2/*/*.png | sed -n "$((i + 1))p")" case30/imgs/$i.jpg; done
run 0 ./reg train --data case30/labels.csv --epochs 1 --quiet --out trained.safetensors
run 0 ./reg eval --data case30/labels.csv --weights trained.safetensors
out '^MAE '
run 0 "$SURGERYC" -O0 case49/a.surgery -o classes
run 0 ./classes train --data case49/sep/train --epochs 30 --quiet --out trained.safetensors
top=$(./classes eval --data case49/sep/train --weights trained.safetensors | sed -n 's/^top-1 *\([^ ]*\).*/\1/p')
cp -r case49/sep/train less && rm -r less/cat
run 0 ./classes eval --data less --weights trained.safetensors
equals "top-1 of all classes" "$top" 1.0000
out '^top-1 +1\.0000'
run 0 "$SURGERYC" -O0 case50/reg.surgery -o bytes
run 0 ./bytes train --data case50/chw32.npz --epochs 1 --quiet --out trained.safetensors
run 0 ./bytes eval --data case50/chw32.npz --weights trained.safetensors
cp "$tmp/out" preprocessed
run 0 ./bytes eval --data case50/chw32.npz --weights trained.safetensors --raw
check "--raw feeds the bytes as they are" sh -c "! cmp -s '$tmp/out' preprocessed"

# networks of other people
silent foreign/pos3.surgery foreign/pos6.surgery foreign/hd1.surgery
for script in fi fi2; do
  says foreign/$script.surgery 1 'is not in this version'
  err_lacks 'leave|did you mean'
done
says foreign/two.surgery 1 'has 2 inputs, x and y'

# each of the 46 mistakes has a cure in its message; what is right says nothing
for script in trial/scripts/*.surgery; do
  run_status=0
  "$SURGERYC" check -Wno-weights "$script" >"$tmp/out" 2>"$tmp/err" || run_status=$?
  last_command="check $script"
  checks=$((checks + 1))
  [ $run_status -le 1 ] || fail "status $run_status"
  [ $run_status = 0 ] || err '^  (help|note): |first here'
done
finish
