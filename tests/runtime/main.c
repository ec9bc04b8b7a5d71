/* The runtime without the compiler: networks, data, training, commands. */
#include "tests/runtime/fake.h"

/* The sanitizers' own limit on allocations would hide how the runtime answers when there is no memory. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "allocator_may_return_null=1"; }

/* With arguments it is the program of the commands' tests, in a process of its own: a command may end it. */
int main(int argc, char **argv) {
  if (argc > 1) return run_as_program(argc, argv);
  int failed = run_optimizer_tests() + run_schedule_tests() + run_net_tests() + run_cpu_tests() + run_data_tests() +
               run_array_tests() + run_metrics_tests() + run_train_tests() + run_cli_tests() + run_inspect_tests() +
               run_gradient_tests() + run_caller_tests();
  test_remove_all();
  return failed ? 1 : 0;
}
