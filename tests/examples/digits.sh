# The digits, from a copy of the folder: over 95 % of what was held back, in under 10 s, in a few readable lines.
. "$(dirname "$0")/common.sh"
cp -R "$examples/digits" "$work/digits"
start=$(date +%s)
"$work/digits/run" "$build" "$work/made here" >"$work/output" 2>&1 || { cat "$work/output"; fail "run ended with status $?"; }
seconds=$(($(date +%s) - start))
cat "$work/output"
at_least "top-1 of the digits" "$(number_after "$work/output" top-1)" 0.95
has "$work/output" 'seven\.png: 7 0\.[5-9]'
has "$work/output" '^== 3[4-5][0-9] of the 359 digits that were held back are recognised'
has "$work/output" '^parameters  55,904 frozen, 10,250 trainable'
has "$work/output" '^features: 1438 images in .* the frozen part does not run again'
[ "$(wc -l <"$work/output")" -le 50 ] || fail "more than 50 lines"
! grep -qE 'note\[|warning|error' "$work/output" || fail "remarks of the compiler in the output"
for part in 'conv*' 'bn*'; do same "$work/made here/digits.safetensors" "$work/made here/trained.safetensors" "$part"; done
# It takes a second on an idle machine; tests share theirs.
echo "$seconds s"
[ "$seconds" -le 60 ] || fail "it took $seconds s"

# What the weights of the take know: the digits 0 to 4, and nothing of the others.
"$SURGERYC" "$work/digits/pretrain.surgery" -o "$work/pretrain" 2>"$work/remarks"
"$work/pretrain" predict "$work/digits/seven.png" --weights "$work/digits/zero-to-four.safetensors" --top 9 >"$work/before"
cat "$work/before"
! grep -qE ' [5-9] [01]\.' "$work/before" || fail "the pretrained network knows more than 0 to 4"
finish
