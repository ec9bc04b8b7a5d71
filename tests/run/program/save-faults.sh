# Saving: a full disk, a file size limit, and death at every call by which a file is made. The old file stays whole until
# the new one is; after an error, which has status 3 and the system's reason, no temporaries are left.
. "$RUN_SOURCE/common.sh"
old=$RUN_WORK/tiny.safetensors
new=$RUN_WORK/trained.safetensors
prepare() { rm -rf d && mkdir d && cp "$old" d/w.safetensors; }
# The last of the calls is the sync of the folder, behind the rename: the new file is there then, and the message says so.
has_been_written() { grep -q 'written, but its folder cannot be synced' "$tmp/err"; }

# every call fails once: the old file, and nothing else
examine() {
  [ "$1" = 3 ] || fail "status $1"
  only_files d w.safetensors
  if has_been_written; then check "the new file" "$RUNTOOL" same d/w.safetensors "$new"
  else check "the old file" cmp d/w.safetensors "$old"; fi
  err 'No space left on device'
}
cp "$tiny" own && cp "$old" tiny.safetensors
every_fault fail 3 ./own export --weights "$new" --out d/w.safetensors
check "untouched, it is written" "$RUNTOOL" same d/w.safetensors "$new"

# the process dies in every call: old or new, and whole
died=0
examine() {
  [ "$1" -gt 128 ] && died=$((died + 1))
  cmp -s d/w.safetensors "$old" || "$RUNTOOL" same d/w.safetensors "$new" 2>/dev/null || fail "the file is neither the old nor the new one"
}
every_fault kill 3 ./own export --weights "$new" --out d/w.safetensors
check "it died each time" test $died -ge 3

# training: --out, the checkpoint, the log, whichever call fails: a checkpoint between epochs and a log cost no weights
run 0 ./own train --data "$data/idx" --epochs 2 --quiet --out whole.safetensors
prepare() { rm -rf d && mkdir d && cp "$old" d/w.safetensors && cp "$old" d/w-checkpoint.safetensors; }
examine() {
  [ "$1" = 3 ] || fail "status $1"
  only_files d w.safetensors w-checkpoint.safetensors
  "$RUNTOOL" list d/w.safetensors >/dev/null 2>&1 || fail "w.safetensors is damaged"
  "$RUNTOOL" list d/w-checkpoint.safetensors >/dev/null 2>&1 || fail "the checkpoint is damaged"
  if grep -q '; the training goes on$' "$tmp/err"; then
    check "the weights in spite of it" "$RUNTOOL" same d/w.safetensors whole.safetensors
    went_on=$((went_on + 1))
  else
    has_been_written || check "the old weights" cmp d/w.safetensors "$old"
  fi
  err 'No space left on device'
}
went_on=0
every_fault fail 9 ./own train --data "$data/idx" --epochs 2 --checkpoint-every 1 --quiet --out d/w.safetensors
check "two checkpoints, each in several calls" test $went_on -ge 6
went_on=0
every_fault fail 9 ./own train --data "$data/idx" --epochs 2 --quiet --log log.csv --out d/w.safetensors
check "two epochs in the log" test $went_on -ge 2
lacks log.csv '^(step|epoch|row)[^,]' # no torn row
equals "the log ends with a row" "$(tail -c 1 log.csv | wc -l)" 1
prepare
examine() {
  "$RUNTOOL" list d/w.safetensors >/dev/null 2>&1 || fail "w.safetensors is damaged"
  "$RUNTOOL" list d/w-checkpoint.safetensors >/dev/null 2>&1 || fail "the checkpoint is damaged"
}
every_fault kill 9 ./own train --data "$data/idx" --epochs 2 --checkpoint-every 1 --quiet --out d/w.safetensors
# .pth, .npz and predict's .npy go the same way
for out in w.pth w.npz; do
  prepare() { rm -rf d && mkdir d && echo old >d/$out; }
  examine() {
    [ "$1" = 3 ] || fail "status $1"
    only_files d $out
    has_been_written || check "the old $out" grep -qx old d/$out
  }
  every_fault fail 3 ./own export --out d/$out
done
prepare() { rm -rf d && mkdir d && echo old >d/y.npy; }
examine() {
  [ "$1" = 3 ] || fail "status $1"
  only_files d y.npy
  has_been_written || check "the old y.npy" grep -qx old d/y.npy
}
every_fault fail 3 ./own predict "$data/x.npy" --out d/y.npy

# a real limit on the size of files
rm -rf d && mkdir d && cp "$old" d/w.safetensors
for command in 'export --out d/w.safetensors' "train --data $data/idx --quiet --out d/w.safetensors"; do
  run 3 sh -c "ulimit -f 4; exec ./own $command"
  err 'd/w\.safetensors.*File too large'
  only_files d w.safetensors
  check "the old file" cmp d/w.safetensors "$old"
done
# a really full disk
if small_disk 12k; then
  cp "$old" small/w.safetensors && head -c 3000 /dev/zero >small/fill
  run 3 ./own export --out small/w.safetensors
  err 'small/w\.safetensors.*No space left'
  run 3 ./own train --data "$data/idx" --quiet --out small/w.safetensors
  err 'small/w.*No space left'
  only_files small w.safetensors fill
  check "the old file" cmp small/w.safetensors "$old"
  small_disk_away
  small_disk 8k
  head -c 4000 /dev/zero >small/fill
  run 3 ./own train --data "$data/idx" --quiet --out fine.safetensors --log small/log.csv --epochs 200
  err 'small/log\.csv.*No space left on device; the training goes on$'
  out '^weights +fine\.safetensors$'
  exists fine.safetensors
  equals "the log ends with a row" "$(tail -c 1 small/log.csv | wc -l)" 1
  # what finds no room at all is told before the first step; a report, which is written at the end, after the weights
  rm -f fine.safetensors
  cat /dev/zero >small/fill 2>/dev/null
  rm -f small/log.csv
  cat /dev/zero >>small/fill 2>/dev/null
  run 3 ./own train --data "$data/idx" --quiet --out fine.safetensors --log small/log.csv --epochs 1000000
  err 'small/log\.csv: .*No space left on device$'
  run 3 ./own train --data "$data/idx" --quiet --out fine.safetensors --report small/r.html --epochs 2
  err 'small/r\.html.*No space left on device'
  out '^weights +fine\.safetensors$'
  exists fine.safetensors
  small_disk_away
else
  echo "not root, or no tmpfs: the really full disk was not tried"
fi
# what cannot be written is known before the first step
run 3 ./own train --data "$data/idx" --epochs 1000000 --out no/such/w.safetensors
err 'no/such/w\.safetensors'
run 3 ./own train --data "$data/idx" --epochs 1000000 --log no/such/log.csv
err 'no/such/log\.csv'
finish
