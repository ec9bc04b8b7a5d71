/* The runtime without the compiler: networks, data, training, commands. */
#include "tests/runtime/fake.h"

int main(void) {
  int failed = run_optimizer_tests() + run_net_tests() + run_data_tests() + run_train_tests() + run_cli_tests();
  test_remove_all();
  return failed ? 1 : 0;
}
