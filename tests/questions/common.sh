# Sourced by the scripts of this folder. From CMakeLists.txt: SURGERYC, NUMTOOL, SURGERY_SOURCE, SEEDS_WORK.
set -eu
export LC_ALL=C OMP_WAIT_POLICY=passive SURGERY_WEIGHTS= TORCH_HOME=/nonexistent
seeds=$SURGERY_SOURCE/examples/questions goldens=$SURGERY_SOURCE/tests/questions/goldens
fail() { echo "FAILED: $*"; exit 1; }
