# No name reaches the terminal as it is: of files, folders, options, commands and of the program itself, in what is
# printed on stdout as in messages. What a terminal obeys is printed as \xNN, and a sample stays one line.
. "$RUN_SOURCE/common.sh"
escape=$(printf '\033')
odd=$(printf 'e\033[31m\302\233\377\n\177ü')
shown='e\\x1b\[31m\\xc2\\x9b\\xff\\x0a\\x7fü'
one_line='e\\x1b\[31m\\xc2\\x9b\\xff$' # where a name's own line end stays

plain() { # neither stream holds a control character
  for stream in out err; do
    lacks "$tmp/$stream" "$escape"
    lacks "$tmp/$stream" "$(printf '\302\233')"
    lacks "$tmp/$stream" "$(printf '\177')"
  done
}

cp "$data/pictures/val/left/00.png" "$odd.png"
run 0 "$tiny" predict "$odd.png"
out "^$shown\.png: [a-z]+ "
equals "lines of one sample" "$(wc -l <"$tmp/out")" 1
plain
run 0 "$tiny" predict --json "$odd.png"
check "JSON" "$RUNTOOL" json "$tmp/out"
out_lacks "$escape"

cp "$RUN_WORK/tiny.safetensors" "$odd.safetensors"
run 0 "$tiny" info --weights "$odd.safetensors"
out "^weights +$one_line"
plain
run 0 "$tiny" export --weights "$odd.safetensors" --out "$odd-2.safetensors"
plain
run 0 "$tiny" train --data "$data/pictures/train" --epochs 1 --out "$odd-3.safetensors" --report "$odd.html"
out "^weights +$one_line"
out "^report +$one_line"
plain

ln -s "$tiny" "$odd"
run 2 "./$odd"
err "^usage: $shown COMMAND"
plain
run 0 "./$odd" --help
out "^usage: $shown COMMAND"
plain
run 0 "./$odd" --version
plain
run 0 "./$odd" predict --help
out "^usage: $shown predict"
plain
run 2 "$tiny" "$odd"
err "there is no command '$one_line"
plain
run 2 "$tiny" predict "--$odd"
plain
run 2 "$tiny" predict --top "$odd" "$odd.png"
plain
finish
