/* f32 to f16 and bf16 and back: against what PyTorch makes of the same numbers (rounding.golden, made by
 * make_goldens.py, which says what the kinds are), all 65,536 patterns there and back, and what is told about
 * numbers that are too large. */
#include "runtime/weights/weights.h"
#include "tests/weights/support.h"

#include <math.h>
#include <zlib.h>

enum { PATTERNS = 1 << 16, RANDOM = 1 << 20 };

static uint32_t f32_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
static float f32_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static float every[PATTERNS];

static void read_every(surgery_dtype dtype) {
  static uint16_t patterns[PATTERNS];
  for (int i = 0; i < PATTERNS; i++) patterns[i] = (uint16_t)i;
  dtype_to_f32(dtype, false, (const unsigned char *)patterns, every, PATTERNS);
}

/* The numbers of one line of the golden; how many. */
static size_t make_numbers(const char *kind, surgery_dtype dtype, float *to) {
  static const struct {
    const char *kind;
    int step;
    bool mean;
  } kinds[] = {{"below", -1, false}, {"middle", 0, false}, {"above", 1, false},
               {"under", -1, true},  {"mean", 0, true},    {"over", 1, true}};
  if (strcmp(kind, "random") == 0) {
    for (uint32_t i = 0; i < RANDOM; i++) {
      uint32_t x = i * 2654435761u;
      x = (x ^ x >> 15) * 2246822519u;
      to[i] = f32_of(x ^ x >> 13);
    }
    return RANDOM;
  }
  size_t k = 0;
  while (strcmp(kinds[k].kind, kind) != 0) k++;
  for (int i = 0; i < PATTERNS; i++) {
    uint32_t middle = f32_bits(every[i]) + (dtype == SURGERY_F16 ? 1u << 12 : 1u << 15);
    if (kinds[k].mean) middle = f32_bits((float)(((double)every[i] + (double)every[(i + 1) % PATTERNS]) / 2));
    to[i] = f32_of(middle + (uint32_t)kinds[k].step);
  }
  return PATTERNS;
}

static bool is_nan(surgery_dtype dtype, uint16_t bits) {
  return (bits & 0x7fff) > (dtype == SURGERY_F16 ? 0x7c00 : 0x7f80);
}

static unsigned long checksum(surgery_dtype dtype, const char *kind) {
  static float numbers[RANDOM];
  static uint16_t rounded[RANDOM];
  read_every(dtype);
  if (strcmp(kind, "every") == 0) {
    for (int i = 0; i < PATTERNS; i++)
      if (isnan(every[i])) every[i] = f32_of(0x7fc00000);
    return crc32_z(0, (const Bytef *)every, sizeof every);
  }
  size_t count = make_numbers(kind, dtype, numbers);
  dtype_from_f32(dtype, numbers, rounded, count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(isnan(numbers[i]), is_nan(dtype, rounded[i]));
    if (is_nan(dtype, rounded[i])) rounded[i] = 0x7fff;
  }
  return crc32_z(0, (const Bytef *)rounded, count * 2);
}

static void test_golden(void **state) {
  FILE *f = fopen(FOLDER "/rounding.golden", "r");
  assert_non_null(f);
  char line[200], kind[20], name[20], expected[20], got[20];
  int lines = 0;
  while (fgets(line, sizeof line, f)) {
    if (*line == '#') continue;
    assert_int_equal(sscanf(line, "%19s %19s %19s", kind, name, expected), 3);
    snprintf(got, sizeof got, "%08lx", checksum(strcmp(name, "f16") == 0 ? SURGERY_F16 : SURGERY_BF16, kind));
    if (strcmp(got, expected) != 0) fail_msg("%s %s: %s, PyTorch has %s", kind, name, got, expected);
    lines++;
  }
  fclose(f);
  assert_int_equal(lines, 16);
}

/* There and back every pattern is what it was; a signalling NaN becomes a quiet one. */
static void test_round_trip(void **state) {
  static uint16_t back[PATTERNS];
  for (int k = 0; k < 2; k++) {
    surgery_dtype dtype = k ? SURGERY_BF16 : SURGERY_F16;
    uint16_t quiet = k ? 0x40 : 0x200;
    read_every(dtype);
    assert_int_equal(dtype_from_f32(dtype, every, back, PATTERNS), 0);
    for (int i = 0; i < PATTERNS; i++) assert_int_equal(back[i], is_nan(dtype, (uint16_t)i) ? i | quiet : i);
  }
}

static void test_too_large(void **state) {
  static const float numbers[] = {65504, 65519.996f, 65520, -1e5f, INFINITY, NAN, 3.38e38f, -3.4e38f, 1e-30f};
  uint16_t to[9];
  assert_int_equal(dtype_from_f32(SURGERY_F16, numbers, to, 9), 4);
  static const uint16_t halves[] = {0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7c00, 0x7e00, 0x7c00, 0xfc00, 0};
  assert_memory_equal(to, halves, sizeof halves);
  assert_int_equal(dtype_from_f32(SURGERY_BF16, numbers, to, 9), 1);
  assert_int_equal(to[6], 0x7f7e);
  assert_int_equal(to[7], 0xff80);
}

/* The writers: the floats rounded, the integers as they were. */
static void test_files(void **state) {
  static const float small[] = {1, -0.1f, 3.14159f, 1e-8f}, large[] = {1, 7e4f, -1e6f};
  static const int64_t steps[] = {7};
  const surgery_tensor_out tensors[] = {{"a", SURGERY_F32, 2, {2, 2}, small},
                                        {"steps", SURGERY_I64, 0, {0}, steps},
                                        {"b", SURGERY_F32, 1, {3}, large},
                                        {"c", SURGERY_F32, 1, {0}, NULL}};
  static const char *const names[] = {"x.safetensors", "x.pth", "x.npz"};
  for (int k = 0; k < 5; k++) {
    surgery_dtype dtype = k < 3 ? SURGERY_F16 : SURGERY_BF16;
    const char *path = scratch(names[k % 3]);
    surgery_error err = {0};
    surgery_rounded told;
    if (surgery_weights_write_as(path, tensors, 4, NULL, dtype, &told, &err)) fail_msg("%s", err.message);
    assert_int_equal(told.infinite, dtype == SURGERY_F16 ? 2 : 0);
    if (told.infinite) assert_string_equal(told.tensor, "b");
    surgery_weights *w = open_ok(path);
    float values[4];
    const surgery_tensor *a = surgery_weights_find(w, "a"), *b = surgery_weights_find(w, "b");
    assert_int_equal(a->dtype, dtype);
    assert_int_equal(surgery_weights_find(w, "steps")->dtype, SURGERY_I64);
    assert_int_equal(surgery_weights_find(w, "c")->dtype, dtype);
    assert_int_equal(surgery_weights_read(w, a, values, 4, &err), 0);
    assert_true(values[0] == 1 && fabsf(values[1] + 0.1f) < 1e-3f && fabsf(values[2] - 3.14159f) < 1e-2f);
    assert_int_equal(surgery_weights_read(w, b, values, 3, &err), 0);
    assert_true(dtype == SURGERY_F16 ? isinf(values[1]) && values[2] == -INFINITY : values[1] == 70144);
    surgery_weights_close(w);
  }
}

static void test_refused(void **state) {
  static const float one[] = {1};
  const surgery_tensor_out tensor = {"a", SURGERY_F32, 1, {1}, one};
  surgery_error err = {0};
  const char *path = scratch("refused.npz");
  assert_int_equal(surgery_weights_write_as(path, &tensor, 1, NULL, SURGERY_BF16, NULL, &err), -1);
  assert_non_null(strstr(err.message, "refused.npz: tensor 'a': numpy has no dtype bf16"));
  assert_int_equal(surgery_weights_write_as(path, &tensor, 1, NULL, SURGERY_I8, NULL, &err), -1);
  assert_non_null(strstr(err.message, "refused.npz: weights are written as f32, f16 or bf16, not i8"));
  assert_false(exists(path));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_round_trip),
                                     cmocka_unit_test(test_too_large), cmocka_unit_test(test_files),
                                     cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
