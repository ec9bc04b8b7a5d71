# --tune: the program computes the same, the table has a line for each convolution, and what it cannot be used with. Which kernel is
# faster is never judged here; that the table is obeyed is tests/analysis/choices.c's matter.
. "$RUN_SOURCE/common.sh"
cat >two.surgery <<'X'
model Two() {
  input tensor(3, 16, 16)
  stem  = Conv2d(3, 16, 7, stride=2, padding=3)
  large = Conv2d(16, 16, 3, padding=1)
  again = Conv2d(16, 16, 3, padding=1)
  small = Conv2d(16, 8, 3, padding=1)
  pool  = MaxPool2d(2)
  fc    = Linear(128, 3)
  forward x {
    x = relu(again(relu(large(relu(stem(x))))))
    x = relu(small(pool(x)))
    return fc(flatten(x, 1))
  }
}
take Two from random
train { optimizer SGD(lr=0.1); loss CrossEntropy; batch 5; seed 3 }
X
awk 'BEGIN { srand(7); printf "x:f32:4,3,16,16:"; for (i = 0; i < 3072; i++) printf "%s%.4f", i ? "," : "", rand() - 0.5; print "" }' >x.text
run 0 "$RUNTOOL" arrays x.safetensors "$(cat x.text)"

# the same outputs
run 0 "$SURGERYC" two.surgery -o plain
run 0 "$SURGERYC" two.surgery -o tuned --tune
is_empty "$tmp/out"
for program in plain tuned; do run 0 ./$program predict --weights plain.safetensors x.safetensors --out $program.npy; done
near plain.npy tuned.npy 1e-4

# the table: one line for what is the same, evaluation and training apart
method='(direct|winograd|stem)(, not (direct|winograd|stem))?$'
ms='[0-9]+\.[0-9]{3}'
run 0 "$SURGERYC" two.surgery --tune -O1 --threads=1 --dump=tune --stop-after=tune --time-passes
err '^tune +[0-9.]+ s$'
out '^convolution +n +calls +direct ms +winograd ms +stem ms +kernel$'
out "^stem forward +7x7/2 \(3, 16, 16\) .* \(16, 8, 8\) +1 +1 +$ms +$ms +$method"
out "^large forward +3x3 \(16, 8, 8\) .* \(16, 8, 8\) +1 +2 +$ms +$ms +$method"
out "^large forward +3x3 \(16, 8, 8\) .* \(16, 8, 8\) +5 +2 +$ms +$ms +$method"
out "^small forward +3x3 \(16, 4, 4\) .* \(8, 4, 4\) +1 +1 +$ms +$ms +$method"
out "^again grad_weight +3x3 \(16, 8, 8\) .* \(16, 8, 8\) +5 +2 +$ms +$ms +$method"
out "^small grad_input +3x3 \(8, 4, 4\) .* \(16, 4, 4\) +5 +1 +$ms +$ms +$method"
cut -c 1-60 "$tmp/out" >timed
absent two two.safetensors

# without --tune the same lines, no times, and what the thresholds choose
run 0 "$SURGERYC" two.surgery --dump=tune --stop-after=tune
equals "lines" "$(wc -l <"$tmp/out")" "$(wc -l <timed)"
out '^large forward +3x3 .* +1 +2 +- +- +winograd$'
out '^small forward +3x3 .* +1 +1 +- +- +direct$'
cp "$tmp/out" untimed
run 0 "$SURGERYC" two.surgery --dump=tune --stop-after=tune
check "the same again" cmp "$tmp/out" untimed

# other outputs, and nothing to choose
run 0 "$SURGERYC" two.surgery --tune -O0 --cpu=native --emit=llvm -o two.ll
run 0 "$SURGERYC" two.surgery --tune -O0 -c -o two.o
exists two.ll two.o two.h
printf 'model Flat() {\n  input tensor(4)\n  fc = Linear(4, 2)\n  forward x { return fc(x) }\n}\ntake Flat from random\n' >none.surgery
run 0 "$SURGERYC" none.surgery --tune --dump=tune -o none
equals "no line but the heading" "$(wc -l <"$tmp/out")" 1

# code for another machine cannot be timed here
for cpu in x86-64 x86-64,x86-64-v2 native,x86-64; do
  for command in build run; do
    run 2 "$SURGERYC" $command two.surgery --tune --cpu=$cpu
    err "^surgeryc: --tune times kernels on this machine.*--cpu=$cpu .*: leave out --cpu, or --tune$"
  done
done
run 2 "$SURGERYC" two.surgery --tune --cpu=pentium-9
err "unknown CPU 'pentium-9'"
run 2 "$SURGERYC" check two.surgery --tune
err "check takes no --tune"
run 2 "$SURGERYC" two.surgery --tune=yes

# the cache of run keeps both
export XDG_CACHE_HOME="$tmp/cache"
mkdir cache
for options in '' '--tune' '--tune' ''; do run 0 "$SURGERYC" run -O0 $options two.surgery -- info; done
equals "entries" "$(find cache/surgery -name '*.complete' | wc -l)" 2
finish
