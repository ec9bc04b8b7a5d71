# The compiler at every call by which it makes a file: where one fails, status 3, the older build whole and no temporaries;
# where the process dies, the older build or the new one, never half a file under its name.
. "$RUN_SOURCE/common.sh"
script=$RUN_WORK/tiny.surgery
run 0 "$SURGERYC" -O0 "$script" -o want.o -MD
mkdir was && for f in net.o net.h net.safetensors net.o.d; do echo old >was/$f; done
prepare() { rm -rf d && cp -r was d; }

examine() {
  [ "$1" = 3 ] || fail "status $1"
  only_files d net.o net.h net.safetensors net.o.d
  err 'No space left on device'
}
every_fault fail 6 "$SURGERYC" -O0 "$script" -o d/net.o -MD
check "a run without fault" sh -c 'cmp d/net.safetensors want.safetensors && ! grep -qx old d/net.o d/net.h d/net.o.d'
whole() { # FILE: old, or what a run without fault gives
  grep -qx old d/$1 || [ "$(wc -c <d/$1)" = "$(wc -c <good/$1)" ] || fail "$1 is neither the old nor the new one"
}
mv d good
examine() {
  [ "$1" -gt 128 ] || fail "status $1 instead of death"
  for f in net.o net.h net.safetensors net.o.d; do whole $f; done
}
every_fault kill 6 "$SURGERYC" -O0 "$script" -o d/net.o -MD
# what the killed runs left behind is removed by the next one; what a living process has is not
rm -rf d && cp -r was d
touch d/.net.o.$$-0
touch d/.net.o.999999999-0 d/.net.safetensors.999999999-3.safetensors d/..net.safetensors.999999999-3.safetensors.0123abcd.tmp
mkdir d/.net.o.999999999-1 && touch d/.net.o.999999999-1/net.o
run 0 "$SURGERYC" -O0 "$script" -o d/net.o -MD
only_files d net.o net.h net.safetensors net.o.d .net.o.$$-0

prepare() { rm -rf d && mkdir d && echo old >d/net; }
examine() {
  [ "$1" = 3 ] || fail "status $1"
  only_files d net
  check "the old program" grep -qx old d/net
}
every_fault fail 6 "$SURGERYC" -O0 "$script" -o d/net --embed-weights
finish
