# cpack: the same bytes twice; lintian has no errors; the .deb packages are installed to a root of their own, used and
# removed; the .tar.gz works where it is unpacked.
. "$INSTALL_SOURCE/common.sh"
no_sanitizers
need dpkg-deb dpkg-shlibdeps
cpack=$(dirname "$CMAKE")/cpack
[ -x "$cpack" ] || skip "there is no cpack"
umask 022 # which cpack writes into the members of a .deb
export SOURCE_DATE_EPOCH=1700000000

quietly "$cpack" --config "$SURGERY_BUILD/CPackConfig.cmake" -B "$work/one"
sleep 1.1 # another time, by all clocks that count seconds
quietly "$cpack" --config "$SURGERY_BUILD/CPackConfig.cmake" -B "$work/two"
count=0
for package in one/*.deb one/*.tar.gz; do
  cmp "$package" "two/${package#one/}" || fail "$package is different the second time"
  count=$((count + 1))
done
[ $count = 4 ] || fail "$count packages instead of 4"
for package in one/*.deb; do
  dpkg-deb -c "$package" >contents
  grep -v '2023-11-14' contents && fail "$package has files of another time"
  awk '$2 != "root/root"' contents >others
  [ ! -s others ] || { cat others; fail "files of somebody"; }
done
if command -v lintian >/dev/null; then
  lintian --allow-root one/*.deb >found 2>&1 || true
  has_not found '^E:'
else echo "SKIPPED: lintian, which is not installed"; fi
dpkg-deb -f one/surgeryc_*.deb Depends >depends
has depends 'libllvm19'
has depends "libsurgery-dev \(= $VERSION\)"
dpkg-deb -I one/libsurgery0_*.deb shlibs >shlibs
has shlibs '^libsurgery 0 libsurgery0 '

uses() { # PREFIX: a program and an object, with nothing but what is there
  rm -f program ./*.o
  quietly "$1/bin/surgeryc" "$1/share/surgery/examples/digits/digits.surgery" -o program
  ./program info >info
  has info '^network +program'
  cat >main.c <<'C'
#include <surgery/surgery.h>
int main(void) { return surgery_threads() < 1; }
C
  quietly gcc -I"$1/include" main.c -o main -L"$1/lib" -lsurgery
  LD_LIBRARY_PATH="$1/lib" ./main || fail "a program with libsurgery.so"
}

# dpkg runs the scripts of libsurgery0, which call ldconfig: here a program that does nothing.
mkdir -p root/var/lib/dpkg/updates root/var/lib/dpkg/info root/var/lib/dpkg/triggers bin
: >root/var/lib/dpkg/status
printf '#!/bin/sh\nexit 0\n' >bin/ldconfig
chmod +x bin/ldconfig
in_root() { PATH="$work/bin:$PATH" dpkg --root="$work/root" --log=/dev/null --force-not-root --force-script-chrootless --force-depends "$@"; }
if [ "$(id -u)" = 0 ]; then
  quietly in_root -i one/*.deb
  in_root -l surgeryc libsurgery0 libsurgery-dev >listed
  [ "$(grep -c '^ii' listed)" = 3 ] || { cat listed; fail "not all are installed"; }
else
  echo "SKIPPED: dpkg -i, which root may do; the packages are unpacked instead"
  for package in one/*.deb; do dpkg-deb -x "$package" root; done
fi
uses "$work/root/usr"
if [ "$(id -u)" = 0 ]; then
  quietly in_root --purge surgeryc libsurgery-dev libsurgery0
  find root -path root/var -prune -o ! -type d -print >left
  [ ! -s left ] || { cat left; fail "files are left after the removal"; }
fi

mkdir "an där"
tar xzf one/*.tar.gz -C "an där"
uses "$(echo "$work/an där/"*)"
finish
