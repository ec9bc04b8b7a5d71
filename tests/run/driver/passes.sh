# --stop-after, --dump and --time-passes for every pass, --Werror's way through them.
. "$RUN_SOURCE/common.sh"
script=$RUN_WORK/tiny.surgery
passes=$("$SURGERYC" --help | sed -n '/^passes,/,/^$/s/^  \([a-z]*\) .*/\1/p' | tr '\n' ' ')
equals "the passes in the help" "$passes" "parse statements settings shapes edit phases lower plan tune inspect files saves \
weights manifest code link header emit depfile "
# what runs for a program: there is no --tune, no save, no header and no -MD
for_program=$(echo "$passes" | sed 's/ tune / /; s/ saves / /; s/ header / /; s/ depfile / /')

before=
for pass in $passes; do
  mkdir $pass
  case " $for_program" in *" $pass "*) before="$before $pass" ;; esac
  run 0 "$SURGERYC" -O0 "$script" -o $pass/net --stop-after=$pass --time-passes
  equals "passes run until $pass" "$(sed -n 's/^\([a-z]*\)  *[0-9.]* s$/\1/p' err | tr '\n' ' ')" "$(echo $before) "
  is_empty "$tmp/out"
done
for pass in $for_program tune; do
  run 0 "$SURGERYC" -O0 "$script" -o $pass/net --stop-after=$pass --dump=$pass
  exists "$tmp/out"
  cp "$tmp/out" $pass.dump
done
for pass in parse statements settings shapes edit phases lower plan tune inspect files saves; do only_files $pass; done
for pass in weights manifest code; do only_files $pass net.safetensors; done
for pass in link header emit depfile; do only_files $pass net net.safetensors; done
matches parse.dump '^take donor Tiny\(classes\) from random$'
matches edit.dump '^conv1 = Conv2d\(.*\) \(N, 4, 8, 8\) .*frozen$'
matches plan.dump '^forward: [0-9]+ bytes a sample'
matches plan.dump '^step: '
matches weights.dump '^conv1\.weight +f32 +\[4, 1, 3, 3\] +fresh$'
matches weights.dump '^bn1\.num_batches_tracked +i64 +\[\] +fresh$'
equals "emit's dump" "$(cat emit.dump)" "emit/net"
check "shapes and edit print one network" cmp shapes.dump edit.dump
matches phases.dump '^phase 1: [0-9]+ parameters trained, [0-9]+ bytes of gradients, frozen up to [a-z0-9]+$'
matches lower.dump '^forward: [0-9]+ calls, [0-9]+ buffers$'
matches inspect.dump '^inspect: [0-9]+ bytes a sample'
equals "files' dump" "$(tr '\n' ' ' <files.dump)" "files/net files/net.safetensors "
matches manifest.dump '^\{"name":"net","script":"tiny\.surgery"'
matches code.dump '^module 1 of [0-9]+: [0-9]+ bytes$'
matches link.dump '^link/net: [0-9]+ bytes$'

# the passes that only some outputs have
mkdir more
{ cat "$script"; echo 'save fc to "more/fc.safetensors"'; } >more.surgery
run 0 "$SURGERYC" -O0 more.surgery -I "$(dirname "$script")" -c -o more/net.o -MD --time-passes
equals "all passes but tune and inspect" "$(sed -n 's/^\([a-z]*\)  *[0-9.]* s$/\1/p' err | tr '\n' ' ')" \
  "$(echo "$passes" | sed 's/ tune / /; s/ inspect / /')"
only_files more fc.safetensors net.h net.o net.o.d net.safetensors
run 0 "$SURGERYC" -O0 more.surgery -I "$(dirname "$script")" -c -o more/net.o --dump=saves
matches "$tmp/out" '^more/fc\.safetensors: fc\.weight, [0-9]+ elements$'
run 0 "$SURGERYC" -O0 more.surgery -I "$(dirname "$script")" -c -o more/net.o --dump=header
check "the header" cmp "$tmp/out" more/net.h
run 0 "$SURGERYC" -O0 more.surgery -I "$(dirname "$script")" -c -o more/net.o -MD --dump=depfile
check "the dependency file" cmp "$tmp/out" more/net.o.d

# the script is read once, by parse: a pipe would be empty the second time
mkfifo once.surgery
cat "$script" >once.surgery &
run 0 "$SURGERYC" -O0 once.surgery -I "$RUN_WORK" -o once --dump=parse --stop-after=plan
check "the same syntax tree" cmp "$tmp/out" parse.dump

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
