#!/bin/sh
# Every link of a page to a file or a heading of the repository leads somewhere. Usage: links.sh SOURCE
set -u
cd "$1" || exit 3
failed=0 count=0
# A heading's anchor as GitHub makes it: small letters, punctuation gone, blanks to dashes.
anchors() { sed -n 's/^##* //p' "$1" | tr 'A-Z ' 'a-z-' | sed 's/[^a-z0-9_-]//g'; }
for page in *.md docs/*.md grammar/*.md examples/*/*.md runtime/*/*.md; do
  [ -e "$page" ] || continue
  for link in $(grep -o '](\([^) ]*\))' "$page" | sed 's/^](//; s/)$//' | grep -v '^[a-z]*:'); do
    file=${link%%#*} anchor=
    case $link in *#*) anchor=${link#*#} ;; esac
    target=$page
    [ -z "$file" ] || target=$(dirname "$page")/$file
    count=$((count + 1))
    if [ ! -e "$target" ]; then echo "$page: $link: there is no such file"; failed=1
    elif [ -n "$anchor" ] && ! anchors "$target" | grep -qxF -e "$anchor"; then echo "$page: $link: there is no such heading"; failed=1; fi
  done
done
echo "$count links"
exit $failed
