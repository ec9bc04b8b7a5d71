# Every code has a page with an example and its cure; every code that the sources use has a row, and every row is used.
. "$RUN_SOURCE/common.sh"
cd "$SURGERY_SOURCE" || exit 1
codes=$(sed -n 's/^CODE(\([EWN][0-9]*\), .*/\1/p' compiler/base/codes.def)
check "there are codes" test "$(echo "$codes" | wc -l)" -ge 50
equals "rows" "$(grep -c '^CODE(' compiler/base/codes.def)" "$(echo "$codes" | wc -l)"
equals "codes given twice" "$(echo "$codes" | sort | uniq -d)" ""
check "each has four digits" sh -c "! echo '$codes' | grep -vE '^[EWN][0-9]{4}\$'"
for code in $codes; do
  run 0 "$SURGERYC" explain $code
  is_empty "$tmp/err"
  out "^$code: .+"
  out '^    [^ ]' # an example is indented; behind it, or in a comment on it, comes the cure
  case $code in
  N*) ;;
  *) check "$code: a cure" sh -c "sed -n '/^    [^ ]/,\$p' '$tmp/out' | grep -qE '^[^ ]|^    .*# '" ;;
  esac
done

last_command=
sources=$(find compiler grammar -name '*.[chyl]' -o -name '*.def' | grep -v compiler/base/codes.def)
# Those of the selectors, which programs share, are texts there.
# shellcheck disable=SC2086
used=$(grep -ohE 'DIAG_[EWN][0-9]{4}|"E02[0-9]{2}"' $sources runtime/base/selector*.c | sed 's/DIAG_//; s/"//g' | sort -u)
listed=$(echo "$codes" | sort -u)
echo "$used" >"$tmp/used" && echo "$listed" >"$tmp/listed"
equals "used without a row" "$(comm -23 "$tmp/used" "$tmp/listed")" ""
equals "a row that no source uses" "$(comm -13 "$tmp/used" "$tmp/listed")" ""

# without a code: all of them, one a line
run 0 "$SURGERYC" explain
equals "all codes" "$(sed 's/  .*//' "$tmp/out")" "$codes"

# as an option, in small letters, and what there is not
run 0 "$SURGERYC" explain E0301
cp "$tmp/out" "$tmp/page"
run 0 "$SURGERYC" --explain E0301
check "--explain CODE" cmp "$tmp/out" "$tmp/page"
run 0 "$SURGERYC" explain e0301
check "small letters" cmp "$tmp/out" "$tmp/page"
for wrong in E9999 E 0301 E03010 ''; do
  run 2 "$SURGERYC" explain "$wrong"
  is_empty "$tmp/out"
done
finish
