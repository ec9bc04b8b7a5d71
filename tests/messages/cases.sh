# A copy of the cases with the weight files that they name, then the test. With --update as the last argument it
# writes the goldens; with --fixes it applies the fixes of another test's scripts.
set -eu
test=$1 surgeryc=$2 cases=$3 work=$4 data=$5
shift 5
export LC_ALL=C SURGERY_WEIGHTS= TORCH_HOME=/nonexistent # no weights of the machine's own may be found
rm -rf "$work"
cp -r "$cases" "$work"
if [ "${1-}" = --fixes ]; then
  cp -r "$data"/* "$work"
else
  cp "$data/lenet.safetensors" "$data/garbage.pth" "$data/truncated.safetensors" "$data"/count-*.safetensors "$data"/checkpoint_*.pth "$work"
  mkdir "$work/hf_model"
  cp "$data/lenet.safetensors" "$work/hf_model/model.safetensors"
fi
exec "$test" "$surgeryc" "$cases" "$work" "$@"
