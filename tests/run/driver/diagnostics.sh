# Messages: once, in the order of the script, as text or as one JSON array; -Werror; exit statuses.
. "$RUN_SOURCE/common.sh"
mkdir o
cp "$RUN_WORK/net.surgery" .
warned='include "net.surgery"
take Tiny from random
freeze conv1
freeze conv1
train { batch 8 }'
printf '%s\n' "$warned" >warning.surgery
printf 'include "net.surgery"\ntake Tiny from random\nfreeze conv1\nfreeze conv1\nreplace fc with Linear(5, 3)\n' >both.surgery
printf 'include "net.surgery"\ntake Tiny from random\nfrezee all\nfreeze cnov1\nlabels 3\n' >three.surgery

# no message: one empty array
run 0 "$SURGERYC" check "$RUN_WORK/tiny.surgery" --diagnostics=json
equals "JSON of a good script" "$("$RUNTOOL" json err '#')" 0
is_empty "$tmp/out"
run 0 "$SURGERYC" -O0 "$RUN_WORK/tiny.surgery" -o o/tiny --diagnostics=json
equals "JSON of a whole build" "$("$RUNTOOL" json err '#')" 0

# a warning of an early pass does not stop the build, and is said once
run 0 "$SURGERYC" -O0 warning.surgery -o o/warned
err '^warning\.surgery:4:.*: warning\[W[0-9]*\]: '
equals "warnings printed" "$(grep -c 'warning\[W' err)" 1
run 0 "$SURGERYC" -O0 warning.surgery -o o/warned --diagnostics=json
check "one JSON array" "$RUNTOOL" json err
equals "messages" "$("$RUNTOOL" json err '#')" 1
equals "severity" "$("$RUNTOOL" json err 0.severity)" warning
equals "line" "$("$RUNTOOL" json err 0.line)" 4
equals "file" "$("$RUNTOOL" json err 0.file)" warning.surgery
check "a code that explain knows" "$SURGERYC" explain "$("$RUNTOOL" json err 0.code)"
mkdir w
run 1 "$SURGERYC" -O0 warning.surgery -o w/warned -Werror
equals "warnings printed" "$(grep -c 'warning\[W' err)" 1
only_files w
run 1 "$SURGERYC" check warning.surgery -Werror --diagnostics=json
equals "messages" "$("$RUNTOOL" json err '#')" 1

# a warning of an early pass and an error of a later one: both, in the order of the script, in one array
run 1 "$SURGERYC" -O0 both.surgery -o w/both
equals "order of places" "$(sed -n 's/^both\.surgery:\([0-9]*\):.*/\1/p' err | tr '\n' ' ')" "4 5 "
only_files w
run 1 "$SURGERYC" -O0 both.surgery -o w/both --diagnostics=json
equals "messages" "$("$RUNTOOL" json err '#')" 2
equals "first" "$("$RUNTOOL" json err 0.severity)" warning
equals "second" "$("$RUNTOOL" json err 1.severity)" error
equals "second's line" "$("$RUNTOOL" json err 1.line)" 5
matches "$tmp/err" '"help": \['

# three mistakes in three statements: three messages, whichever the command
for command in check plan build; do
  run 1 "$SURGERYC" $command three.surgery
  equals "errors of $command" "$(grep -c 'error\[E' err)" 3
  is_empty "$tmp/out"
  run 1 "$SURGERYC" $command three.surgery --diagnostics=json
  equals "JSON messages of $command" "$("$RUNTOOL" json err '#')" 3
done
for pass in parse edit plan weights emit; do
  run 1 "$SURGERYC" three.surgery --stop-after=$pass --diagnostics=json
  check "JSON when stopping after $pass" "$RUNTOOL" json err
done
run 1 "$SURGERYC" three.surgery --dump=parse --diagnostics=json
check "JSON with a dump" "$RUNTOOL" json err

# colour only where asked for
run 1 "$SURGERYC" check both.surgery --color=always
err "$(printf '\033')"
for how in --color=auto --color=never; do
  run 1 "$SURGERYC" check both.surgery $how
  err_lacks "$(printf '\033')"
done

# names in messages cannot drive a terminal nor break JSON
evil=$(printf 'e\033[31m"\\.surgery')
cp both.surgery "$evil"
run 1 "$SURGERYC" check "$evil"
err_lacks "$(printf '\033')"
run 1 "$SURGERYC" check "$evil" --diagnostics=json
check "JSON of an odd name" "$RUNTOOL" json err

# stdout closed or full is a failure of the environment
if [ -w /dev/full ]; then
  "$SURGERYC" plan "$RUN_WORK/tiny.surgery" >/dev/full 2>err
  equals "status on a full stdout" $? 3
  err 'standard output'
fi
finish
