#!/bin/sh
# The examples of the language reference are tests. Usage: reference.sh README.md SURGERYC
# By the word behind ```: surgery passes `surgeryc check`; surgery NAME is kept as NAME for the others to include;
# surgery-fragment passes behind a take; surgery-files may complain of missing files alone.
readme=$1 surgeryc=$2
folder=$(mktemp -d) || exit 3
trap 'rm -rf "$folder"' EXIT
awk -v folder="$folder" '
  /^```surgery/ { inside = 1; n++; file = sprintf("%s/%03d.%s", folder, n, substr($1, 4))
                  if ($2) { file = folder "/" $2; next }
                  print "take resnet18 from random" > (file ".take"); print NR > (file ".line"); next }
  /^```/        { inside = 0; next }
  inside        { print > file }' "$readme"
export SURGERY_WEIGHTS= TORCH_HOME=/nonexistent
failed=0 count=0
for line in "$folder"/*.line; do
  file=${line%.line} kind=${line##*/???.} kind=${kind%.line} script=${file%.*}.script.surgery
  case $kind in
  surgery-fragment) cat "$file.take" "$file" > "$script" ;;
  *) cat "$file" > "$script" ;;
  esac
  "$surgeryc" check "$script" > "$file.out" 2>&1
  status=$?
  errors=$(grep 'error\[' "$file.out")
  case $kind in
  surgery | surgery-fragment) wrong=$([ $status -ne 0 ] && echo "exit status $status") ;;
  surgery-files) wrong=$([ $status -eq 1 ] || echo "status $status"; echo "$errors" | grep -v 'error\[E04') ;;
  *) wrong="unknown kind of example: $kind" ;;
  esac
  count=$((count + 1))
  if [ -n "$wrong" ]; then
    echo "$readme:$(cat "$line"): $kind: $wrong"
    cat "$file.out"
    failed=$((failed + 1))
  fi
done
echo "$count examples, $failed wrong"
[ $failed -eq 0 ] && [ $count -gt 20 ]
