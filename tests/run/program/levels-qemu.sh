# One program on processors that lack what the better levels need: qemu's, as far as its version goes (7.2 has AVX2 and no
# AVX-512). What each computes is near what the others do, and nothing ends in an illegal instruction.
. "$RUN_SOURCE/common.sh"
[ "$(uname -m)" = x86_64 ] || skip "the levels are those of x86-64"
[ -z "${SURGERY_SANITIZE:-}" ] || skip "qemu has no room for the sanitizers' shadow memory"
command -v qemu-x86_64 >/dev/null || skip "qemu-x86_64 is not there: install qemu-user"
on() { # CPU COMMAND…
  model=$1
  shift
  qemu-x86_64 -cpu "$model" "$@"
}

cp "$RUN_WORK"/*.surgery .
numbers() { awk -v n="$1" 'BEGIN { srand(7); for (i = 0; i < n; i++) printf "%s%.4f", i ? "," : "", 2 * rand() - 1 }'; }
"$RUNTOOL" arrays mixed-x.safetensors "x:f32:6,3,8,10:$(numbers 1440)" y:i64:6:0,1,2,3,4,1
cat >tokens.surgery <<'X'
model Small() = Bert(2, 16, 2, 32, vocab_size=20, max_position_embeddings=8)
take Small() from random
append classifier = Linear(_, 2)
input tokens(6, mask=true)
train { optimizer SGD(lr=0.1); loss CrossEntropy; batch 2 }
X
"$RUNTOOL" arrays tokens-x.safetensors x:i64:2,6:3,4,5,0,0,0,7,8,9,10,0,0 mask:i64:2,6:1,1,1,0,0,0,1,1,1,1,0,0 y:i64:2:0,1

for net in mixed tokens; do
  run 0 "$SURGERYC" $net.surgery --cpu=x86-64-v4,x86-64-v2,x86-64-v3 -o $net
  for cpu in here Nehalem Haswell; do
    case $cpu in here) on= ;; *) on="on $cpu" ;; esac
    run 0 $on ./$net info
    case $cpu in Nehalem) out 'x86-64-v2 \(used\)' ;; Haswell) out 'x86-64-v3 \(used\)' ;; esac
    run 0 $on ./$net predict $net-x.safetensors --out $net-$cpu.npy
    near $net-$cpu.npy $net-here.npy 1e-5
    run 0 $on ./$net train --data $net-x.safetensors --steps 1 --no-shuffle --out $net-$cpu.safetensors
    check "a step on $cpu" "$RUNTOOL" near 1e-5 $net-here.safetensors $net-$cpu.safetensors
  done
done

# below the lowest level: a message, the status of a wrong environment, and what needs no network still works
run 0 "$SURGERYC" tiny.surgery --cpu=x86-64-v3,x86-64-v4 -o high
for command in info 'predict x.npy' 'bench --runs 1'; do
  run 3 on Nehalem ./high $command
  err 'is compiled for x86-64-v4 and x86-64-v3, and this processor lacks what x86-64-v3 needs: .*avx2.*Compile it with --cpu=x86-64-v2'
  is_empty "$tmp/out"
done
run 0 on Nehalem ./high --help
run 3 env SURGERY_CPU=x86-64-v4 qemu-x86_64 -cpu Haswell ./high info
err 'lacks what x86-64-v4 needs: avx512f'
run 0 on Haswell ./high info
# one level, and a CPU's own name
for cpu in x86-64-v3 haswell znver4; do
  run 0 "$SURGERYC" -O0 tiny.surgery --cpu=$cpu -o single
  run 3 on Nehalem ./single info
  err "is compiled for $cpu, and this processor lacks what $cpu needs: .*avx2"
done

# the C interface
run 0 "$SURGERYC" tiny.surgery --cpu=x86-64-v3,x86-64-v2 -o tiny.o
run 0 "${CC:-cc}" -std=gnu11 -O1 -Wall -Werror -I. -I "$SURGERY_SOURCE/runtime" "$RUN_SOURCE/scripts/levels.c" tiny.o "$SURGERY_RUNTIME" \
  -ljpeg -lpng -lz -lm -o use
for cpu in Nehalem Haswell; do
  run 0 on $cpu ./use
  out '^all as it should be$'
done
run 0 "$SURGERYC" tiny.surgery --cpu=x86-64-v3 -o tiny.so
run 0 "${CC:-cc}" -std=gnu11 -O1 -I. -I "$SURGERY_SOURCE/runtime" "$RUN_SOURCE/scripts/levels.c" ./tiny.so -Wl,-rpath,"$tmp" -lm -o use-so
run 1 on Nehalem ./use-so
out '^open: the network is compiled for x86-64-v3, and this processor lacks what x86-64-v3 needs: '
out '^in memory of our own: -8 -8$'
finish
