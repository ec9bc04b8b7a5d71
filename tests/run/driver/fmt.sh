# surgeryc fmt: on stdout, in place, --check, stdin; what is wrong stays as it is. The layout itself: tests/grammar/format.
. "$RUN_SOURCE/common.sh"
printf 'take lenet from random;freeze   all # all of it\n' >ugly.surgery
printf 'take lenet from random; freeze all  # all of it\n' >wanted
cp wanted fine.surgery
printf 'freze all\n' >wrong.surgery
cp ugly.surgery before

# on stdout; the file stays
run 0 "$SURGERYC" fmt ugly.surgery
check "formatted" cmp "$tmp/out" wanted
is_empty "$tmp/err"
check "untouched" cmp ugly.surgery before
run 0 "$SURGERYC" fmt fine.surgery ugly.surgery
equals "one behind the other" "$(cat "$tmp/out")" "$(cat wanted wanted)"
checks=$((checks + 1))
"$SURGERYC" fmt - <ugly.surgery >from-stdin && cmp -s from-stdin wanted || fail "stdin"
"$SURGERYC" fmt <ugly.surgery >/dev/null 2>&1
equals "a script is wanted" $? 2
: >empty.surgery
run 0 "$SURGERYC" fmt empty.surgery
is_empty "$tmp/out"

# --check names those that differ
run 1 "$SURGERYC" fmt --check fine.surgery ugly.surgery empty.surgery
equals "those that differ" "$(cat "$tmp/out")" ugly.surgery
run 0 "$SURGERYC" fmt --check fine.surgery
is_empty "$tmp/out"
check "untouched" cmp ugly.surgery before

# a script with mistakes is reported, the others are formatted
cp wrong.surgery wrong-before
run 1 "$SURGERYC" fmt wrong.surgery ugly.surgery
check "only the other" cmp "$tmp/out" wanted
err "^wrong\.surgery:1:1: error\[E0001\]"
run 1 "$SURGERYC" fmt --check wrong.surgery
is_empty "$tmp/out"
run 1 "$SURGERYC" fmt --diagnostics=json wrong.surgery
err '"code": *"E0001"'

# in place: the mode and a link stay, what is as it should be is not written
chmod 640 ugly.surgery && ln -s ugly.surgery link.surgery
touch -d '2001-01-01' fine.surgery
run 1 "$SURGERYC" fmt -i link.surgery wrong.surgery fine.surgery
is_empty "$tmp/out"
check "in place" cmp ugly.surgery wanted
check "a link still" test -h link.surgery
equals "mode" "$(stat -c %a ugly.surgery)" 640
equals "not written" "$(stat -c %Y fine.surgery)" "$(date -d '2001-01-01' +%s)"
check "wrong, untouched" cmp wrong.surgery wrong-before
only_files . before check.log empty.surgery err fine.surgery from-stdin link.surgery out ugly.surgery wanted wrong-before wrong.surgery

# wrong usage, and what is not there
run 2 "$SURGERYC" fmt -i --check ugly.surgery
run 2 "$SURGERYC" fmt -i -
run 3 "$SURGERYC" fmt nowhere.surgery fine.surgery
err "nowhere\.surgery: No such file"
check "the other" cmp "$tmp/out" wanted
run 3 "$SURGERYC" fmt .
run 2 "$SURGERYC" check -i ugly.surgery

# whole or not at all, whatever goes wrong while it is written
prepare() { cp before ugly.surgery; }
examine() {
  cmp -s ugly.surgery before || cmp -s ugly.surgery wanted || fail "half a script"
  [ "$1" != 0 ] || cmp -s ugly.surgery wanted || fail "status 0, but nothing was written"
  [ -z "$(find . -name '.ugly*')" ] || [ "$kind" = kill ] || fail "a temporary file is left"
  rm -f .ugly*
}
every_fault fail 2 "$SURGERYC" fmt -i ugly.surgery
every_fault kill 2 "$SURGERYC" fmt -i ugly.surgery

# the repository's own scripts
run 0 "$SURGERYC" fmt --check "$SURGERY_SOURCE"/compiler/zoo/*.surgery "$SURGERY_SOURCE"/examples/*/*.surgery
finish
