# Messages of a compiled program: each file of program/ is a command and all that it answers. `sh program.sh --update`
# in the test's environment writes them; read the diff.
. "$RUN_SOURCE/common.sh"
cp -r "$RUN_WORK/data" "$RUN_WORK/tiny.safetensors" .
printf 'not a picture\n' >text.jpg
printf 'garbage' >garbage.safetensors
mkdir -p empty other/left other/top
cp data/pictures/val/left/* other/left
cp data/pictures/val/left/* other/top
for golden in "$MESSAGES_SOURCE"/program/*.txt; do
  command=$(sed -n '1s/^\$ tiny //p' "$golden")
  last_command="tiny $command"
  { printf '$ tiny %s\n' "$command"; } >answer
  # shellcheck disable=SC2086
  "$tiny" $command >>answer 2>&1 </dev/null
  printf '[%s]\n' $? >>answer
  if [ "${1-}" = --update ]; then cp answer "$golden"; fi
  check "$(basename "$golden")" diff "$golden" answer
done
equals "a dozen at least" "$([ "$checks" -ge 12 ] && echo yes)" yes
finish
