# A full disk while the weights or the program are written, a folder that cannot be written, cc missing, and signals:
# an error with the system's reason, status 3, an older build left whole, no temporaries.
. "$RUN_SOURCE/common.sh"
cat >wide.surgery <<'X'
model Wide() {
  input tensor(512)
  fc1 = Linear(512, 1024)
  fc2 = Linear(1024, 4)
}
take Wide from random
X
hidden() { ls -A "$1" | grep '^\.' | tr '\n' ' '; }
run 0 "$SURGERYC" -O0 wide.surgery -o whole

if small_disk 1m; then
  # 2 MB of weights on 1 MB of disk
  run 3 "$SURGERYC" -O0 wide.surgery -o small/net
  err 'small/net\.safetensors.*No space left'
  only_files small
  run 3 "$SURGERYC" -O0 wide.surgery -o small/net --embed-weights
  err 'No space left'
  only_files small
  # an older build stays what it was
  echo old >small/net && echo old >small/net.safetensors
  run 3 "$SURGERYC" -O0 wide.surgery -o small/net
  only_files small net net.safetensors
  check "the old program" grep -qx old small/net
  check "the old weights" grep -qx old small/net.safetensors
  small_disk_away
else
  echo "not root, or no tmpfs: the disk that is full while weights are written was not tried"
fi
# the 4 kB of weights fit, the code does not
if small_disk 40k; then
  for out in net net.o net.a net.so net.ll; do
    for old in no yes; do
      rm -f small/* && [ $old = yes ] && echo old >small/$out && echo old >small/net.safetensors
      run 3 "$SURGERYC" "$RUN_WORK/tiny.surgery" -o small/$out
      err 'No space left|making the library failed' # ar does not tell the reason
      case $old in
      no) only_files small ;;
      yes)
        only_files small $out net.safetensors
        check "the old weights" grep -qx old small/net.safetensors
        check "the old output" grep -qx old small/$out
        ;;
      esac
    done
  done
  small_disk_away
else
  echo "not root, or no tmpfs: the disk that is full while the program is written was not tried"
fi

# every write fails that goes beyond 64 kB: needs no root
mkdir limited
run 3 sh -c "trap '' XFSZ; ulimit -f 64; exec '$SURGERYC' -O0 wide.surgery -o limited/net"
err 'limited/net.*File too large'
only_files limited

if [ "$(id -u)" != 0 ]; then
  mkdir locked && chmod a-w locked
  run 3 "$SURGERYC" -O0 wide.surgery -o locked/net
  err 'Permission denied'
fi
run 3 "$SURGERYC" -O0 wide.surgery -o /proc/net-surgery
err '/proc/net-surgery'
: >file
run 3 "$SURGERYC" -O0 wide.surgery -o file/net
err 'Not a directory'

# no cc to be found
mkdir path out1
run 3 env PATH="$tmp/path" "$SURGERYC" -O0 wide.surgery -o out1/net
err "'cc', which is not installed"
only_files out1
run 0 env PATH="$tmp/path" "$SURGERYC" -O0 wide.surgery -o out1/net.o
only_files out1 net.h net.o net.safetensors

# a signal at any moment: the sleeps walk through the passes, until a build ends before its signal
echo 'take resnet18 from random' >large.surgery
interrupt() { # SIGNAL DELAY…
  signal=$1 ended=0
  shift
  mkdir hit.$signal && echo old >hit.$signal/net && echo old >hit.$signal/net.safetensors
  for delay; do
    # not through `run`; and a shell gives its background jobs SIGINT ignored, which env sets right again
    env --default-signal=INT,TERM,HUP "$SURGERYC" -O1 large.surgery -o hit.$signal/net 2>err &
    pid=$!
    sleep $delay
    kill -s $signal $pid 2>/dev/null
    { wait $pid; } 2>/dev/null
    status=$?
    checks=$((checks + 1))
    last_command="surgeryc large.surgery, $signal after $delay s"
    case $status in
    0) break ;;
    129 | 130 | 143) ended=$((ended + 1)) ;;
    *) fail "status $status" ;;
    esac
    only_files hit.$signal net net.safetensors
    check "the old program" grep -qx old hit.$signal/net
    check "the old weights" grep -qx old hit.$signal/net.safetensors
  done
  checks=$((checks + 1))
  [ $ended != 0 ] || fail "$signal: no build was interrupted"
}
interrupt TERM 0.02 0.05 0.1 0.2 0.4 0.8 1.6 2.4
interrupt INT 0.05 0.7
interrupt HUP 0.1 0.4

# in the middle of linking: cc is asked to end, so that it can remove what it made, and then is waited for
cat >path/cc <<'X'
#!/bin/sh
trap 'rm -f "$CC_TEMPORARY"; exit 1' TERM
touch "$CC_TEMPORARY"
/bin/sleep 20 &
wait
X
chmod +x path/cc && mkdir linking
env PATH="$tmp/path:$PATH" CC_TEMPORARY="$tmp/of-cc" "$SURGERYC" -O0 wide.surgery -o linking/net 2>err &
pid=$!
tries=0
until [ -e of-cc ] || [ $tries = 200 ]; do sleep 0.1 && tries=$((tries + 1)); done
exists linking/.net*/net.o
kill -s TERM $pid
{ wait $pid; } 2>/dev/null
equals "status" $? 143
absent of-cc
only_files linking
equals "temporaries here" "$(hidden .)" ""
finish
