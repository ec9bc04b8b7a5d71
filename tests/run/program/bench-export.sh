# bench prints figures and changes nothing; export writes all or a part, in three formats.
. "$RUN_SOURCE/common.sh"
run 0 "$tiny" bench --runs 3 --batch 4
out '^tiny, n = 4, 2 threads, median of 3 runs; '
for what in 'forward' 'train step' '  on features'; do out "^$what +[0-9]+\.[0-9]+ ms +[0-9]+\.[0-9] samples/s$"; done
run 0 "$tiny" bench --runs 1 --step
out '^train step '
out_lacks '^forward '
run 0 "$tiny" bench --runs 1 --threads 1
out '^tiny, n = 1, 1 threads'
# figures that fit each other: samples/s is 1000 n / ms
run 0 "$tiny" bench --runs 5 --batch 16
equals "rates" "$(awk '$3=="ms" || $4=="ms" || $5=="ms" {for(i=1;i<=NF;i++) if($i=="ms"){r=16000/$(i-1); d=r/$(i+1); if(d<0.5||d>2) bad++; n++}} END{print bad+0, n}' "$tmp/out" | sed 's/ [23]$//')" 0

run 0 "$tiny" export --out all.safetensors
out '^all\.safetensors: 15 tensors$'
check "all of it" "$RUNTOOL" same all.safetensors "$RUN_WORK/tiny.safetensors"
for suffix in pth npz; do
  run 0 "$tiny" export --out all.$suffix --weights "$RUN_WORK/trained.safetensors"
  check "$suffix holds the same" "$RUNTOOL" same "$RUN_WORK/trained.safetensors" all.$suffix
  run 0 "$tiny" eval --data "$data/idx" --weights all.$suffix
  out '^top-1 +1\.0000 '
done
only() { # SELECTOR NAMES…
  selector=$1
  shift
  rm -f part.safetensors
  run 0 "$tiny" export --out part.safetensors --only "$selector"
  equals "--only '$selector'" "$("$RUNTOOL" list part.safetensors | cut -d' ' -f1 | sort | tr '\n' ' ')" "$(printf '%s\n' "$@" | sort | tr '\n' ' ')"
  check "their values" "$RUNTOOL" same part.safetensors "$RUN_WORK/tiny.safetensors" "$@"
}
only fc fc.weight fc.bias
only fc.bias fc.bias
only 'conv?.weight' conv1.weight conv2.weight
only '**.running_*' bn1.running_mean bn1.running_var bn2.running_mean bn2.running_var
only 'fc, conv1' conv1.weight fc.weight fc.bias
only '{fc,conv2}.bias' conv2.bias fc.bias
only '/^bn1.*s$/' bn1.bias
only 'every Linear' fc.weight fc.bias
only 'conv1..bn1 except **.running_*, **.num_batches_tracked' bn1.bias bn1.weight conv1.weight
only 'parameters[-2:]' fc.weight fc.bias
run 1 "$tiny" export --out none.safetensors --only fcc
err "fcc"
absent none.safetensors
echo 'take lenet from random' >lenet.surgery # it declares stages
run 0 "$SURGERYC" lenet.surgery -o lenet
for part in '[0]=conv1.bias,conv1.weight' '[-1:]=conv2.bias,conv2.weight' 'head except fc2, fc3=fc1.bias,fc1.weight' 'backbone except conv1=conv2.bias,conv2.weight'; do
  run 0 ./lenet export --out stage.npz --only "${part%%=*}" --force
  equals "--only '${part%%=*}'" "$("$RUNTOOL" list stage.npz | cut -d' ' -f1 | sort | paste -sd, -)" "${part#*=}"
done
run 1 ./lenet export --out none.safetensors --only '[2]'
err '\[2\] is out of range: lenet has 2 stages; they are level1, level2; count from 0 to 1'
run 1 "$tiny" export --out weights.txt
err 'weights\.txt'
absent weights.txt
run 2 "$tiny" export
err '--out FILE is wanted'
run 3 "$tiny" export --out no/such/w.safetensors
err 'no/such'
# a second export replaces the first, also through a link
ln -s all.safetensors link.safetensors
run 0 "$tiny" export --out link.safetensors --weights "$RUN_WORK/trained.safetensors" --quiet
is_empty "$tmp/out"
check "the link is still one" test -L link.safetensors
check "the file behind it is new" "$RUNTOOL" same all.safetensors "$RUN_WORK/trained.safetensors"

# exported weights are a donor
cp "$RUN_WORK/net.surgery" .
printf 'include "net.surgery"\ntake Tiny from "all.pth"\nfreeze all\nreplace fc with Linear(_, 2)\n' >next.surgery
run 0 "$SURGERYC" -O0 next.surgery -o next
check "taken over" "$RUNTOOL" same next.safetensors "$RUN_WORK/trained.safetensors" conv1.w conv2 bn1.w bn2.r
finish
