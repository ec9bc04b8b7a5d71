# surgeryc run: the cache is used when nothing changed and only then; two at once; what is left of a killed build.
. "$RUN_SOURCE/common.sh"
export XDG_CACHE_HOME="$tmp/cache"
mkdir cache
{ cat "$RUN_WORK/net.surgery" && echo '# more'; } >net.surgery
printf 'include "net.surgery"\ntake Tiny from random\nfreeze all\nreplace fc with Linear(_, 3)\n' >a.surgery

built() { find cache/surgery -name '*.complete' | wc -l; }
builds() { # NUMBER COMMAND…: there are so many entries afterwards, and the program ran
  number=$1
  shift
  run 0 "$SURGERYC" run -O0 "$@"
  equals "entries after: $*" "$(built)" "$number"
}

# its own stdout is the program's; messages go to stderr
builds 1 a.surgery -- info
out '^network +a, from a\.surgery$'
out_lacks 'surgeryc'
entry=$(dirname "$(find cache/surgery -type f -name a)")
touch -d '2001-01-01' "$entry/a"
builds 1 a.surgery -- info
out '^output +\(N, 3\)$'
equals "not built again" "$(stat -c %Y "$entry/a")" "$(date -d '2001-01-01' +%s)"

# the program's status and arguments
run 2 "$SURGERYC" run -O0 a.surgery -- nonsense
err "no command 'nonsense'"
run 2 "$SURGERYC" run -O0 a.surgery
run 0 "$SURGERYC" run -O0 a.surgery -- predict "$data/x.npy" --top 1
exists "$tmp/out"
run 0 "$SURGERYC" run -O0 a.surgery -- --help
out '^usage: a '

# what changes it: script, include, options; the include's time alone does not
touch net.surgery
builds 1 a.surgery -- info
sed -i 's/^# more$/# less/' net.surgery # as long as before
builds 2 a.surgery -- info
echo 'expect output (N, 3)' >>a.surgery
builds 3 a.surgery -- info
builds 3 a.surgery -- info
run 0 "$SURGERYC" run -O1 a.surgery -- info
equals "-O1" "$(built)" 4
run 0 "$SURGERYC" run -O0 --cpu=x86-64-v2 a.surgery -- info
equals "--cpu" "$(built)" 5
run 0 "$SURGERYC" run -O0 --cpu=x86-64,x86-64-v2 a.surgery -- info
out 'compiled for x86-64-v2.* and x86-64'
run 0 "$SURGERYC" run -O0 --cpu=x86-64-v2,x86-64 a.surgery -- info
equals "--cpu of several, in any order" "$(built)" 6
printf 'include "net.surgery"\ntake Tiny(classes) from random\n' >b.surgery
builds 7 b.surgery -- info
builds 8 -D classes=4 b.surgery -- info
out '^output +\(N, 4\)$'
builds 8 -D classes=4 b.surgery -- info

# weights by path, size and time
cp "$RUN_WORK/tiny.safetensors" w.safetensors
printf 'include "net.surgery"\ntake Tiny from "w.safetensors"\n' >c.surgery
builds 9 c.surgery -- info
builds 9 c.surgery -- info
touch -d '2001-01-01' w.safetensors
builds 10 c.surgery -- info

# errors of the script, wrong usage
echo 'freze all' >wrong.surgery
run 1 "$SURGERYC" run wrong.surgery -- info
is_empty "$tmp/out"
err '^wrong\.surgery:1:1: error\[E0001\]'
run 3 "$SURGERYC" run nowhere.surgery -- info
run 2 "$SURGERYC" run a.surgery info
err 'stands behind --'
run 2 "$SURGERYC" run --cpu=pentium-9 a.surgery -- info
run 2 "$SURGERYC" run -o x a.surgery -- info
run 2 "$SURGERYC" run
equals "no entry more" "$(built)" 10

# two at once, and more: each runs, one builds; each build calls cc once
mkdir bin
printf '#!/bin/sh\necho >>"%s/linked"\nexec "%s" "$@"\n' "$tmp" "$(command -v cc)" >bin/cc && chmod +x bin/cc
echo 'expect output (N, 3) # at once' >>a.surgery
for i in 1 2 3 4; do
  PATH=$tmp/bin:$PATH "$SURGERYC" run -O0 a.surgery -- info >at-once.$i 2>&1 &
done
wait
for i in 1 2 3 4; do matches at-once.$i '^network +a, from'; done
equals "one entry for all" "$(built)" 11
equals "builds" "$(wc -l <linked)" 1

# a build that was killed is made again, whatever it left
prepare() { rm -rf cache/surgery; }
examine() {
  "$SURGERYC" run -O0 a.surgery -- info >again 2>&1 || fail "after a kill: $(cat again)"
}
every_fault kill 3 "$SURGERYC" run -O0 a.surgery -- info

# a month unused: removed by the next build
old=$(find cache/surgery -name '*.complete')
touch -d '2001-01-01' "$old"
echo '# another' >>a.surgery
builds 1 a.surgery -- info
check "the old one is gone" test ! -e "$old"
absent "${old%.complete}" "${old%.complete}.lock"

# a save is written each time, since the script is built each time
printf 'include "net.surgery"\ntake Tiny from random\nsave fc to "fc.safetensors"\n' >s.surgery
builds 2 s.surgery -- info
rm fc.safetensors
builds 2 s.surgery -- info
exists fc.safetensors

# no place
last_command='without HOME'
env -u HOME -u XDG_CACHE_HOME "$SURGERYC" run -O0 a.surgery -- info >"$tmp/out" 2>"$tmp/err"
equals "no place" $? 3
err 'set XDG_CACHE_HOME or HOME'
XDG_CACHE_HOME=$tmp/a.surgery "$SURGERYC" run -O0 a.surgery -- info >"$tmp/out" 2>"$tmp/err"
equals "a file for a folder" $? 3
mkdir home
env -u XDG_CACHE_HOME HOME="$tmp/home" "$SURGERYC" run -O0 a.surgery -- info >"$tmp/out" 2>"$tmp/err"
equals "~/.cache" "$?" 0
exists home/.cache/surgery
# the cache has a bound: the entry used last stays; --clear-cache empties it
before=$(built)
[ "$before" -gt 1 ] || fail "$before entries"
SURGERY_CACHE_SIZE=1 run 0 "$SURGERYC" run -O0 -D classes=6 b.surgery -- info
equals "entries within a bound of one byte" "$(built)" 1
SURGERY_CACHE_SIZE=1 run 0 "$SURGERYC" run -O0 -D classes=6 b.surgery -- info
equals "it is still there" "$(built)" 1
run 0 "$SURGERYC" run --clear-cache
equals "entries after --clear-cache" "$(built)" 0
run 0 "$SURGERYC" run -O0 --clear-cache b.surgery -- info
equals "with a script" "$(built)" 1
run 2 "$SURGERYC" run
finish
