# The assertions of common.sh fail when they should: each runs in a script of its own, on something untrue.
. "$RUN_SOURCE/common.sh"
try() { # WANTED-STATUS BODY
  cp "$RUN_SOURCE/common.sh" .
  printf '. ./common.sh\n%s\n' "$2" >case.sh
  RUN_WORK=$tmp sh case.sh >said 2>&1
  got=$?
  equals "status of: $2" "$got" "$1"
  rm -rf "$tmp"/case.??????
}
try 0 'run 0 true; finish'
try 1 'run 0 false; finish'
try 1 'run 1 true; finish'
try 0 'run 0 echo abc; out "^abc$"; finish'
try 1 'run 0 echo abc; out abd; finish'
try 1 'run 0 echo abc; err abc; finish'
try 1 'run 0 echo abc; out_lacks b; finish'
try 1 'lacks nothing b; finish'
try 1 'run 0 echo abc; is_empty out; finish'
try 1 'equals x 1 2; finish'
try 1 'exists nothing; finish'
try 1 'touch there; absent there; finish'
try 1 'touch a b; only_files . a; finish'
try 1 'check what false; finish'
header() { printf '%s' "printf '\\223NUMPY\\001\\000\\166\\000%-117s\\n' \"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\""; }
try 0 "{ $(header); printf 'aaaabbbb'; } >a.npy; near a.npy a.npy 0; finish"
try 1 "{ $(header); printf 'aaaabbbb'; } >a.npy; { $(header); printf 'aaaabbbc'; } >b.npy; near a.npy b.npy 1e-7; finish"
try 1 'near none.npy none.npy 1; finish'
try 1 'finish'
try 1 'true'
try 77 'skip why'
try 1 'run 0 false; skip_not_reached=1; finish; exit 0'
finish
