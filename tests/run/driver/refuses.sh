# What was read is never written over: donors' weights, the script, its includes, by whatever name.
. "$RUN_SOURCE/common.sh"
cp "$RUN_WORK"/net.surgery . && cp "$RUN_WORK/tiny.safetensors" donor.safetensors
printf 'include "net.surgery"\ntake Tiny from "donor.safetensors"\n' >script.surgery
cp script.surgery hidden.h && cp donor.safetensors before && ln -s donor.safetensors linked.safetensors
sums=$(cat script.surgery net.surgery hidden.h donor.safetensors | cksum)

refused() { # ARGS…
  run 2 "$SURGERYC" -O0 "$@"
  err 'would be overwritten'
  equals "inputs after: $*" "$(cat script.surgery net.surgery hidden.h donor.safetensors | cksum)" "$sums"
}
refused script.surgery -o donor                       # its weights would be donor.safetensors
refused script.surgery -o donor.o
refused script.surgery -o linked                      # a link to it
refused script.surgery -o ./donor
refused script.surgery --emit=exe -o donor.safetensors
refused script.surgery -o script.surgery
refused script.surgery -o "$tmp/script.surgery"
refused script.surgery -o ./net.surgery
refused hidden.h -o hidden.o                          # its header would be the script
refused script.surgery -o fine -MF script.surgery
ln -s net.surgery net.dot
refused script.surgery --emit=graph -o net.dot
rm net.dot
refused script.surgery --emit=llvm -o net.surgery
only_files . before donor.safetensors hidden.h linked.safetensors net.surgery script.surgery out err
run 0 "$SURGERYC" -O0 script.surgery -o donor --embed-weights # writes no weights: nothing in the way
check "the donor is as it was" cmp donor.safetensors before
run 0 "$SURGERYC" -O0 script.surgery -o other
check "its weights came over" "$RUNTOOL" same other.safetensors donor.safetensors
finish
