# examples/c-api as its README says: built by cc alone, it learns, saves, and finds the same in its own memory.
. "$RUN_SOURCE/common.sh"
example=$SURGERY_SOURCE/examples/c-api
flags="-O1 -Wall -Wextra -Werror ${SURGERY_SANITIZE:+-fsanitize=$SURGERY_SANITIZE}"
run 0 env CFLAGS="$flags" "$example/build.sh" "$(dirname "$SURGERYC")" "$tmp/built"
out '/built/c-api$'
exists built/c-api built/digits.o built/digits.h built/digits.safetensors
run 0 built/c-api
out '^66154 parameters, 10250 trained$'
out '^loss [0-9.]+ -> 0\.0[0-9]+, 20 of 20 right$'
out '^in memory of our own: the same outputs$'
is_empty "$tmp/err"
equals "what digits_save(\"fc\") wrote" "$("$RUNTOOL" list c-api-head.safetensors | sort | tr '\n' ' ')" 'fc.bias f32 (10) fc.weight f32 (10, 1024) '
check "the frozen part" "$RUNTOOL" same built/digits.safetensors c-api-digits.safetensors conv bn
check "the trained part" "$RUNTOOL" differ built/digits.safetensors c-api-digits.safetensors fc
run 0 built/c-api c-api-digits.safetensors
out '^loss 0\.0'
run 1 built/c-api nowhere.safetensors
err 'nowhere\.safetensors'
run 2 "$example/build.sh"
err '^usage: '
finish
