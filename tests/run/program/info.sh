# info, --help and --version of a program; unknown words get the nearest one and status 2.
. "$RUN_SOURCE/common.sh"
run 0 "$tiny" info
out '^network +tiny, from .*tiny\.surgery$'
out '^input +\(N, 1, 8, 8\) image$'
out '^output +\(N, 3\)$'
out '^labels +left, middle, right$'
out '^parameters +44 frozen, 699 trainable$'
out "^weights +$RUN_WORK/tiny\.safetensors \(beside the program\)$"
out '^training +Adam\(lr=0\.01\), CrossEntropy, batch 8, 2 epochs, seed 5$'
out '; 2 threads$'
is_empty "$tmp/err"
run 0 "$tiny" info --layers --threads 1
out '^conv1 +Conv2d +\(N, 4, 8, 8\) +36 +frozen$'
out '^bn1 +BatchNorm2d +\(N, 4, 8, 8\) +8 +frozen$'
out '^bn2 +BatchNorm2d +\(N, 8, 8, 8\) +16$'
out '^fc +Linear +\(N, 3\) +387$'
out '; 1 threads$'
# parameters of the table add up to those of the summary
equals "sum of the table" "$(awk '/^layer /{t=1;next} t{gsub(",","",$0); for(i=NF;i>0;i--) if ($i ~ /^[0-9]+$/) {s+=$i;break}} END{print s}' "$tmp/out")" 743
run 0 "$RUN_WORK/augmented" info
out 'augment horizontal_flip'

run 2 "$tiny"
is_empty "$tmp/out"
err '^usage: tiny COMMAND'
for help in --help -h help; do
  run 0 "$tiny" $help
  for command in info predict eval train bench export; do out "^  $command  "; done
  is_empty "$tmp/err"
done
run 0 "$tiny" --version
out '^tiny \(surgery [0-9]'
for command in info predict eval train bench export; do
  run 0 "$tiny" $command --help
  out "^usage: tiny $command"
  for option in --weights --threads --quiet --help; do out "^  $option "; done
  run 2 "$tiny" $command --thread-count 3
  err "^tiny $command: there is no option '--thread-count'"
  err "Try 'tiny $command --help'"
  run 2 "$tiny" $command -x
  err "there is no option '-x'"
  run 2 "$tiny" $command --weights
  err "--weights wants a value"
done
for pair in 'predikt predict' 'trian train' 'evla eval' 'inf info' 'exprot export' 'bensh bench'; do
  run 2 "$tiny" ${pair% *}
  err "there is no command '${pair% *}'; did you mean '${pair#* }'\?"
done
run 2 "$tiny" frobnicate
err "there is no command 'frobnicate'$"
run 2 "$tiny" train --epoch-count 3 --data "$data/idx"
run 2 "$tiny" train --dta "$data/idx"
err "did you mean '--data'"
run 2 "$tiny" predict --jsn x.png
err "did you mean '--json'"
run 2 "$tiny" info surplus
err "'surplus' is not expected here"
for words in 'train' 'eval' 'predict' 'export' 'train --data d --epochs -1' 'train --data d --epochs 1.5' 'train --data d --batch 0' \
  'train --data d --lr nan' 'train --data d --lr -1' 'train --data d --steps many' 'bench --runs 0' 'info --threads 0' 'info --threads 99999' \
  'predict --top 0 x.png' 'train --data d --seed -3'; do
  run 2 "$tiny" $words
  is_empty "$tmp/out"
done
if [ -w /dev/full ]; then
  "$tiny" info >/dev/full 2>"$tmp/err"
  equals "status on a full stdout" $? 3
  err 'standard output'
fi
finish
