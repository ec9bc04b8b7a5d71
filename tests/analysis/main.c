/* The unit tests of the analysis: analysis_test PLANS-FOLDER. */
#include "tests/analysis/tests.h"

const char *plans_folder;

int main(int argc, char **argv) {
  if (argc != 2) {
    fputs("usage: analysis_test PLANS-FOLDER\n", stderr);
    return 2;
  }
  plans_folder = argv[1];
  return test_memory() + test_pruning() + test_choices() != 0;
}
