# surgeryc explain: the example of each page gives the message that the page is about, and each message is given by some
# test. A page's example is its first indented block; without a take it stands behind `take resnet18 from random`, and a
# model that nothing takes is taken. What an example needs besides is made by `context`; an example that cannot be run
# by itself is in `elsewhere`: then another test must expect the code. untested.txt lists what no test gives, and may
# only shrink.
. "$RUN_SOURCE/common.sh"

# CODE: files beside example.surgery; prefix, behind, command, script are what differs
context() {
  prefix=default behind= script=example.surgery arguments=
  case $1 in
  E0008) awk 'BEGIN { printf "let k = "; for (i = 0; i < 300; i++) printf "("; print 1 }' >elided ;;
  E0115 | E0116) printf 'param classes = 10\ntake resnet18(classes) from random\n' >heads.surgery ;;
  E0118) script=a.surgery && echo 'include "a.surgery"' >b.surgery ;;
  E0120) behind='take Tree(1) from random' ;;
  E0126) prefix=none ;;
  E0206) awk 'BEGIN { printf "freeze layer"; for (i = 0; i < 2000; i++) printf "*"; print "" }' >elided ;;
  E0208) awk 'BEGIN { printf "freeze conv1"; for (i = 0; i < 10001; i++) printf ", conv1"; print "" }' >elided ;;
  E0403) echo no weights >half-a-download.pth ;;
  E0601) echo no network >model.pth ;;
  E0408) saved fc.pth 'take resnet18 from random' 'save fc to "fc.pth"' ;;
  N0401) saved checkpoint.pth 'model Parallel() { module = resnet18(); input image(3, 224, 224) }' 'take Parallel from random' \
    'save all to "checkpoint.pth"' ;;
  esac
}

# Their files are built by the tests that have them.
elsewhere='W0204 N0203 N0204 E0404 E0405 E0406 W0401 N0403 N0404 E0602 E0603 E0604 E0605 W0601'

saved() { # FILE LINE…: the script that saves it
  file=$1
  shift
  printf '%s\n' "$@" >saving.surgery
  "$SURGERYC" -O0 saving.surgery -o saving >saving.log 2>&1 && [ -s "$file" ] || fail "$file cannot be made: $(cat saving.log)"
}

example() { # CODE: the first indented block of its page, without the indentation
  "$SURGERYC" explain "$1" | awk '/^    / { print substr($0, 5); seen = 1; next } seen { exit }'
}

gives() { # CODE COMMAND…: its message is among those that come
  code=$1
  shift
  last_command="explain $code: $*"
  "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
  checks=$((checks + 1))
  grep -qE "^[^ ].*(error|warning|note)\[$code\]" "$tmp/err" || fail "the example of $code gives another message"
}

run_example() { # CODE
  rm -rf ./*.surgery ./*.pth elided
  context "$1"
  example "$1" >block
  [ ! -e elided ] || mv elided block
  if grep -q '^surgeryc ' block; then
    gives "$1" "$SURGERYC" check $(sed 's/^surgeryc //; s/ *#.*//; q' block)
    return
  fi
  takes=$(grep -cE '(^|; *)take ' block)
  model=$(sed -n 's/^model \([A-Za-z0-9_]*\).*/\1/p' block | tail -n 1)
  [ "$takes" = 0 ] && [ -n "$model" ] && [ -z "$behind" ] && behind="take $model from random"
  if [ "$takes" = 0 ] && [ -z "$behind" ] && [ $prefix = default ]; then echo 'take resnet18 from random' >$script; fi
  cat block >>$script
  [ -z "$behind" ] || echo "$behind" >>$script
  gives "$1" "$SURGERYC" check $script
}

is_in() { # WORD LIST
  case " $2 " in *" $1 "*) return 0 ;; esac
  return 1
}

untested=$(sed 's/ .*//' "$TOOLS_SOURCE/untested.txt" | tr '\n' ' ')
codes=$("$SURGERYC" explain | sed 's/ .*//')
check "there are codes" test "$(echo "$codes" | wc -l)" -ge 90
for code in $codes; do
  if is_in $code "$untested" || is_in $code "$elsewhere"; then
    checks=$((checks + 1))
    [ -n "$(example $code)" ] || fail "the page of $code has no example"
    mentioned=$(grep -rlw --include='*.surgery' --include='*.c' --include='*.sh' --include='*.golden' --include='*.def' -e "$code" -e "DIAG_$code" \
      "$SURGERY_SOURCE/tests" | grep -v "^$TOOLS_SOURCE" | head -n 1)
    is_in $code "$untested" || [ -n "$mentioned" ] || fail "no test gives $code: add one, or let the example of its page give it"
    ! is_in $code "$untested" || [ -z "$mentioned" ] || fail "$code is tested by $mentioned: take it out of untested.txt"
  else
    run_example $code
  fi
done
for code in $untested $elsewhere; do
  check "$code is a code" is_in $code "$(echo $codes)"
done
equals "codes that no test gives" "$(echo $untested | wc -w)" 1
finish
