# --stop-after, --dump and --time-passes for every pass, --Werror's way through them.
. "$RUN_SOURCE/common.sh"
script=$RUN_WORK/tiny.surgery
passes=$("$SURGERYC" --help | sed -n '/^passes,/,/^$/s/^  \([a-z]*\) .*/\1/p' | tr '\n' ' ')
equals "the passes in the help" "$passes" "parse edit plan tune weights emit "

before=
for pass in $passes; do
  mkdir $pass
  run 0 "$SURGERYC" -O0 "$script" -o $pass/net --stop-after=$pass --time-passes
  before="$before $pass"
  equals "passes run until $pass" "$(sed -n 's/^\([a-z]*\)  *[0-9.]* s$/\1/p' err | tr '\n' ' ')" "$(echo $before) "
  is_empty "$tmp/out"
  run 0 "$SURGERYC" -O0 "$script" -o $pass/net --stop-after=$pass --dump=$pass
  exists "$tmp/out"
  cp "$tmp/out" $pass.dump
done
only_files parse
only_files edit
only_files plan
only_files tune
only_files weights net.safetensors
only_files emit net net.safetensors
matches parse.dump '^take donor Tiny\(classes\) from random$'
matches edit.dump '^conv1 = Conv2d\(.*\) \(N, 4, 8, 8\) .*frozen$'
matches plan.dump '^forward: [0-9]+ bytes a sample'
matches plan.dump '^step: '
matches weights.dump '^conv1\.weight +f32 +\[4, 1, 3, 3\] +fresh$'
matches weights.dump '^bn1\.num_batches_tracked +i64 +\[\] +fresh$'
equals "emit's dump" "$(cat emit.dump)" "emit/net"

# a dump does not stop the passes behind it
mkdir all
run 0 "$SURGERYC" -O0 "$script" -o all/net --dump=edit
check "the same dump" cmp "$tmp/out" edit.dump
only_files all net net.safetensors
run 0 "$SURGERYC" check "$script" --dump=plan
check "the same dump from check" cmp "$tmp/out" plan.dump
run 0 "$SURGERYC" plan "$script" --stop-after=edit
is_empty "$tmp/out"

# where values come from
printf 'include "net.surgery"\ntake Tiny from "%s"\nreplace fc with Linear(_, 5)\n' "$RUN_WORK/tiny.safetensors" >again.surgery
run 0 "$SURGERYC" again.surgery -I "$RUN_WORK" -o again --stop-after=weights --dump=weights
out '^conv1\.weight .*tiny\.safetensors$'
out '^fc\.weight .*fresh$'
check "the donor's values" "$RUNTOOL" same "$RUN_WORK/tiny.safetensors" again.safetensors conv bn
finish
