# Where a program looks for its weights: beside itself, wherever it was copied; beside the library that holds the network;
# then where --weights-path says. No output holds a path of the machine that built it.
. "$RUN_SOURCE/common.sh"
mkdir build ship library away
cp "$RUN_WORK"/*.surgery build/
run 0 "$SURGERYC" "$tmp/build/tiny.surgery" -o "$tmp/build/tiny"
run 0 build/tiny info
out "^weights +$tmp/build/tiny\.safetensors \(beside the program\)$"
out '^network +tiny, from tiny\.surgery$'
run 0 "$tmp/build/tiny" train --data "$data/idx" --epochs 2 --quiet --out "$tmp/other.safetensors"

# other weights beside the copy: those, though the ones of the build are still there
cp build/tiny ship/
cp other.safetensors ship/tiny.safetensors
run 0 ship/tiny info
out "^weights +$tmp/ship/tiny\.safetensors \(beside the program\)$"
run 0 ship/tiny export --out shipped.safetensors --quiet
run 0 ship/tiny export --weights other.safetensors --out other-again.safetensors --quiet
check "the weights beside the program" cmp shipped.safetensors other-again.safetensors
run 0 ship/tiny info --weights build/tiny.safetensors
out '^weights +build/tiny\.safetensors \(given with --weights\)$'
ln -s ../ship/tiny away/link # the program is where the link leads
run 0 away/link info
out "^weights +$tmp/ship/tiny\.safetensors "

# nothing beside the copy: not those of the build either
rm ship/tiny.safetensors
run 1 ship/tiny info
err "the weights of 'tiny' were not found: give the file with --weights FILE"
err "beside the program $tmp/ship/tiny\.safetensors"

# a place that was asked for, from the program's own folder or from the root
for place in ../away/w.safetensors "$tmp/away/w.safetensors"; do
  run 0 "$SURGERYC" build/tiny.surgery -o ship/asked --weights-path "$place"
  rm -f away/w.safetensors
  run 0 ship/asked info
  out '\(beside the program\)$'
  mv ship/asked.safetensors away/w.safetensors
  run 0 ship/asked info
  out '^weights +/.*away/w\.safetensors \(where its build asked for\)$'
done
rm away/w.safetensors
run 1 ship/asked info
err "where its build asked for $tmp/away/w\.safetensors"
run 2 "$SURGERYC" build/tiny.surgery -o both --weights-path w.safetensors --embed-weights
err 'one of the two'
run 0 "$SURGERYC" build/tiny.surgery -o inside --embed-weights
run 0 ./inside info
out '^weights +embedded \(in the program itself\)$'

# no path of the builder's, though the script was given by one
for output in tiny net.o libnet.so libnet.a code.s; do
  run 0 "$SURGERYC" "$tmp/build/tiny.surgery" -o "$tmp/build/$output"
  checks=$((checks + 1))
  ! grep -qa -F "$tmp" "build/$output" || fail "$output holds the folder it was built in"
done
checks=$((checks + 1))
! grep -qa -F "$tmp" build/*.safetensors build/*.h || fail "the weights or a header hold the folder they were built in"

# a library: beside itself where it is not the program's folder
cat >use.c <<'X2'
#include "libnet.h"
#include <stdio.h>
int main(void) {
  surgery_error err;
  libnet *net = libnet_open(0, &err);
  if (!net) puts(err.message);
  libnet_close(net);
  return net ? 0 : 1;
}
X2
mv build/libnet.so build/libnet.safetensors library/
sanitize=${SURGERY_SANITIZE:+-fsanitize=$SURGERY_SANITIZE}
check "linking with the library" "${CC:-cc}" $sanitize -Ibuild use.c library/libnet.so -Wl,-rpath,"$tmp/library" -o away/use
run 0 away/use
mv library/libnet.safetensors away/ # beside the program: first
run 0 away/use
rm away/libnet.safetensors
run 1 away/use
out "beside the program $tmp/away/libnet\.safetensors"
out "beside the library $tmp/library/libnet\.safetensors"
finish
