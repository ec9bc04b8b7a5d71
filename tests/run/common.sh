# Sourced by every script of this folder: a folder of its own to work in, and assertions that show what they saw. A
# script calls `finish` last; without it, it has failed. The variables come from CMakeLists.txt:
#   SURGERYC  the compiler          RUNTOOL  runtool.c          RUN_WORK  the fixture's folder (setup.sh)
#   RUN_FAULTS  faults.c, to be preloaded
#   RUN_SOURCE  this folder         SURGERY_SOURCE  the repository    SURGERY_SHARED_DATA  real weights, may be absent
set -u
export LC_ALL=C OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
export OMP_WAIT_POLICY=passive # tests share the machine
export SURGERY_WEIGHTS= TORCH_HOME=/nonexistent # no weights of the machine's own may be found
unset SURGERY_THREADS SURGERY_CPU || :

test_name=$(basename "$0" .sh)
failures=0 checks=0 finished=no last_command=
tmp=$(mktemp -d "$RUN_WORK/$test_name.XXXXXX") || exit 99
data=$RUN_WORK/data
tiny=$RUN_WORK/tiny
cd "$tmp" || exit 99

leave() {
  status=$?
  cd /
  [ "$failures" = 0 ] && rm -rf "$tmp"
  if [ "$finished" = no ] && [ "$status" = 0 ]; then
    echo "FAILED: $test_name ended before its end"
    exit 1
  fi
  exit "$status"
}
trap leave EXIT

finish() {
  finished=yes
  if [ "$failures" != 0 ]; then
    echo "$failures of $checks checks failed; files are left in $tmp"
    exit 1
  fi
  [ "$checks" != 0 ] || { echo "FAILED: $test_name checked nothing"; exit 1; }
  echo "$checks checks"
}

skip() { # REASON
  finished=yes
  echo "SKIPPED: $*"
  exit 77
}

fail() { # WHAT: counted, shown with the last command and its output
  failures=$((failures + 1))
  echo "FAILED: $*"
  [ -z "$last_command" ] && return
  echo "  the command was: $last_command"
  for stream in out err; do
    [ -s "$tmp/$stream" ] || continue
    echo "  std$stream:"
    head -n 25 "$tmp/$stream" | cut -c 1-300 | sed 's/^/    | /'
  done
}

check() { # WHAT COMMAND…: the command succeeds
  what=$1
  shift
  checks=$((checks + 1))
  "$@" >"$tmp/check.log" 2>&1 && return
  fail "$what"
  echo "  '$*' said:"
  head -n 15 "$tmp/check.log" | sed 's/^/    | /'
}

run() { # STATUS COMMAND…: runs it, stdout into $tmp/out, stderr into $tmp/err
  wanted=$1
  shift
  last_command="$*"
  "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
  got=$?
  checks=$((checks + 1))
  [ "$got" = "$wanted" ] || fail "exit status $got instead of $wanted"
}

matches() { # FILE PATTERN: an extended regular expression, somewhere in the file
  checks=$((checks + 1))
  grep -qE -e "$2" "$1" || fail "${1#"$tmp/"} does not show /$2/"
}
lacks() { # FILE PATTERN
  checks=$((checks + 1))
  [ -e "$1" ] || fail "$1 is not there"
  ! grep -qE -e "$2" "$1" || fail "${1#"$tmp/"} shows /$2/"
}
out() { matches "$tmp/out" "$1"; }
err() { matches "$tmp/err" "$1"; }
out_lacks() { lacks "$tmp/out" "$1"; }
err_lacks() { lacks "$tmp/err" "$1"; }
is_empty() { # FILE
  checks=$((checks + 1))
  [ ! -s "$1" ] || fail "$1 is not empty"
}
equals() { # WHAT GOT WANTED
  checks=$((checks + 1))
  [ "$2" = "$3" ] || fail "$1: '$2' instead of '$3'"
}
exists() {
  for file; do
    checks=$((checks + 1))
    [ -s "$file" ] || fail "$file is not there, or empty"
  done
}
absent() {
  for file; do
    checks=$((checks + 1))
    [ ! -e "$file" ] || fail "$file is there"
  done
}
only_files() { # FOLDER NAME…: exactly these, hidden ones too
  checks=$((checks + 1))
  only_folder=$1
  shift
  have=$(ls -A "$only_folder" | sort | tr '\n' ' ')
  want=$(for name; do echo "$name"; done | sort | tr '\n' ' ')
  [ "$have" = "$want" ] || fail "$only_folder holds: $have; it should hold: $want"
}
number_after() { # FILE WORD: the second column of the line that begins so
  sed -n "s/^$2 *\([^ ]*\).*/\1/p" "$1" | head -n 1
}

# Two .npy files of one shape, no number further apart than TOLERANCE times the largest. The order of a sum depends on
# the size of the batch, so that the last bits may differ.
near() { # A.npy B.npy TOLERANCE
  checks=$((checks + 1))
  "$RUNTOOL" npy "$1" >near.a && "$RUNTOOL" npy "$2" >near.b && paste near.a near.b | awk -v most="$3" '
    NR == 1 { if ($1 != $3 || $2 != $4) { print "shapes", $0; exit bad = 1 } columns = $2; next }
    { for (i = 1; i <= columns; i++) {
        d = $i - $(i + columns); d = d < 0 ? -d : d; if (d > worst) worst = d
        v = $i < 0 ? -$i : $i; if (v > largest) largest = v; count++ } }
    END { if (!bad && (!count || !(worst <= most * largest))) { print "apart by", worst, "of", largest; bad = 1 } exit bad }' >near.log ||
    fail "$1 and $2 differ: $(cat near.log)"
}

# Runs a command again and again, with call 1, 2, 3 … of those that make files going wrong (faults.c), until one run gets
# through untouched. Before each run: `prepare`; behind it: `examine STATUS`.
every_fault() { # fail|kill LEAST-NUMBER COMMAND…
  kind=$1 least=$2 call=1
  shift 2
  while :; do
    prepare
    rm -f "$tmp/called"
    last_command="SURGERY_FAULT=$kind:$call $*"
    LD_PRELOAD=$RUN_FAULTS ASAN_OPTIONS=verify_asan_link_order=0 SURGERY_FAULT=$kind:$call SURGERY_FAULT_CALLED=$tmp/called \
      "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    got=$?
    [ -e "$tmp/called" ] || break
    checks=$((checks + 1))
    examine $got
    [ $call -lt 500 ] && [ $failures -lt 20 ] || break
    call=$((call + 1))
  done 2>/dev/null
  equals "status without a fault" "$got" 0
  checks=$((checks + 1))
  [ $call -gt "$least" ] || fail "only $((call - 1)) calls could go wrong"
  echo "$kind: $((call - 1)) calls"
}

# A small file system that can be full: ./small, of SIZE (mount's spelling). False where this user may not mount.
small_disk() {
  mkdir -p small && mount -t tmpfs -o "size=$1" tmpfs small 2>/dev/null
}
small_disk_away() { umount "$tmp/small"; }

golden() { # NAME: what the last command printed is tests/run/golden/NAME; SURGERY_UPDATE=1 writes it
  [ -z "${SURGERY_UPDATE:-}" ] || cp "$tmp/out" "$RUN_SOURCE/golden/$1"
  checks=$((checks + 1))
  diff -u "$RUN_SOURCE/golden/$1" "$tmp/out" >"$tmp/golden.diff" 2>&1 && return
  fail "the output is not that of golden/$1"
  head -n 40 "$tmp/golden.diff" | sed 's/^/    | /'
}
