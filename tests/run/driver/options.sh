# -D, -I, --cpu, -O, --weights, --threads; what is wrong usage, and which words come then.
. "$RUN_SOURCE/common.sh"
script=$RUN_WORK/tiny.surgery

# -D reaches the param, also before the include that declares it; a wrong one is an error of the script.
cat >four.surgery <<'X'
include "net.surgery"
take Tiny(classes) from random
X
run 1 "$SURGERYC" check four.surgery
err 'error\[E[0-9]*\]: .*net\.surgery'
run 0 "$SURGERYC" check four.surgery -I "$RUN_WORK"
run 0 "$SURGERYC" -O0 four.surgery -I "$RUN_WORK" -D classes=7 -o seven
run 0 ./seven info
out '^output +\(N, 7\)$'
run 0 "$SURGERYC" -O0 four.surgery "-I$RUN_WORK" -Dclasses=2 -o two
run 0 ./two info
out '^output +\(N, 2\)$'
run 1 "$SURGERYC" check four.surgery -I "$RUN_WORK" -D clases=7
err "error\[E[0-9]*\]: .*clases"
err "did you mean 'classes'"
run 1 "$SURGERYC" check four.surgery -I "$RUN_WORK" -D classes=seven
err "error\[E[0-9]*\]"
run 2 "$SURGERYC" check four.surgery -D classes
err "-D wants NAME=VALUE, not 'classes'"
# the first folder of several that has the file, and the script's own folder before all
mkdir first second && echo 'param classes = 4' >second/net.surgery && cp "$RUN_WORK/net.surgery" first
run 0 "$SURGERYC" check four.surgery -I nowhere -I first -I second
run 1 "$SURGERYC" check four.surgery -I second -I first

# -Wno-weights: a weight file that is not there is no error, one that is there is looked at all the same
cat >absent.surgery <<'X'
take lenet from "nonesuch.pth"
load conv1 from "nonesuch-either.pth"
replace fc3 with Linear(_, 4)
X
run 1 "$SURGERYC" check absent.surgery
err 'nonesuch\.pth is not there'
err 'nonesuch-either\.pth is not there'
run 0 "$SURGERYC" check -Wno-weights absent.surgery
is_empty "$tmp/err"
echo 'expect output (N, 5)' >>absent.surgery
run 1 "$SURGERYC" check -Wno-weights absent.surgery
err 'error\[E0223\]: expected output \(N, 5\), but it is \(N, 4\)'
printf 'take lenet from random\nload conv1 from "lenet.bad"\n' >bad.surgery
echo 'no weights' >lenet.bad
run 1 "$SURGERYC" check -Wno-weights bad.surgery
err 'error\[E0403\]'
run 2 "$SURGERYC" -Wno-weights absent.surgery -o none
err 'build takes no -Wno-weights'
absent none none.safetensors

# --name: the C interface's names, whatever the file is called
run 0 "$SURGERYC" -O0 "$script" --name=ants -o lib-of-2.a
matches lib-of-2.h 'ants \*ants_open\('
matches lib-of-2.h 'define ANTS_CLASSES'
run 2 "$SURGERYC" -O0 "$script" --name=2-ants -o two.a
err "cannot be the beginning of a name in C; one that can: net_2_ants"
run 2 "$SURGERYC" -O0 "$script" --name=int -o two.a
absent two.a

# --cpu
run 0 "$SURGERYC" "$script" --cpu=x86-64-v3 -o v3
run 0 ./v3 info
out 'compiled for x86-64-v3;'
run 0 ./v3 predict "$data/x.npy" --top 3
cp "$tmp/out" v3.txt
run 0 "$SURGERYC" "$script" --cpu=x86-64-v2 -O2 -o v2
run 0 ./v2 predict "$data/x.npy" --top 3
check "the same classes on v2 and v3" cmp "$tmp/out" v3.txt
run 2 "$SURGERYC" "$script" --cpu=pentium-9 -o v9
err "pentium-9"
absent v9 v9.safetensors
run 0 "$SURGERYC" -O0 "$script" --threads=1 -o one
echo 'take lenet from random' >threads.surgery # of as many calls that two threads would share them
run 0 "$SURGERYC" -O0 threads.surgery --threads=1 -o alone
equals "one module" "$(readelf -sW alone | grep -c ' FILE .* alone$')" 1
for kind in o a; do # whoever makes it, an object is the same; a program, with as many threads
  run 0 "$SURGERYC" -O0 threads.surgery --threads=1 -o same.$kind && mv same.$kind first.$kind
  run 0 "$SURGERYC" -O0 threads.surgery --threads=4 -o same.$kind
  check "the same with four threads" cmp first.$kind same.$kind
done
run 0 "$SURGERYC" -O0 threads.surgery --threads=4 -o same && mv same first-program
run 0 "$SURGERYC" -O0 threads.surgery --threads=4 -o same
check "the same program again" cmp first-program same
run 2 "$SURGERYC" "$script" --threads=0
err "--threads wants a number from 1 to"
run 2 "$SURGERYC" "$script" -O7
err "-O wants a number from 0 to 3, not '7'"

# --weights NAME=FILE and --weights FOLDER; the wrong file names what is wrong with it
run 0 "$SURGERYC" check "$SURGERY_SOURCE/tests/run/scripts/tiny.surgery"
echo 'take lenet; freeze all; replace fc3 with Linear(_, 5)' >donor.surgery
echo 'take lenet from random' >make.surgery
run 0 "$SURGERYC" make.surgery --stop-after=weights -o lenet
exists lenet.safetensors
absent lenet
run 0 "$SURGERYC" check donor.surgery --weights lenet=lenet.safetensors
run 1 "$SURGERYC" check donor.surgery
err 'error\[E04'
run 1 "$SURGERYC" check donor.surgery --weights lenet=absent.pth
err "absent\.pth"
run 1 "$SURGERYC" check donor.surgery --weights "lenet=$RUN_WORK/tiny.safetensors"
err "tiny\.safetensors"
err "error\[E04"

# wrong usage is status 2, one line, and nothing on stdout
for words in '' '--nonsense' '--emit=exee x' 'check' 'fmt' 'plan' 'plan a.surgery b.surgery' 'explain E0001 E0002' 'chek a.surgery' \
  '--stop-after=lnk x' '--dump=nothing x' '--diagnostics=xml x' '--color=blue x' '-o' '-Wall x' 'explain E9999' '--weights'; do
  run 2 "$SURGERYC" $words
  is_empty "$tmp/out"
  err .
done
run 2 "$SURGERYC" --emit=exee x
err "did you mean 'exe'"
run 2 "$SURGERYC" chek a.surgery
err "did you mean 'check'"
run 2 "$SURGERYC" --dump=pland x
err "did you mean 'plan'"
run 3 "$SURGERYC" nowhere.surgery
err "nowhere\.surgery: No such file"
run 3 "$SURGERYC" .
err "directory"

# an option of another command is refused, and each command's help shows its own alone
run 2 "$SURGERYC" check a.surgery --emit=obj
err "check takes no --emit"
run 2 "$SURGERYC" explain E0301 -c
err "explain takes no --compile"
run 2 "$SURGERYC" zoo resnet18
err "'resnet18' is too much for zoo"
run 0 "$SURGERYC" plan --help
out ' --define'
out_lacks ' --emit'
run 0 "$SURGERYC" explain --help
out_lacks ' --define|^passes'

# several scripts: each is judged by itself, and the worst status counts
echo 'take lenet from random' >good.surgery
echo 'tak lenet' >bad.surgery
echo 'param a = 1
take lenet from random' >param.surgery
run 0 "$SURGERYC" check good.surgery param.surgery param.surgery
is_empty "$tmp/out"
run 1 "$SURGERYC" check good.surgery bad.surgery param.surgery
err '^bad\.surgery:1:1: error'
run 1 "$SURGERYC" check bad.surgery bad.surgery good.surgery --diagnostics=json
equals "one array" "$(grep -c '^\[' "$tmp/err") $(grep -o '"E0001"' "$tmp/err" | wc -l)" "1 2"
run 3 "$SURGERYC" check nowhere.surgery bad.surgery
err 'nowhere\.surgery: No such file'
err '^bad\.surgery:1:1: error'

# help and version
run 0 "$SURGERYC" --help
out '^usage: surgeryc SCRIPT'
for option in -o -c -D -I -MD -MF -Werror --emit --weights --embed-weights --cpu --threads --tune --diagnostics --color --stop-after --dump --time-passes; do
  out "(^| )$option([ ,=]|$)"
done
out '^exit status: 0 done, 1 the script or an input is wrong, 2 wrong usage, 3 the environment failed, 70 a bug'
is_empty "$tmp/err"
for command in build check plan zoo explain fmt run; do
  run 0 "$SURGERYC" $command --help
  out "^usage: surgeryc"
done
run 0 "$SURGERYC" zoo
out '^resnet18 +\(N, 3, 224, 224\) +\(N, 1000\) +11,689,512 +3\.630  stem, layer1, layer2, layer3, layer4 +He et al\., 2015'
run 0 "$SURGERYC" --version
out '^surgeryc [0-9]+\.[0-9]+\.[0-9]+$'
finish
