# Every kind of output, chosen by --emit and by suffix, and the names that an output may have.
. "$RUN_SOURCE/common.sh"
script=$RUN_WORK/tiny.surgery

kind() { # FILE WORD…: `file`'s work done with od: ELF type 1 object, 2 or 3 program or library
  od -An -tx1 -j16 -N1 "$1" | tr -d ' '
}
mkdir o
run 0 "$SURGERYC" -O0 "$script" -o o/prog
only_files o prog prog.safetensors
check "o/prog runs" o/prog info
run 0 "$SURGERYC" -O0 "$script" --emit=obj -o o/net.o
run 0 "$SURGERYC" -O0 "$script" -o o/same.o
run 0 "$SURGERYC" -O0 "$script" -c -o o/third.o
for f in net same third; do
  equals "ELF type of $f.o" "$(kind o/$f.o)" 01
  exists o/$f.h o/$f.safetensors
done
matches o/net.h 'int net_forward\(net \*net, size_t n, const float \*x, float \*y\);'
run 0 "$SURGERYC" -O0 "$script" --emit=obj -o o/odd.suffix
exists o/odd.suffix o/odd.h

run 0 "$SURGERYC" -O0 "$script" -o o/lib.a
exists o/lib.a o/lib.h
check "ar lists it" sh -c 'ar t o/lib.a | grep -q "\.o$"'
members=$(ar t o/lib.a)

# wherever it is built, an output has the same bytes; of several modules too
mkdir -p 'other folder/deeper'
printf 'take lenet from random\ntrain { optimizer SGD(lr=0.1); loss CrossEntropy; batch 4; epochs 1 }\n' | tee lenet.surgery >'other folder/deeper/lenet.surgery'
for kind in o a so s ll exe; do
  run 0 "$SURGERYC" -O0 lenet.surgery -o o/here.$kind
  (cd 'other folder/deeper' && run 0 "$SURGERYC" -O0 lenet.surgery -o here.$kind)
  check "the same .$kind in another folder" cmp "o/here.$kind" "other folder/deeper/here.$kind"
done
run 0 "$SURGERYC" -O0 "$script" -o o/lib.a
equals "members after a second build" "$(ar t o/lib.a)" "$members"
run 0 "$SURGERYC" -O0 "$script" --emit=static -o o/forced
check "--emit=static" sh -c 'ar t o/forced | grep -q "\.o$"'

run 0 "$SURGERYC" -O0 "$script" -o o/libshared.so
exists o/libshared.so o/libshared.h
equals "ELF type of the shared library" "$(kind o/libshared.so)" 03
nm -D --defined-only o/libshared.so >names
matches names ' T libshared_forward$'
lacks names ' T (cblas_|sg_|net_)'
run 0 "$SURGERYC" -O0 "$script" --emit=shared -o o/forced.dll
exists o/forced.dll

run 0 "$SURGERYC" -O0 "$script" -o o/ir.ll
matches o/ir.ll '^define .*@ir_forward'
run 0 "$SURGERYC" -O0 "$script" --emit=llvm -o o/ir.txt
matches o/ir.txt '^define .*@ir_forward'
run 0 "$SURGERYC" -O0 "$script" -o o/code.s
matches o/code.s '^code_forward:'
run 0 "$SURGERYC" -O0 "$script" --emit=asm -o o/code.txt
matches o/code.txt '^code_forward:'
check "cc assembles it" cc -c o/code.s -o o/assembled.o
check "llvm verifies its own text" sh -c '! command -v opt-19 >/dev/null || opt-19 -passes=verify -disable-output o/ir.ll'
run 0 "$SURGERYC" -O0 "$script" --emit=llvm -o /dev/stdout
out '^define .*_forward'
absent /dev/stdout.safetensors
run 0 "$SURGERYC" -O0 "$script" --emit=graph
out '^digraph network'

# Without -o: the script's name in the working directory.
mkdir here && cp "$RUN_WORK/net.surgery" "$RUN_WORK/tiny.surgery" here && cd here
run 0 "$SURGERYC" tiny.surgery
run 0 "$SURGERYC" tiny.surgery -c
only_files . net.surgery tiny tiny.h tiny.o tiny.safetensors tiny.surgery
cp tiny.surgery plain
run 0 "$SURGERYC" plain
exists plain.out
matches plain '^take Tiny'
cd ..

# Names that a shell, a linker script or getopt could take amiss.
mkdir 'a b' "it's \"quoted\" \$HOME" ./-dash
for name in 'a b/my net' "it's \"quoted\" \$HOME/x" './-dash/-o' './-x' 'a;b&c' 'ünï' '%s%n' '1st' 'a,b=c'; do
  run 0 "$SURGERYC" -O0 "$script" -o "$name"
  exists "$name" "$name.safetensors"
  case $name in /* | */*) program=$name ;; *) program=./$name ;; esac
  run 0 "$program" info
  out '^parameters  44 frozen, 699 trainable$'
done
run 0 "$SURGERYC" -O0 "$script" -o -leading
exists ./-leading ./-leading.safetensors
cp "$RUN_WORK"/*.surgery 'a b'
cp 'a b/tiny.surgery' 'a b/-t "x".surgery'
run 0 "$SURGERYC" -O0 'a b/-t "x".surgery' -o quoted
check "a script's odd name is only text" ./quoted info
cd 'a b'
run 0 "$SURGERYC" -o dash -- '-t "x".surgery'
exists dash
for suffix in o a so ll s; do
  run 0 "$SURGERYC" -O0 tiny.surgery -o "it's a -net \$x.$suffix"
  exists "it's a -net \$x.$suffix"
done
cd ..

run 3 "$SURGERYC" -O0 "$script" -o no/such/folder/x
err "cannot write 'no/such/folder/x.*No such file"
run 3 "$SURGERYC" -O0 "$script" -o o
err "cannot write 'o': it is a folder"
run 3 "$SURGERYC" -O0 "$script" -o o/
err "cannot write"
finish
