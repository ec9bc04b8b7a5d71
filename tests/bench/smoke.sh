# smoke.sh BUILD-FOLDER: tests/bench/run measures every kind of row on our side, says what each is, and answers in both forms.
set -eu
here=$(dirname "$0")
"$here/run" --only smoke --runs 1 --no-peers --threads 1 "$1" > table.md
"$here/run" --only smoke-forward --runs 2 --no-peers --json "$1" > table.json
fail() { echo "smoke: $*"; cat table.md table.json; exit 1; }
row() { # TITLE FIGURE [PATTERN OF THE REST]: each row has its threads and a figure of its unit
  grep -Eq "^\| $1 +\| +(1|-) \| +[0-9.]+ $2 \|${3-}" table.md || fail "no row '$1' in $2"
}
row 'forward lenet, n = 1' ms
row 'training step lenet, n = 4' ms
row 'head step lenet, n = 4' ms
row '25 epochs of a head lenet' ms
row 'first prediction lenet' ms
row 'memory lenet' MB ' +[0-9.]+ MB \| +[0-9.]+ \|.*<= 1000 \| +yes'
row 'memory of help lenet' MB
row 'memory of a step lenet' MB
row 'compile lenet' '(ms|s)' ' +3000 ms \| +[0-9.]+ \|'
row 'compile memory lenet' MB ' +30[0-9] MB \| +[0-9.]+ \|'
row 'size lenet' MB ' +2.00 MB \| +[0-9.]+ \|'
grep -q '"row": "smoke-forward".*"threads": [1-9].*"unit": "ms", "ours": [0-9.]*[1-9]' table.json || fail 'no row in the JSON'
