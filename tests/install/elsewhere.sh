# Surgery within another project, by FetchContent from a local folder and by add_subdirectory, in a path with spaces
# and more than ASCII; and what is built there has the same bytes as what is built here.
. "$INSTALL_SOURCE/common.sh"
no_sanitizers
need ninja
cached() { sed -n "s/^$1:[A-Z]*=//p" "$SURGERY_BUILD/CMakeCache.txt"; }
mkdir source project
(cd "$SURGERY_SOURCE" && tar cf - CMakeLists.txt LICENSE CHANGELOG.md cmake compiler editors examples/build-systems \
  examples/digits grammar runtime) | tar xf - -C source
cp "$SURGERY_SOURCE"/examples/build-systems/main.cpp project/
cat >project/CMakeLists.txt <<'L'
cmake_minimum_required(VERSION 3.21)
project(outer VERSION 7.8.9 LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_BUILD_TYPE ${TYPE})
if(FETCH)
  include(FetchContent)
  FetchContent_Declare(Surgery SOURCE_DIR ${FETCH})
  FetchContent_MakeAvailable(Surgery)
else()
  add_subdirectory(${ADD} inner EXCLUDE_FROM_ALL)
endif()
surgery_add_network(digits SCRIPT ${SCRIPT})
add_executable(app main.cpp)
target_link_libraries(app PRIVATE digits)
L
configure() {
  quietly "$CMAKE" -G Ninja -S project -B "$@" -DTYPE="$(cached CMAKE_BUILD_TYPE)" -DSCRIPT="$work/source/examples/build-systems/digits.surgery" \
    -DCMAKE_C_COMPILER="$(cached CMAKE_C_COMPILER)" -DCMAKE_C_COMPILER_LAUNCHER="$(cached CMAKE_C_COMPILER_LAUNCHER)" -DCMAKE_C_FLAGS="$(cached CMAKE_C_FLAGS)"
}

# That the compiler is built before the network is seen without building it a second time.
configure added -DADD="$work/source"
ninja -C added -t commands app >steps
has steps 'cc .* -o (inner/)?surgeryc '
has steps 'surgeryc" .*digits\.surgery.* --emit=obj'
has_not steps 'generate_words|march=native'

configure fetched -DFETCH="$work/source"
quietly "$CMAKE" --build fetched -j2
(cd fetched && ./app) >out || fail "the program"
has out '^5 of 5 right$'
quietly "$CMAKE" --build fetched
has log 'no work to do'

quietly "$CMAKE" --install fetched --prefix "$work/there"
[ "$(cached CMAKE_BUILD_TYPE)" = Release ] || { echo "SKIPPED: a build that is no release knows its folder"; finish; exit 0; }
(cd there && find . -type f ! -path './share/doc/*' | sort) >files
[ "$(wc -l <files)" -gt 50 ] || fail "few files are installed"
while read -r file; do
  cmp "$prefix/$file" "there/$file" || fail "$file is different when it is built elsewhere"
done <files
finish
