# The forms of a message: colours on a terminal alone, valid JSON whatever a script holds, nothing too long to read.
. "$RUN_SOURCE/common.sh"
escape=$(printf '\033')
printf 'take lenet from random\nfreeze conv9\n' >wrong.surgery
on_terminal() { # COMMAND…: what it writes on a terminal, into out
  SHELL=/bin/sh script -qec "$*" /dev/null </dev/null >out 2>&1
  last_command="script $*"
}
if command -v script >/dev/null; then
  on_terminal "'$SURGERYC' check wrong.surgery"
  out "$escape\[1;31merror\[E0201\]:$escape\[0m"
  on_terminal "NO_COLOR=1 '$SURGERYC' check wrong.surgery"
  out 'error\[E0201\]: '
  out_lacks "$escape"
  on_terminal "'$SURGERYC' check wrong.surgery --color=never"
  out_lacks "$escape"
  on_terminal "'$SURGERYC' check wrong.surgery --diagnostics=json"
  out '"code": "E0201"'
  out_lacks "$escape"
fi
run 1 "$SURGERYC" check wrong.surgery
err_lacks "$escape"
run 1 env NO_COLOR=1 "$SURGERYC" check wrong.surgery --color=always # what is asked for on the command line wins
err "$escape"

# any bytes: one valid array, and no line of text that fills a screen
for at in 0 4096 65536 262144; do
  dd if="$SURGERYC" of=bytes.surgery bs=4096 skip=$((at / 4096)) count=4 2>/dev/null
  run 1 "$SURGERYC" check bytes.surgery --diagnostics=json
  check "JSON of the compiler's bytes from $at" "$RUNTOOL" json err
  run 1 "$SURGERYC" check bytes.surgery
  equals "lines over 500 bytes" "$(awk 'length > 500' err | wc -l)" 0
done
printf 'take lenet from random\nfreeze "\302\n\001\033[31m\342\200\256"\nlabels "a\200"\n' >odd.surgery
run 1 "$SURGERYC" check odd.surgery --diagnostics=json
check "JSON of broken UTF-8" "$RUNTOOL" json err
run 1 "$SURGERYC" check odd.surgery
err_lacks "$escape"
{ printf 'take lenet from random; freeze conv9 #'; head -c 100000 /dev/zero | tr '\0' x; } >long.surgery
run 1 "$SURGERYC" check long.surgery
equals "bytes said of a line of 100 kB" "$([ "$(wc -c <err)" -lt 600 ] && echo few)" few

# the fields that editors rely on
run 1 "$SURGERYC" check wrong.surgery --diagnostics=json
for field in line:2 column:8 end_line:2 end_column:13 begin:30 end:35 severity:error file:wrong.surgery fixes.0.begin:30 fixes.0.text:conv2; do
  equals "field ${field%%:*}" "$("$RUNTOOL" json err "0.${field%%:*}")" "${field##*:}"
done
finish
