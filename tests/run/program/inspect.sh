# inspect: statistics, gradients, pictures, and what could be removed. A residual block that was made the identity is the first that
# could go, and the printed line, put into the script, gives a network that predicts the same.
. "$RUN_SOURCE/common.sh"
cat >residual.surgery <<'END'
model Block(c) {
  conv1 = Conv2d(c, c, 3, padding=1, bias=false); bn1 = BatchNorm2d(c)
  conv2 = Conv2d(c, c, 3, padding=1, bias=false); bn2 = BatchNorm2d(c)
  forward x { return relu(bn2(conv2(relu(bn1(conv1(x))))) + x) }
}
model Net(classes = 3) {
  input image(1, 8, 8) { normalize mean=[0.5] std=[0.25] }
  stem = Conv2d(1, 12, 3, padding=1)
  b1 = Block(12); b2 = Block(12); b3 = Block(12)
  pool = AdaptiveAvgPool2d(1)
  fc = Linear(12, classes)
  forward x { return fc(flatten(pool(b3(b2(b1(relu(stem(x)))))), 1)) }
}
take Net from random
labels "left", "middle", "right"
END
{ cat residual.surgery; echo 'init b2 with constant(0)'; } >net.surgery
run 0 "$SURGERYC" net.surgery -o net
run 0 ./net inspect "$data/pictures/val"
cp "$tmp/out" table
out '^24 samples; forward of one: [0-9.]+ ms$'
out '^value +type +output +mean +std +min +max +zero % +dead +cosine +\|f\|/\|x\| +ms$'
out '^b2\.bn2 +BatchNorm2d +\(N, 12, 8, 8\) +0 +0 +0 +0 +100\.0 +12 of 12 '
out '^b2\.add +add +\(N, 12, 8, 8\) .* 1\.000 +0\.000'
equals "the first that could go" "$(sed -n '/in the script/{n;p}' table | sed 's/.* \(remove .*\)/\1/')" "remove b2"
matches table '^ +0\.0000  100\.0% +0\.0000 +1\.0000 +- +2,640 +[0-9.]+% +[0-9.]+ +[0-9.]+%  remove b2$'
equals "blocks come first" "$(sed -n '/in the script/,$p' table | sed 's/.*remove //' | sed -n '2,4p' | cut -c 1 | tr -d '\n')" bbb
# as the tables say: the samples' mean of the output is what predict tells of it
run 0 ./net inspect "$data/pictures/val" --layers fc --json
equals "one value" "$("$RUNTOOL" json "$tmp/out" 'values.#')" 1
equals "its name" "$("$RUNTOOL" json "$tmp/out" values.0.name)" fc
mean=$("$RUNTOOL" json "$tmp/out" values.0.mean)
run 0 ./net predict "$data/pictures/val" --out y.npy --quiet
"$RUNTOOL" npy y.npy | sed 1d | awk -v m="$mean" '{for (i = 1; i <= NF; i++) s += $i; n += NF} END {d = s / n - m; exit !(d < 1e-5 && d > -1e-5)}'
equals "mean of the output" $? 0
# the line does what was said
{ cat net.surgery; sed -n '/in the script/{n;p}' table | sed 's/.* \(remove .*\)/\1/'; } >less.surgery
run 0 "$SURGERYC" less.surgery -o less
run 0 ./less predict "$data/pictures/val" --out less.npy --quiet
near y.npy less.npy 1e-6
# all printed lines are legal
sed -n '/in the script/,$p' table | sed -n 's/.* \(remove .*\)/\1/p' >lines
while read -r line; do
  { cat net.surgery; echo "$line"; } >one.surgery
  run 0 "$SURGERYC" check one.surgery
done <lines

# gradients over a data set: of what is trained, and the weights are as before
run 0 ./net inspect --data "$data/idx" --limit 20 --step-batch 8
out '^gradients: means over 2 batches of 16 samples, loss [0-9.]+$'
out '^  stem\.weight +[0-9.e-]+ +[0-9.e-]+ +[0-9.e-]+$'
out '^stem +[0-9.e-]+ '
out_lacks 'frozen'
run 0 "$tiny" inspect --data "$data/idx" --json
equals "frozen" "$("$RUNTOOL" json "$tmp/out" frozen.0) $("$RUNTOOL" json "$tmp/out" frozen.1)" "conv1 bn1"
lacks "$tmp/out" '"conv1.weight"'
run 0 "$tiny" inspect --data "$data/idx"
out 'no gradient is compiled for it .*: conv1, bn1$'
out '^  conv2\.weight '

# pictures: whole PNG files, named after the values; a folder for each of several inputs
run 0 ./net inspect "$data/pictures/val/left/00.png" --maps maps --quiet
only_files maps b3.relu_1.png fc.png stem.png
for file in maps/*.png; do # they can be read, and are too large for this network
  run 1 ./net predict "$file"
  err 'the picture is [0-9]+ x [0-9]+ pixels'
done
run 0 ./net inspect "$data/pictures/val/left/00.png" "$data/pictures/val/right/02.png" --maps two --layers 'every Conv2d in b1, fc' --quiet
only_files two 00 02
only_files two/02 b1.conv1.png b1.conv2.png fc.png
run 0 ./net inspect --data "$data/idx" --maps three --layers pool
err '3 pictures in three$'
picks() { # SELECTOR FILES…
  rm -rf picked
  run 0 ./net inspect "$data/pictures/val/left/00.png" --maps picked --quiet --layers "$1"
  shift
  only_files picked "$@"
}
picks 'b{1,2}.bn?' b1.bn1.png b1.bn2.png b2.bn1.png b2.bn2.png
picks '/^b[12]\.conv2$/' b1.conv2.png b2.conv2.png
picks 'every add' b1.add.png b2.add.png b3.add.png
picks 'b1.conv2..b2.conv1' b1.add.png b1.bn2.png b1.conv2.png b1.relu_1.png b2.conv1.png
picks 'b1 except **.bn*, every Conv2d' b1.add.png b1.relu.png b1.relu_1.png
picks 'children[-2:]' fc.png pool.png
picks 'b1.children[0], "stem"' b1.conv1.png stem.png

# what is wrong is said
run 2 ./net inspect
err 'which files\? Or a data set: --data DIR'
run 1 ./net inspect "$data/x.npy" --layers b2.conv3
err "there is no layer or parameter 'b2\.conv3'; did you mean 'b2\.conv[12]'"
run 1 ./net inspect "$data/x.npy" --layers 'every Conv3d'
err "there is no Conv3d in the network; did you mean 'Conv2d'"
run 1 ./net inspect "$data/x.npy" --layers "every$(printf '%200s' '')Conv3d"
err "there is no Conv3d in the network; did you mean 'Conv2d'"
run 1 ./net inspect "$data/x.npy" --layers fc.weight
err "the selector 'fc\.weight' matches no layer"
run 1 ./net inspect absent.png
run 1 ./net inspect --data nowhere
: >file
run 1 ./net inspect "$data/pictures/val/left/00.png" --maps file
err 'file: there is a file of that name'
run 3 ./net inspect "$data/pictures/val/left/00.png" --maps no/such/folder
run 2 ./net inspect "$data/x.npy" --limit 0
# objects have no such function
run 0 "$SURGERYC" net.surgery -c -o net.o
run 0 nm net.o
out_lacks 'inspect'
finish
