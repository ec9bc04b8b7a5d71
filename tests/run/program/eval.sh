# eval: its numbers agree with each other and with what predict says.
. "$RUN_SOURCE/common.sh"
# weights that are half good, so that the matrix has something off its diagonal
run 0 "$tiny" train --data "$data/idx" --steps 3 --quiet --lr 0.003 --out half.safetensors
run 0 "$tiny" eval --data "$data/idx" --weights half.safetensors
cp "$tmp/out" eval.txt
equals "samples" "$(number_after eval.txt samples)" 24
sed -n '/^confusion/,$p' eval.txt | sed '1,2d' >matrix
awk '
  { for (c = 2; c <= 4; c++) { n[NR, c - 1] = $c; all += $c; row[NR] += $c; if (c - 1 == NR) diagonal += $c } }
  END { print all, diagonal, row[1], row[2], row[3] }' matrix >sums
right=$(sed -n 's/^top-1 .*(\([0-9]*\) of 24)$/\1/p' eval.txt)
equals "the matrix: all, diagonal, rows" "$(cat sums)" "24 $right 8 8 8"
check "some right, some wrong" test "$right" -gt 0 -a "$right" -lt 24
equals "top-1 as a share" "$(number_after eval.txt top-1)" "$(awk "BEGIN{printf \"%.4f\", $right/24}")"
sed -n '/^class /,/^$/p' eval.txt | sed '1d;/^$/d' >classes
equals "right by class add up" "$(awk '{s+=$2; n+=$3} END{print s, n}' classes)" "$right 24"
equals "shares by class" "$(awk '{d=$4-$2/$3; if(d>0.0001||d<-0.0001) bad++} END{print bad+0}' classes)" 0
equals "the diagonal is the column right" "$(awk '{print $2}' classes | tr '\n' ' ')" "$(awk '{print $(NR+1)}' matrix | tr '\n' ' ')"

# the same from predict's raw outputs: arg max, and the mean of -log softmax
run 0 "$tiny" predict "$data/idx" --weights half.safetensors --out y.npy --quiet
"$RUNTOOL" npy y.npy | sed 1d | paste - "$data/y.txt" >rows
awk '{ b=1; for(i=2;i<=3;i++) if($i>$b) b=i; right += (b-1==$4); m=$b; s=0; for(i=1;i<=3;i++) s+=exp($i-m); loss += log(s)+m-$($4+1) }
  END { printf "%d %.6f\n", right, loss/NR }' rows >again
equals "right by predict" "$(cut -d' ' -f1 again)" "$right"
awk -v a="$(cut -d' ' -f2 again)" -v b="$(number_after eval.txt loss)" 'BEGIN{d=a-b; exit !(d<2e-6 && d>-2e-6)}'
equals "loss by predict, $(cut -d' ' -f2 again), and by eval, $(number_after eval.txt loss): near" $? 0

# batch size and threads change nothing; folders and IDX agree on PNG; --quiet leaves the results
for how in '--batch 1' '--batch 24' '--batch 7 --threads 1' '--quiet'; do
  run 0 "$tiny" eval --data "$data/idx" --weights half.safetensors $how
  check "eval $how" cmp "$tmp/out" eval.txt
done
run 0 "$tiny" eval --data "$data/pictures/train" --weights "$RUN_WORK/trained.safetensors"
equals "samples of the folder" "$(number_after "$tmp/out" samples)" 48
out '^top-1 +1\.0000 +\(48 of 48\)$'
# one class alone can be evaluated
mkdir one && cp -r "$data/pictures/val/middle" one
run 0 "$tiny" eval --data one --weights "$RUN_WORK/trained.safetensors"
out '^middle +8 +8 +1\.0000$'
finish
