# show --graph and --emit=graph: the picture's text, Graphviz's formats, and what can go wrong on the way to a file.
. "$RUN_SOURCE/common.sh"
command -v dot >/dev/null || skip "Graphviz is not installed (on Debian: apt install graphviz)"
sed -n '/^cat >blocks/,/^X$/p' "$RUN_SOURCE/driver/show.sh" | sed '1d;$d' >blocks.surgery
cp "$RUN_WORK/net.surgery" "$RUN_WORK/tiny.surgery" .

run 0 "$SURGERYC" show blocks.surgery --graph=blocks.dot
is_empty "$tmp/out"
cp blocks.dot "$tmp/out"
golden picture.dot
run 0 "$SURGERYC" blocks.surgery --emit=graph -o same.dot
check "--emit=graph draws the same" cmp blocks.dot same.dot
run 0 "$SURGERYC" blocks.surgery -o suffix.dot
check "the suffix alone chooses it" cmp blocks.dot suffix.dot
run 0 "$SURGERYC" blocks.surgery --emit=graph
check "--emit=graph without -o: the text on stdout" cmp "$tmp/out" blocks.dot

run 0 "$SURGERYC" show tiny.surgery --graph=net.svg
matches net.svg '<svg'
matches net.svg '>conv1<'
matches net.svg '#dbeafe' # frozen
matches net.svg '#ffedd5' # trained
run 0 "$SURGERYC" show tiny.surgery --graph=net.png
check "a PNG" sh -c 'head -c 4 net.png | grep -q PNG'
run 0 "$SURGERYC" show tiny.surgery --graph=net.pdf
check "a PDF" sh -c 'head -c 4 net.pdf | grep -q PDF'
run 0 "$SURGERYC" show tiny.surgery --graph=net.svg --tree
out '^  \(conv1\): Conv2d'
# blocks that repeat are drawn once
run 0 "$SURGERYC" show resnet50 --graph=resnet50.dot
matches resnet50.dot 'layer3\.1 … layer3\.5</b>  <font color="#0f766e"><b>5 times'
check "few boxes" test "$(grep -c '^u[0-9]* \[' resnet50.dot)" -le 45
for name in $("$SURGERYC" zoo | sed '1d;s/ .*//'); do
  run 0 "$SURGERYC" show $name --graph=zoo.dot
  check "Graphviz reads $name" dot -Tdot -o /dev/null zoo.dot
done
# no line is drawn through the title of a stage or a block: none of 50 points of each of its curves lies in a title's box
cat >crossings.awk <<'X'
$1 == "node" && $2 ~ /^t[bg][0-9]+$/ { n++; name[n] = $2; x[n] = $3; y[n] = $4; w[n] = $5 / 2; h[n] = $6 / 2 }
$1 == "edge" && $(NF - 1) != "invis" { lines[++edges] = $0 }
END {
  for (e = 1; e <= edges; e++) {
    split(lines[e], f, " ")
    for (c = 0; c + 3 < f[4]; c += 3)
      for (s = 0; s <= 50; s++) {
        t = s / 50; u = 1 - t
        px = u * u * u * f[5 + 2 * c] + 3 * u * u * t * f[7 + 2 * c] + 3 * u * t * t * f[9 + 2 * c] + t * t * t * f[11 + 2 * c]
        py = u * u * u * f[6 + 2 * c] + 3 * u * u * t * f[8 + 2 * c] + 3 * u * t * t * f[10 + 2 * c] + t * t * t * f[12 + 2 * c]
        for (k = 1; k <= n; k++)
          if (px > x[k] - w[k] && px < x[k] + w[k] && py > y[k] - h[k] && py < y[k] + h[k]) { print f[2], "->", f[3], "crosses", name[k]; bad = 1 }
      }
  }
  print n + 0, "titles,", edges + 0, "lines"
  exit bad || !n || !edges
}
X
for name in resnet18 resnet50 mobilenet_v2 squeezenet1_1 "$SURGERY_SOURCE/examples/digits/digits.surgery"; do
  run 0 "$SURGERYC" show "$name" --graph=titles.dot
  dot -Tplain titles.dot >titles.plain
  check "no line through a title of $name" awk -f crossings.awk titles.plain
done
# the picture in the README is of today
run 0 "$SURGERYC" show "$SURGERY_SOURCE/examples/digits/digits.surgery" --graph=digits.svg
words() { grep -o '<text[^>]*>[^<]*' "$1" | sed 's/.*>//' | sort; }
words digits.svg >today.txt && words "$SURGERY_SOURCE/examples/digits/digits.svg" >kept.txt
check "examples/digits/digits.svg has the words of the picture" cmp today.txt kept.txt
# characters that mean something to Graphviz
cp tiny.surgery 'a<b>&"c.surgery'
run 0 "$SURGERYC" show 'a<b>&"c.surgery' --graph=odd.svg
matches odd.svg 'a&lt;b&gt;&amp;(&quot;|")c<'

# what goes wrong leaves no file
mkdir clean && cp tiny.surgery net.surgery clean && cd clean
run 2 "$SURGERYC" show tiny.surgery --graph=net.jpeg
err 'net\.jpeg: a picture.s name ends in'
run 2 "$SURGERYC" tiny.surgery --emit=graph -o net.o
err 'suffix'

PATH=$tmp/clean run 3 "$SURGERYC" show tiny.surgery --graph=net.svg
err "needs the program 'dot', which is not installed: Graphviz"
printf '#!/bin/sh\nexec /bin/echo half a picture\n' >dot && printf '#!/bin/sh\necho nonsense >&2; exit 5\n' >failing
mkdir bin && mv failing bin/dot && chmod +x bin/dot && rm dot
PATH=$tmp/clean/bin:$PATH run 3 "$SURGERYC" show tiny.surgery --graph=net.svg
err "'dot' ended with status 5"
err nonsense
rm -r bin
run 3 "$SURGERYC" show tiny.surgery --graph=no/where/net.svg
err 'cannot write'
if [ -w /dev/full ]; then
  ln -s /dev/full full.svg
  run 3 "$SURGERYC" show tiny.surgery --graph=full.svg
  err 'full\.svg.*No space left'
  rm full.svg
fi
if [ "$(id -u)" != 0 ]; then
  mkdir locked && chmod 500 locked
  run 3 "$SURGERYC" show tiny.surgery --graph=locked/net.svg
  err 'cannot write'
  rmdir locked
fi
ln -s tiny.surgery tiny.dot
run 2 "$SURGERYC" show tiny.surgery --graph=tiny.dot
err 'would be overwritten'
rm tiny.dot
run 1 "$SURGERYC" show "$RUN_WORK/tiny.safetensors" --graph=net.svg
only_files . net.surgery tiny.surgery
finish
