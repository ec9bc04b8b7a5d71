#!/bin/sh
# The kernel calls of one script against plans/NAME.plan: plans.sh NAME SURGERYC. UPDATE=1 rewrites the golden, whose
# difference is to be read before it is committed. A thread's scratch is a matter of the kernels and left out.
set -eu
cd "$(dirname "$0")/plans"
got=$(mktemp)
trap 'rm -f "$got"' EXIT
"$2" build "$1.surgery" --stop-after=plan --dump=plan 2> /dev/null > "$got.all" || { rm -f "$got.all"; echo "surgeryc failed"; exit 1; }
sed 's/ + [0-9]* a thread$//' "$got.all" > "$got"
rm -f "$got.all"
[ -s "$got" ] || { echo "an empty dump"; exit 1; }
if [ "${UPDATE:-}" = 1 ]; then
  cp "$got" "$1.plan"
  chmod 644 "$1.plan"
fi
diff -u "$1.plan" "$got"
