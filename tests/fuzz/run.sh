#!/bin/sh
# One fuzzer for some seconds: run.sh PROGRAM SECONDS SOURCE SCRATCH [libFuzzer's options]
# The seeds are files of the tests, copied (and, where the program puts a prologue in front, cut) into a fresh folder each
# time; what is found on the way is thrown away, a finding stays in SCRATCH with its name printed.
set -eu
program=$1 seconds=$2 source=$3 scratch=$4
shift 4
name=${program##*/fuzz_}
fixtures=$source/tests/weights/fixtures models=$source/tests/onnx/models
rm -rf "$scratch/seeds"
mkdir -p "$scratch/seeds"
seeds=$scratch/seeds
# In memory where that is possible: some fuzzers write a file for each input, and disks sync those.
base=${TMPDIR:-/tmp}
[ -n "${TMPDIR:-}" ] || ! [ -w /dev/shm ] || base=/dev/shm
work=$(mktemp -d "$base/surgery-fuzz-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/found"
mkdir "$work/run"
cd "$work/run"

# Files of at most 8 KB: a fuzzer is as fast as its inputs are small.
take() {
  for file; do [ "$(wc -c <"$file")" -gt 8192 ] || cp "$file" "$seeds/"; done
}
byte() { # a byte by its number, then standard input
  printf "$(printf '\\%03o' "$1")"
  cat
}
case $name in
safetensors) for f in "$fixtures"/*.safetensors; do { head -c 2 "$f"; tail -c +9 "$f"; } >"$seeds/${f##*/}"; done ;;
zip) take "$fixtures"/zip*.pth "$fixtures"/checkpoint_*.pth "$fixtures"/*root_views.pth "$fixtures"/rebuild_v3.pth "$fixtures"/bigendian.pth ;;
legacy) for f in "$fixtures"/legacy_*.pth; do tail -c +22 "$f" >"$seeds/${f##*/}"; done ;;
tar)
  for part in storages tensors pickle; do tar -xOf "$fixtures/tar.pth" $part >"../$part"; done
  for part in storages tensors; do
    size=$(wc -c <"../$part")
    byte $((size & 255)) </dev/null; byte $((size >> 8)) <"../$part"
  done >"$seeds/tar"
  cat ../pickle >>"$seeds/tar" ;;
npy) take "$fixtures"/*.np? ;;
gguf) take "$fixtures"/*.gguf ;;
index) take "$fixtures"/*.index.json; cp "$fixtures"/shard-* . ;;
onnx_weights) take "$models"/*.onnx; for f in "$models"/*; do [ "$(wc -c <"$f")" -gt 65536 ] || cp "$f" .; done ;;
onnx_import) take "$models"/*.onnx ;;
pickle) for f in "$fixtures"/zip*.pth; do tail -c +65 "$f" | head -c 4000 >"$seeds/${f##*/}"; done ;; # data.pkl comes first, at 64
picture) take "$source"/tests/images/pictures/*/* "$source"/tests/images/formats/*/* ;;
data)
  printf 'a,b,c,d,label\n1,2,3,4,0\n5,6,7,8,2\n' | byte 21 >"$seeds/csv"
  printf 'a;b;c;d;class\n1;2;3;4;"x ""y"""\n5;6;7;8;z\n' | byte 21 >"$seeds/names"
  printf '1 2 3\n' | tr ' ' '\t' | byte 42 >"$seeds/values"
  printf 'file,label\na.png,cat\nb/c.jpg,dog\n' | byte 28 >"$seeds/pictures"
  printf 'a.png 2\nb/c.jpg 0\nd.png 1\n' | byte 28 >"$seeds/list"
  printf 'a.png,1,0.5\n"b.png",0,1\n' | byte 49 >"$seeds/numbers"
  printf 'f;cat;dog;3\n/a.png;0;1;1\n' | byte 28 >"$seeds/several"
  head -c 3073 /dev/zero | byte 36 >"$seeds/cifar"
  printf '\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\2abcdefgh' | byte 30 >"$seeds/images"
  printf '\0\0\10\1\0\0\0\2\1\0' | byte 34 >"$seeds/labels"
  for f in "$fixtures"/*.npy; do byte 3 <"$f" >"$seeds/${f##*/}"; done
  byte 4 <"$fixtures/stored.npz" >"$seeds/npz"
  byte 67 <"$fixtures/stored.npz" >"$seeds/tokens"
  for number in 10 136; do
    { printf '\223NUMPY\1\0v\0%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2, 3), }"; head -c 24 /dev/zero; } |
      byte $number >"$seeds/bytes$number"
  done
  printf '\73\0\0\0\0\0\0\0{"x":{"dtype":"U8","shape":[2,2,2],"data_offsets":[0,8]}}  abcdefgh' | byte 12 >"$seeds/u8"
  byte 26 <"$fixtures/all.safetensors" >"$seeds/safetensors" ;;
features) # what becomes of a good file
  printf '\2\0' >"$seeds/nothing"
  printf '\2\0P\0x' >"$seeds/entry"
  printf '\2\0\10\0\14' >"$seeds/count"
  printf '\2\0\320\0x12' >"$seeds/feature"
  printf '\1\100' >"$seeds/cut" ;;
lsp) # odd: a script; even: frames
  for f in "$source"/tests/grammar/cases/*.surgery "$source"/tests/messages/cases/*.surgery "$source"/examples/*/*.surgery; do
    [ "$(wc -c <"$f")" -gt 2000 ] || byte 1 <"$f" >"$seeds/${f##*/}"
  done
  for method in hover completion semanticTokens/full codeLens; do
    body='{"jsonrpc":"2.0","id":9,"method":"textDocument/'$method'","params":{"textDocument":{"uri":"file:///nowhere/fuzz.surgery"},"position":{"line":1,"character":9}}}'
    printf 'Content-Length: %d\r\n\r\n%s' "${#body}" "$body" | byte 2 >"$seeds/${method##*/}"
  done ;;
parser | script) take "$source"/tests/grammar/cases/*.surgery "$source"/tests/lang/*.surgery "$source"/compiler/zoo/*.surgery ;;
esac
[ "$name" = parser ] || [ "$name" = script ] || [ "$name" = lsp ] &&
  sed -n 's/^[A-Z_]*(\([a-z]*\),.*/"\1 "/p' "$source/grammar/keywords.def" >"$work/words.dict" && set -- "-dict=$work/words.dict" "$@"

# The machine's weights and settings are no part of a run; and a script may not find any.
SURGERY_WEIGHTS= TORCH_HOME=/nonexistent HOME=/nonexistent
export SURGERY_WEIGHTS TORCH_HOME HOME
"$program" "$work/found" "$seeds" -max_total_time="$seconds" -artifact_prefix="$scratch/" -timeout=20 -rss_limit_mb=2048 \
  -max_len=8192 -print_final_stats=1 -verbosity=1 "$@"
