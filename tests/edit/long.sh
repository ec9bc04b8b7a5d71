#!/bin/sh
# Scripts of thousands of lines, some thousand of each statement: a second where time grows with the length, minutes where
# it grows with the square of it. Each must be accepted; the test's own time limit is far above what it needs.
#   long.sh SURGERYC SCRATCH [LINES]
set -eu
surgeryc=$1 scratch=$2 lines=${3:-4000}
mkdir -p "$scratch"
net='model Net {
  a = Linear(8, 8)
  b = ReLU()
  c = Linear(8, 8)
  input tensor(8)
}'
failed=0

# Name, what comes first, the line to repeat with % for its number, what comes last.
try() {
  { printf '%s\n' "$2"; awk -v n="$lines" -v line="$3" 'BEGIN { for (i = 0; i < n; i++) { s = line; gsub(/%/, i, s); print s } }'
    printf '%s\n' "$4"; } >"$scratch/$1.surgery"
  if ! "$surgeryc" plan "$scratch/$1.surgery" >"$scratch/$1.out" 2>&1; then
    echo "$1: refused"
    head -5 "$scratch/$1.out"
    failed=1
  fi
}
take="$net
take Net from random"

for kind in 'append ReLU()' 'append n% = ReLU()' 'prepend ReLU()' 'insert ReLU() after b' 'insert n% = ReLU() before b' \
  'append Net[0:2] from random' 'prepend Net[0:2] from random' 'replace b with ReLU()' 'freeze a' 'unfreeze all' 'freeze parameters of a' \
  'freeze every Linear' 'freeze /^a/' 'freeze a..c' 'freeze [0]' 'init a with zeros' 'output y = c' 'expect a (N, 8)' 'expect parameters <= 12M' \
  'labels "a", "b", "c", "d", "e", "f", "g", "h"' 'train { optimizer Adam(lr=1e-3); batch 4 }' 'input tensor(8)' 'let k% = %' \
  'let k = "%"' 'for i in 0..2 { freeze a }' 'if true { freeze a } else { unfreeze a }' '# a comment'; do
  try "$(printf '%s' "$kind" | tr -c 'a-zA-Z0-9' _)" "$take" "$kind" ''
done
try rename "$take" 'rename b to x%; rename x% to b' ''
try take 'model Net {
  a = Linear(8, 8)' '  l% = ReLU()' '  input tensor(8)
}
take Net from random'
try forward 'model Net {
  a = Linear(8, 8)
  forward x {' '    x = relu(x)' '    return a(x)
  }
  input tensor(8)
}
take Net from random'
try remove "$net
take Net from random
$(awk -v n="$lines" 'BEGIN { for (i = 0; i < n; i++) print "append l" i " = ReLU()" }')" 'remove l%' ''
try model '' 'model M% { a = Linear(8, 8) }' "$take"
try param '' 'param k% = %' "$take"
try phase "$take
train { optimizer Adam(lr=1e-3)" '  phase p% { epochs 1; unfreeze a }' '}'
try group "model Net {
$(awk -v n="$lines" 'BEGIN { for (i = 0; i < n; i++) print "  l" i " = Linear(8, 8)" }')
  input tensor(8)
}
take Net from random
train { optimizer Adam(lr=1e-3)" '  group l% lr=0.1' '}'
exit $failed
