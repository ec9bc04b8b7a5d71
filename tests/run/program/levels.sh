# --cpu with several names: one output for all, which chooses at start. What it chooses is forced here with SURGERY_CPU, so that it
# wants no emulator; levels-qemu.sh has real CPUs that lack the rest.
. "$RUN_SOURCE/common.sh"
[ "$(uname -m)" = x86_64 ] || skip "the levels are those of x86-64"

# the list
cp "$RUN_WORK"/*.surgery .
run 2 "$SURGERYC" tiny.surgery --cpu=x86-64-v2,x86-64-v3,x86-64-v2 -o no
err 'names x86-64-v2 twice'
run 2 "$SURGERYC" tiny.surgery --cpu=haswell,x86-64-v2,x86-64-v3 -o no
err 'cannot tell x86-64-v3 from haswell'
run 2 "$SURGERYC" tiny.surgery --cpu=x86-64-v2,,x86-64-v3 -o no
err 'a name is missing at a comma'
run 2 "$SURGERYC" tiny.surgery --cpu=x86-64-v2,x86-64-v33 -o no
err "unknown CPU 'x86-64-v33'"
run 2 "$SURGERYC" tiny.surgery --cpu=native,native -o no
absent no

# the program, the levels in any order
run 0 "$SURGERYC" mixed.surgery --cpu=x86-64-v3,x86-64-v2,x86-64-v4 -o mixed
run 0 ./mixed info
out 'compiled for x86-64-v4( \(used\))?, x86-64-v3( \(used\))? and x86-64-v2( \(used\))?; 2 threads$'
equals "levels in use" "$(grep -o '(used)' "$tmp/out" | wc -l)" 1
run 1 env SURGERY_CPU=x86-64-v5 ./mixed info
err 'SURGERY_CPU=x86-64-v5: the network is compiled for x86-64-v4, x86-64-v3 and x86-64-v2; give one of these'
run 0 env SURGERY_CPU= ./mixed info

# every level that this machine has computes the same
numbers() { awk -v n="$1" 'BEGIN { srand(7); for (i = 0; i < n; i++) printf "%s%.4f", i ? "," : "", 2 * rand() - 1 }'; }
"$RUNTOOL" arrays x.safetensors "x:f32:6,3,8,10:$(numbers 1440)" y:i64:6:0,1,2,3,4,1
levels=
for level in v2 v3 v4; do
  SURGERY_CPU=x86-64-$level ./mixed info >"$tmp/out" 2>"$tmp/err"
  status=$?
  if [ $status != 0 ]; then
    equals "status without $level" $status 3
    err 'this processor lacks what x86-64-v[34] needs: .*avx'
    continue
  fi
  out "x86-64-$level \(used\)"
  levels="$levels $level"
  run 0 env SURGERY_CPU=x86-64-$level ./mixed predict x.safetensors --out $level.npy
  near $level.npy v2.npy 1e-5
  run 0 env SURGERY_CPU=x86-64-$level ./mixed train --data x.safetensors --steps 1 --no-shuffle --out $level.safetensors
  check "a step at $level" "$RUNTOOL" near 1e-5 v2.safetensors $level.safetensors
done
check "the step learnt something" "$RUNTOOL" differ v2.safetensors mixed.safetensors first fc
echo "levels of this machine:$levels"

# one level of several is that level alone, to the bit
run 0 "$SURGERYC" mixed.surgery --cpu=x86-64-v2 -o alone
run 0 ./alone predict x.safetensors --weights mixed.safetensors --out alone.npy
check "alone and beside others" cmp alone.npy v2.npy
run 1 env SURGERY_CPU=x86-64-v3 ./alone info
err 'is compiled for x86-64-v2; give'

# objects and libraries, with the C interface and in the caller's own memory
libraries="$SURGERY_RUNTIME -ljpeg -lpng -lz -lm"
compile() { "${CC:-cc}" -std=gnu11 -O1 -Wall -Werror ${SURGERY_SANITIZE:+-fsanitize=$SURGERY_SANITIZE} -I. -I "$SURGERY_SOURCE/runtime" "$RUN_SOURCE/scripts/levels.c" "$@" -lm; }
for kind in o a; do
  run 0 "$SURGERYC" tiny.surgery --cpu=x86-64-v2,x86-64-v3 -o tiny.$kind
  matches tiny.h 'x86-64-v2,x86-64-v3'
  run 0 compile tiny.$kind $libraries -o use-$kind
  for level in v2 v3; do
    case $levels in *$level*) ;; *) continue ;; esac
    run 0 env SURGERY_CPU=x86-64-$level ./use-$kind
    out '^all as it should be$'
  done
  run 0 ./use-$kind
  run 1 env SURGERY_CPU=none ./use-$kind
  out '^open: SURGERY_CPU=none: the network is compiled for x86-64-v3 and x86-64-v2; give one of these, or unset it$'
  out '^in memory of our own: -8 -8$'
done
run 0 "$SURGERYC" tiny.surgery --cpu=x86-64-v2,x86-64-v3 -o tiny.so
if [ -z "${SURGERY_SANITIZE:-}" ]; then
  run 0 compile ./tiny.so -Wl,-rpath,"$tmp" -o use-so
  run 0 env SURGERY_CPU=x86-64-v2 ./use-so
fi
run 0 "$SURGERYC" tiny.surgery --cpu=x86-64-v2,x86-64-v3 --embed-weights -o tiny.o
mv tiny.safetensors away
run 0 compile tiny.o $libraries -o use-embedded
run 0 env SURGERY_CPU=x86-64-v2 ./use-embedded away
mv away tiny.safetensors

# as text: all levels in one module, each function with its own target
run 0 "$SURGERYC" tiny.surgery --cpu=x86-64-v2,x86-64-v3 -o tiny.ll
for level in v2 v3; do matches tiny.ll "\"target-cpu\"=\"x86-64-$level\""; done
matches tiny.ll 'define internal void @tiny_forward_fn_x86_64_v2'
for function in tiny_pack tiny_forward_raw tiny_open; do # what runs before the choice is for every CPU
  group=$(sed -n "s/^define .*@$function(.*) .*\(#[0-9]*\) {\$/\1/p" tiny.ll)
  matches tiny.ll "^attributes $group = .*\"target-cpu\"=\"x86-64\" \"target-features\"=\"\+sse2\""
done
check "llvm verifies it" sh -c '! command -v opt-19 >/dev/null || opt-19 -passes=verify -disable-output tiny.ll'
run 0 "$SURGERYC" tiny.surgery --cpu=x86-64-v2,x86-64-v3 -o tiny.s
check "cc assembles it" "${CC:-cc}" -c tiny.s -o text.o
run 0 compile text.o $libraries -o use-text
run 0 env SURGERY_CPU=x86-64-v2 ./use-text
out '^all as it should be$'
finish
