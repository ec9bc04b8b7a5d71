# -MD and -MF: what make and ninja read, its escapes, and a real rebuild by ninja when an include or a weight file changes.
. "$RUN_SOURCE/common.sh"
mkdir 'in c' && cp "$RUN_WORK/net.surgery" 'in c' && cp "$RUN_WORK/tiny.safetensors" donor.safetensors
printf 'include "net.surgery"\ntake Tiny from "donor.safetensors"\n' >net2.surgery

run 0 "$SURGERYC" -O0 net2.surgery -I 'in c' -o prog -MD
exists prog.d
words=$(sed 's/\\ /<blank>/g; s/\\$//' prog.d | tr -s ' \n' '\n\n' | LC_ALL=C sort | tr '\n' ' ')
equals "what prog.d names" "$words" "donor.safetensors donor.safetensors: in<blank>c/net.surgery in<blank>c/net.surgery: net2.surgery net2.surgery: prog prog.safetensors: "
equals "no temporaries" "$(ls -A | grep -c '^\.')" 0
run 0 "$SURGERYC" -O0 net2.surgery -I 'in c' -o prog -MF other.dep
check "-MF alone writes it too" cmp prog.d other.dep
run 0 "$SURGERYC" -O0 net2.surgery -I 'in c' -o prog.o -MD -MF obj.dep
matches obj.dep '^prog\.o prog\.h prog\.safetensors: '
run 0 "$SURGERYC" -O0 net2.surgery -I 'in c' -o prog.o --embed-weights -MD -MF obj.dep
matches obj.dep '^prog\.o prog\.h: '
{ cat net2.surgery && echo 'save fc to "fc.npz"'; } >net3.surgery
run 0 "$SURGERYC" -O0 net3.surgery -I 'in c' -o prog.a -MD -MF obj.dep
matches obj.dep '^prog\.a prog\.h prog\.safetensors fc\.npz: '
run 0 "$SURGERYC" -O0 net2.surgery -I 'in c' --emit=llvm -o text.ll -MD
matches text.ll.d '^text\.ll text\.safetensors: '
run 0 "$SURGERYC" -O0 net2.surgery -I 'in c' -o 'a #$b' -MD -MF odd.dep
matches odd.dep '^a\\ \\#\$\$b a\\ \\#\$\$b\.safetensors:'
mkdir none
run 1 "$SURGERYC" -O0 net2.surgery -o none/x -MD
only_files none
run 0 "$SURGERYC" -O0 net2.surgery -I 'in c' -o stopped -MD --stop-after=plan
absent stopped.d
run 3 "$SURGERYC" -O0 net2.surgery -I 'in c' -o none/new -MF no/such/file.d
err "no/such/file\.d"
only_files none
run 2 "$SURGERYC" -O0 net2.surgery -I 'in c' -o prog -MF prog
err "both the output and its dependency file"

# a picture's, too
run 0 "$SURGERYC" net2.surgery -I 'in c' -o net2.dot -MD
sed 's/^net2\.dot:/prog prog.safetensors:/' net2.dot.d >picture.d
check "what net2.dot.d names" cmp picture.d prog.d
run 2 "$SURGERYC" net2.surgery -I 'in c' -o net2.dot -MF net2.dot
err "both the output and its dependency file"
run 2 "$SURGERYC" net2.surgery -I 'in c' -o net3.dot -MF net2.surgery
err "would be overwritten"
absent net3.dot
run 2 "$SURGERYC" net2.surgery -I 'in c' --emit=graph -MD
err "wants -o"

if command -v ninja >/dev/null; then
  cat >build.ninja <<X
rule surgery
  command = '$SURGERYC' -O0 \$in -I 'in c' -o \$out -MD -MF \$out.d
  depfile = \$out.d
  deps = gcc
build net: surgery net2.surgery
X
  run 0 ninja
  run 0 ninja
  out 'no work to do'
  touch -d '+5 seconds' 'in c/net.surgery'
  run 0 ninja -n
  out '\[1/1\]'
  touch -d '-1 hour' 'in c/net.surgery'
  run 0 ninja
  touch -d '+5 seconds' donor.safetensors
  run 0 ninja -n
  out '\[1/1\]'
else
  echo "without ninja: the rebuild was not tried"
fi
finish
