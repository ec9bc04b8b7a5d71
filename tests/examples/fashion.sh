# Fashion-MNIST from scratch: over 90 % of the test pictures.
. "$(dirname "$0")/common.sh"
data=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
[ -e "$data/train-images-idx3-ubyte.gz" ] || skip "no $data: Debian's package dataset-fashion-mnist is not installed"
"$examples/fashion/run" "$build" "$work" >"$work/output" 2>&1 || { cat "$work/output"; fail "run ended with status $?"; }
cat "$work/output"
at_least "top-1 of Fashion-MNIST" "$(number_after "$work/output" top-1)" 0.9001
has "$work/output" '^== 9[0-9]{3} of the 10000 test pictures are recognised'
has "$work/output" 't10k-images-idx3-ubyte\.gz\[0\]: ankle boot'
if FASHION_MNIST=$work "$examples/fashion/run" "$build" "$work" >"$work/output" 2>&1; then fail "it runs without data"; fi
has "$work/output" 'dataset-fashion-mnist'
finish
