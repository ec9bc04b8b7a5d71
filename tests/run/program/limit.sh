# With little room for addresses (ulimit -v) nothing waits for ever: OpenBLAS, which would ask for more again and again, is not
# loaded, and what it computes is computed without it.
. "$RUN_SOURCE/common.sh"
[ -z "${SURGERY_SANITIZE:-}" ] || skip "the address sanitizer takes all addresses"
limited() { # KILOBYTES COMMAND…
  (
    ulimit -v "$1" || exit 99
    shift
    timeout 60 "$@"
  )
}
cp "$RUN_WORK"/*.surgery .
run 0 "$SURGERYC" tiny.surgery -o tiny
run 0 ./tiny predict "$data/pictures/val" --quiet --out free.npy
for kilobytes in 300000 100000; do
  run 0 limited $kilobytes ./tiny --help
  run 0 limited $kilobytes ./tiny info
  run 0 limited $kilobytes ./tiny predict "$data/pictures/val" --quiet --out limited.npy
  near free.npy limited.npy 1e-5 # measured 1e-7
done
run 0 limited 300000 ./tiny train --data "$data/pictures/train" --quiet --out limited.safetensors
exists limited.safetensors
run 0 limited 300000 "$SURGERYC" --help
run 2 limited 300000 "$SURGERYC" --no-such-option
finish
