# A copy of the cases with the weight files that they name, then the test. With --update as the last argument it
# writes the goldens.
set -eu
test=$1 surgeryc=$2 cases=$3 work=$4 data=$5
shift 5
export LC_ALL=C SURGERY_WEIGHTS= TORCH_HOME=/nonexistent # no weights of the machine's own may be found
rm -rf "$work"
cp -r "$cases" "$work"
cp "$data/lenet.safetensors" "$data/garbage.pth" "$data/truncated.safetensors" "$work"
exec "$test" "$surgeryc" "$cases" "$work" "$@"
