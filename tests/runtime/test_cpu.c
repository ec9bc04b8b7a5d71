/* Features of processors, and which level of a network is chosen. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "runtime/base/cpu.h"
#include "tests/runtime/fake.h"

static void test_features(void **state) {
  (void)state;
  uint64_t v2 = cpu_features(CPU_LEVEL2), v3 = cpu_features(CPU_LEVEL3), v4 = cpu_features(CPU_LEVEL4);
  assert_int_equal(__builtin_popcountll(v2), 7);
  assert_int_equal(__builtin_popcountll(v3), 16);
  assert_int_equal(__builtin_popcountll(v4), 21);
  assert_true((v2 & ~v3) == 0 && (v3 & ~v4) == 0);
  assert_int_equal(cpu_features(""), 0);
  assert_int_equal(cpu_features("-avx2,+no-such-thing,avx2,+avx,"), cpu_features("+avx"));
  assert_int_not_equal(cpu_features("+avx512f"), cpu_features("+avx512fp16"));
  assert_int_equal(cpu_features("+avx,+avx2,+fma"),
                   cpu_features("+fma") | cpu_features("+avx2") | cpu_features("+avx"));
}

/* Linux lists what it has found, under names of its own. */
static void test_present(void **state) {
  (void)state;
  uint64_t have = cpu_present();
#ifdef __x86_64__
  static const char *const names[][2] = {
      {"sse3", "pni"},
      {"ssse3", "ssse3"},
      {"cx16", "cx16"},
      {"sse4.1", "sse4_1"},
      {"sse4.2", "sse4_2"},
      {"movbe", "movbe"},
      {"popcnt", "popcnt"},
      {"xsave", "xsave"},
      {"avx", "avx"},
      {"f16c", "f16c"},
      {"fma", "fma"},
      {"sahf", "lahf_lm"},
      {"lzcnt", "abm"},
      {"sse4a", "sse4a"},
      {"tbm", "tbm"},
      {"xop", "xop"},
      {"fma4", "fma4"},
      {"bmi", "bmi1"},
      {"bmi2", "bmi2"},
      {"adx", "adx"},
      {"gfni", "gfni"},
      {"avx2", "avx2"},
      {"avx512f", "avx512f"},
      {"avx512dq", "avx512dq"},
      {"avx512cd", "avx512cd"},
      {"avx512bw", "avx512bw"},
      {"avx512vl", "avx512vl"},
      {"avx512ifma", "avx512ifma"},
      {"avxvnni", "avx_vnni"},
      {"avx512vbmi", "avx512vbmi"},
      {"avxifma", "avx_ifma"},
      {"avx512vbmi2", "avx512_vbmi2"},
      {"avx512bf16", "avx512_bf16"},
      {"avx512vnni", "avx512_vnni"},
      {"avx512fp16", "avx512_fp16"},
      {"avx512bitalg", "avx512_bitalg"},
      {"avx512vpopcntdq", "avx512_vpopcntdq"},
  };
  char *line = NULL;
  size_t room = 0;
  FILE *file = fopen("/proc/cpuinfo", "r");
  assert_non_null(file);
  while (getline(&line, &room, file) > 0 && strncmp(line, "flags", 5) != 0) continue;
  fclose(file);
  assert_true(strncmp(line, "flags", 5) == 0);
  *strchr(line, '\n') = ' ';
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char feature[32], flag[32];
    snprintf(feature, sizeof feature, "+%s", names[i][0]);
    snprintf(flag, sizeof flag, " %s ", names[i][1]);
    assert_int_not_equal(cpu_features(feature), 0);
    if (((have & cpu_features(feature)) != 0) != (strstr(line, flag) != NULL)) fail_msg("%s", names[i][0]);
  }
  free(line);
#else
  assert_int_equal(have, 0);
#endif
}

static void test_choice(void **state) {
  (void)state;
  uint64_t v2 = cpu_features(CPU_LEVEL2), v3 = cpu_features(CPU_LEVEL3), v4 = cpu_features(CPU_LEVEL4);
  sg_network low = {.cpu = "x86-64-v2", .needs = v2};
  sg_network middle = {.cpu = "x86-64-v3", .needs = v3, .next_lower = &low},
             high = {.cpu = "x86-64-v4", .needs = v4, .next_lower = &middle};
  assert_ptr_equal(cpu_choose(&high, v4, NULL), &high);
  assert_ptr_equal(cpu_choose(&high, ~UINT64_C(0), NULL), &high);
  /* one feature short */
  assert_ptr_equal(cpu_choose(&high, v4 & ~cpu_features("+avx512vl"), NULL), &middle);
  assert_ptr_equal(cpu_choose(&high, v3 & ~cpu_features("+bmi2"), NULL), &low);
  assert_null(cpu_choose(&high, v2 & ~cpu_features("+popcnt"), NULL));
  assert_null(cpu_choose(&high, 0, NULL));
  /* by name: that one or none */
  assert_ptr_equal(cpu_choose(&high, v4, "x86-64-v2"), &low);
  assert_ptr_equal(cpu_choose(&high, v3, "x86-64-v3"), &middle);
  assert_null(cpu_choose(&high, v3, "x86-64-v4"));
  assert_null(cpu_choose(&high, v4, "x86-64-v5"));
  char text[64], small[16];
  assert_string_equal(cpu_levels(&high, text, sizeof text), "x86-64-v4, x86-64-v3 and x86-64-v2");
  assert_string_equal(cpu_levels(&low, text, sizeof text), "x86-64-v2");
  assert_string_equal(cpu_levels(&high, small, sizeof small), "x86-64-v4, x86-");
}

/* A network that needs what no processor has: its levels and what is missing are in the message. */
static void test_refused(void **state) {
  (void)state;
  surgery_error err;
  sg_network network = fake_network(&(FakeOptions){.kind = FAKE_FROZEN});
  fake_write_weights(test_path("cpu.safetensors"), 1);
  network.cpu = "toaster";
  network.needs = ~UINT64_C(0);
  assert_null(sg_choose(&network));
  assert_null(surgery_open(&network, test_path("cpu.safetensors"), &err));
  assert_int_equal(err.status, SURGERY_ENVIRONMENT);
  assert_non_null(strstr(err.message, "is compiled for toaster, and this processor lacks what toaster needs: "));
  assert_non_null(strstr(err.message, "--cpu=x86-64"));
  /* with a lower one it opens, by that one's functions and the first one's manifest */
  sg_network lower = network;
  lower.needs = 0, lower.cpu = "abacus", lower.manifest = NULL;
  network.forward = NULL, network.next_lower = &lower;
  surgery_net *net = surgery_open(&network, test_path("cpu.safetensors"), &err);
  if (!net) fail_msg("%s", err.message);
  float x[FAKE_INPUT] = {1}, y[FAKE_CLASSES];
  assert_int_equal(surgery_forward(net, 1, x, y), 0);
  surgery_close(net);
  free((void *)network.manifest);
}

int run_cpu_tests(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_features), cmocka_unit_test(test_present),
                                     cmocka_unit_test(test_choice), cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
