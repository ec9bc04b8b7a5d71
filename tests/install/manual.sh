# Man pages and completions say of each command what its --help says, and the tools that read them do.
. "$INSTALL_SOURCE/common.sh"
share=$prefix/share surgeryc=$prefix/bin/surgeryc

page() { gzip -dc "$share/man/$1.gz" >page || fail "there is no $1"; } # man1/surgeryc.1
check_page() {
  page "$1"
  if command -v man >/dev/null; then
    man --warnings -E UTF-8 -l -Tutf8 -Z page 2>&1 >/dev/null | grep -v 'setlocale' >warnings || true
    [ ! -s warnings ] || { cat warnings; fail "man about $1"; }
  fi
  if command -v mandoc >/dev/null; then mandoc -Tlint -W error page || fail "mandoc about $1"; fi
}
check_page man5/surgery.5
for word in $("$surgeryc" ops | sed -n 's/^  \([A-Za-z_0-9]*\)(.*/\1/p') take freeze expect AdamW CrossEntropy cosine horizontal_flip; do
  grep -qE "\\\\fB$word|\\\\fB.*$word" page || fail "surgery(5) does not know $word"
done

# Each command, and each of its options, in its page and in the completions.
cat >complete.bash <<'B'
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_surgeryc
printf '%s\n' "${COMPREPLY[@]}"
B
completes() { bash --norc complete.bash "$share/bash-completion/completions/surgeryc" surgeryc "$@" >completed || fail "completion of $*"; }
bash -n "$share/bash-completion/completions/surgeryc"
commands=$("$surgeryc" --help | sed -n '/^commands:/,/^$/s/^  surgeryc \([a-z]*\) .*/\1/p')
[ "$(echo "$commands" | wc -w)" -ge 10 ] || fail "few commands: $commands"
for command in build $commands; do
  name=surgeryc-$command
  [ "$command" = build ] && name=surgeryc
  check_page "man1/$name.1"
  cp page "$command.page"
  "$surgeryc" $command --help >help
  options=$(sed -n '/^options:/,/^$/s/^ *\(-[A-Za-z], *\)\{0,1\}\(--*[A-Za-z][A-Za-z-]*\).*/\2/p' help)
  [ -n "$options" ] || fail "$command has no options"
  completes $command -
  for option in $options; do
    grep -qF -e "\\fB$(echo "$option" | sed 's/-/\\-/g')\\fR" page || fail "$name(1) does not know $option"
    grep -qxE -e "$option=?" completed || fail "bash does not complete $option of $command"
  done
  [ "$(wc -w <completed)" = "$(echo "$options" | wc -w)" ] || fail "bash completes what $command has not"
done
for command in $commands; do grep -qF "surgeryc\\-$command (1)" build.page || fail "surgeryc(1) does not name $command"; done

expect() { # WANTED, of `completed` on one line
  [ "$(sort completed | tr '\n' ' ')" = "$1 " ] || { cat completed; fail "completed something else than $1"; }
}
touch a.surgery b.txt
completes ''
grep -qx check completed && grep -qx a.surgery completed || fail "commands and scripts come first"
completes che && expect check
completes --emit = s && expect "shared static"
completes check --diagnostics = j && expect json
completes check --stop-after = pl && expect plan
completes plan -MF

if command -v fish >/dev/null; then
  export HOME="$work"
  fish_completes() { fish --no-config -c "source '$share/fish/vendor_completions.d/surgeryc.fish'; complete -C '$1'" | cut -f1 >completed; }
  fish -n "$share/fish/vendor_completions.d/surgeryc.fish"
  fish_completes 'surgeryc --emit=s' && expect "--emit=shared --emit=static"
  fish_completes 'surgeryc fmt --ch' && expect --check
  fish_completes 'surgeryc -M' && grep -qx -e -MD completed || fail "fish does not complete -MD"
else echo "SKIPPED: fish, which is not installed"; fi
if command -v zsh >/dev/null; then
  zsh -n "$share/zsh/site-functions/_surgeryc"
  cat >complete.zsh <<'Z'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=READY; fpath=('$1' \$fpath); autoload -U compinit; compinit -D -u; setopt no_list_beep; bindkey '^I' complete-word"
zpty -w shell "echo STARTED"
zpty -r shell out '*STARTED*STARTED*READY*' # the prompt: from here on keys are the line editor's
zpty -w -n shell "surgeryc $2"$'\t'
zpty -w -n shell ' END'
zpty -r shell out '*END*'
print -r -- "$out"
zpty -d shell
Z
  zsh_completes() { TERM=dumb timeout 20 zsh -f complete.zsh "$share/zsh/site-functions" "$1" </dev/null >completed || fail "zsh on $1"; }
  zsh_completes 'che' && has completed 'surgeryc check'
  zsh_completes '--tun' && has completed 'surgeryc --tune'
  zsh_completes 'fmt --in' && has completed 'fmt --in-place'
else echo "SKIPPED: zsh, which is not installed"; fi
finish
