# examples/questions/README.md shows every script as it is, and every message as it is given.
. "$(dirname "$0")/common.sh"
readme=$seeds/README.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/script" "$work/message"
awk -v folder="$work" '
  /^\[[0-9a-z-]*\.surgery\]/ || /\[[0-9a-z-]*\.surgery\]\([0-9a-z-]*\.surgery\):$/ { name = $0; sub(/.*\]\(/, "", name); sub(/\.surgery\):$/, "", name) }
  /^```/ { if (inside) inside = 0; else inside = name != "" && /^```(surgery)?$/ ? (/surgery/ ? "script" : "message") : "other"; if (inside != "other" && inside) file = folder "/" inside "/" name; next }
  inside && inside != "other" { print > file }' "$readme"
for script in "$seeds"/0*.surgery; do
  name=$(basename "$script" .surgery)
  case $name in
  *-wrong) diff -u "$work/message/$name" "$SURGERY_SOURCE/tests/questions/messages/$name.golden" || fail "README.md shows another message of $name" ;;
  *) sed '1,/^[^#]/{/^#/d}' "$script" | diff -u "$work/script/$name" - || fail "README.md shows another $name" ;;
  esac
done
