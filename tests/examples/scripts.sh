# Every .surgery file in examples/ and every script in README.md passes `surgeryc check`.
. "$(dirname "$0")/common.sh"
# Where a script takes its weights from a file that nobody has here, some of the same shapes do.
echo 'take resnet18 from random' >"$work/r.surgery"
"$SURGERYC" "$work/r.surgery" -c -O0 -o "$work/r.o"
count=0
check() { # FILE NAME
  "$SURGERYC" check "$1" --weights "resnet18=$work/r.safetensors" >"$work/output" 2>&1 || { cat "$work/output"; fail "$2 does not pass"; }
  count=$((count + 1))
}
for script in "$examples"/*/*.surgery; do
  case $script in */net.surgery | */models.surgery | *-wrong.surgery | */questions/*) continue ;; esac # included by others; tests/questions has the rest
  check "$script" "$script"
done
[ $count -ge 5 ] || fail "only $count scripts in $examples"
awk -v folder="$work" '/^```surgery$/ { inside = 1; file = folder "/readme" ++n ".surgery"; next } /^```/ { inside = 0 } inside { print > file }' "$SURGERY_SOURCE/README.md"
[ -e "$work/readme1.surgery" ] || fail "no script in README.md"
for script in "$work"/readme*.surgery; do check "$script" "the script in README.md: $(head -n 1 "$script")"; done

# The flagship example is the page's second script, and README.md's is the same but for its remarks.
strip() { sed 's/#.*//; s/[[:space:]]\{1,\}/ /g; s/ $//; s/^ //; /^$/d' "$1"; }
strip "$examples/ants-bees/ants_bees.surgery" >"$work/a"
strip "$work/readme1.surgery" >"$work/b"
cmp "$work/a" "$work/b" || fail "README.md's first script is another one than examples/ants-bees"
grep -v augment "$work/a" >"$work/c"
strip "$examples/ants-bees/ants_bees_cached.surgery" >"$work/d"
cmp "$work/c" "$work/d" || fail "the two scripts of examples/ants-bees differ in more than augmentation"

# A script that is wrong is noticed.
echo 'take resnet18 from random; freeze lajer4' >"$work/wrong.surgery"
! "$SURGERYC" check "$work/wrong.surgery" >"$work/output" 2>&1 || fail "check takes anything"
echo "$count scripts"
finish
