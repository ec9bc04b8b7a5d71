# The fixture: data sets, and two programs that the tests share.
set -eu
rm -rf "$RUN_WORK"
mkdir -p "$RUN_WORK"
export SURGERY_WEIGHTS= TORCH_HOME=/nonexistent
"$RUNTOOL" data "$RUN_WORK/data"
cp "$RUN_SOURCE"/scripts/*.surgery "$RUN_WORK"
cd "$RUN_WORK"
"$SURGERYC" tiny.surgery -o tiny
"$SURGERYC" augmented.surgery -o augmented
./tiny train --data data/idx --epochs 3 --quiet --out trained.safetensors >/dev/null
