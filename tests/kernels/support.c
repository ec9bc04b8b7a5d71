/* See support.h. */
#include "tests/kernels/support.h"

/* ---- buffers ---- */

#define GUARD_BYTES 64
#define GUARD 0xa5
typedef struct Held {
  unsigned char *at;
  size_t bytes;
} Held;
static Held held[4096];
static size_t held_count;

void *new_buffer(size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  size_t guard = 0;
#else
  size_t guard = GUARD_BYTES;
#endif
  void *at = NULL;
  assert_true(held_count < sizeof held / sizeof *held);
  assert_int_equal(posix_memalign(&at, 64, bytes + guard ? bytes + guard : 1), 0);
  memset((char *)at + bytes, GUARD, guard);
  held[held_count++] = (Held){at, bytes};
  return at;
}
float *new_floats(int64_t count) {
  float *at = new_buffer((size_t)count * sizeof *at);
  for (int64_t i = 0; i < count; i++) at[i] = NAN;
  return at;
}
double *new_doubles(int64_t count) {
  double *at = new_buffer((size_t)count * sizeof *at);
  memset(at, 0, (size_t)count * sizeof *at);
  return at;
}
void free_buffers(void) {
  int broken = 0;
  for (size_t i = 0; i < held_count; i++) {
#ifndef __SANITIZE_ADDRESS__
    for (size_t j = 0; j < GUARD_BYTES; j++) broken += held[i].at[held[i].bytes + j] != GUARD;
#endif
    free(held[i].at);
  }
  held_count = 0;
  if (broken) fail_msg("%d bytes after a buffer's end were written", broken);
}
int free_after(void **state) {
  (void)state;
  free_buffers();
  return 0;
}

/* ---- values ---- */

static uint64_t random_state = 1;
void seed_random(uint64_t seed) { random_state = seed * 2 + 1; }
double random_uniform(double low, double high) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return low + (high - low) * ((double)(random_state >> 11) / 9007199254740992.0);
}
double *new_random(int64_t count, double low, double high) {
  double *at = new_doubles(count);
  for (int64_t i = 0; i < count; i++) {
    int64_t other = (int64_t)random_uniform(0, (double)i + 0.999);
    at[i] = at[other];
    at[other] = (float)(low + (high - low) * ((double)i + 0.5) / (double)count);
  }
  return at;
}
float *as_floats(const double *values, int64_t count) {
  float *at = new_floats(count);
  for (int64_t i = 0; i < count; i++) at[i] = (float)values[i];
  return at;
}
double *from_floats(const float *values, int64_t count) {
  double *at = new_doubles(count);
  for (int64_t i = 0; i < count; i++) at[i] = values[i];
  return at;
}

int64_t stored_count(int64_t n, int64_t c, int64_t hw) { return n * BLOCKS(c) * hw * LANES; }
static int64_t stored_at(int64_t s, int64_t ch, int64_t p, int64_t c, int64_t hw) {
  return ((s * BLOCKS(c) + ch / LANES) * hw + p) * LANES + ch % LANES;
}
float *new_nchw16c(const double *plain, int64_t n, int64_t c, int64_t hw) {
  float *at = new_floats(stored_count(n, c, hw));
  memset(at, 0, (size_t)stored_count(n, c, hw) * sizeof *at);
  for (int64_t s = 0; s < n; s++)
    for (int64_t ch = 0; ch < c; ch++)
      for (int64_t p = 0; p < hw; p++) at[stored_at(s, ch, p, c, hw)] = (float)plain[(s * c + ch) * hw + p];
  return at;
}
double *from_nchw16c(const float *blocked, int64_t n, int64_t c, int64_t hw) {
  double *plain = new_doubles(n * c * hw);
  for (int64_t s = 0; s < n; s++)
    for (int64_t ch = 0; ch < BLOCKS(c) * LANES; ch++)
      for (int64_t p = 0; p < hw; p++) {
        float v = blocked[stored_at(s, ch, p, c, hw)];
        if (ch < c) plain[(s * c + ch) * hw + p] = v;
        else if (v != 0) fail_msg("pad lane of channel %d holds %g", (int)ch, v);
      }
  return plain;
}

/* ---- running ---- */

static unsigned char *outs_copy(const Out *outs) {
  size_t bytes = 0, at = 0;
  for (const Out *o = outs; o->at; o++) bytes += o->bytes;
  unsigned char *copy = malloc(bytes + 1);
  assert_non_null(copy);
  for (const Out *o = outs; o->at; at += o->bytes, o++) memcpy(copy + at, o->at, o->bytes);
  return copy;
}
static void outs_restore(const Out *outs, const unsigned char *copy) {
  size_t at = 0;
  for (const Out *o = outs; o->at; at += o->bytes, o++) memcpy(o->at, copy + at, o->bytes);
}
static void outs_expect(const Out *outs, const unsigned char *copy, const char *kernel, const char *split) {
  size_t at = 0;
  for (const Out *o = outs; o->at; at += o->bytes, o++)
    if (memcmp(o->at, copy + at, o->bytes) != 0) fail_msg("%s: another result when run %s", kernel, split);
}

void run_kernel(KernelId kernel, const void *operands, int64_t n, const void *k, const Out *outs) {
  const KernelInfo *info = kernel_info(kernel);
  CallPlan plan;
  info->plan(k, &plan);
  int64_t items = plan.items_per_sample * n + plan.items_fixed;
  void *scratch =
      plan.scratch_bytes ? new_buffer((size_t)plan.scratch_bytes) : NULL; /* as it was left: anything may be in it */
  if (scratch) memset(scratch, 0xff, (size_t)plan.scratch_bytes);
  assert_true(plan.flops_per_sample >= 0);
  unsigned char *before = outs_copy(outs);
  call_template(kernel, operands, n, 0, items, scratch, k);
  unsigned char *result = outs_copy(outs);
  outs_restore(outs, before);
  for (int64_t item = items - 1; item >= 0; item--) call_template(kernel, operands, n, item, item + 1, scratch, k);
  outs_expect(outs, result, info->name, "item by item, backwards");
  outs_restore(outs, before);
  call_template(kernel, operands, n, items / 3, items, scratch, k);
  call_template(kernel, operands, n, 0, items / 3, scratch, k);
  outs_expect(outs, result, info->name, "in two parts");
  free(before);
  free(result);
}

/* ---- judging ---- */

typedef struct Worst {
  const char *label;
  double error, tolerance;
} Worst;
static Worst worst[256];
static size_t worst_count;

static void note_error(const char *label, double error, double tolerance) {
  size_t i = 0;
  while (i < worst_count && strcmp(worst[i].label, label) != 0) i++;
  if (i == worst_count) {
    assert_true(worst_count < sizeof worst / sizeof *worst);
    worst[worst_count++] = (Worst){label, 0, 0};
  }
  if (error > worst[i].error) worst[i].error = error;
  if (tolerance > worst[i].tolerance) worst[i].tolerance = tolerance;
}
void print_errors(void) {
  printf("%-44s %10s %10s\n", "largest error", "measured", "tolerance");
  for (size_t i = 0; i < worst_count; i++)
    printf("%-44s %10.2e %10.2e\n", worst[i].label, worst[i].error, worst[i].tolerance);
}

void check_close(const char *label, const double *got, const double *want, int64_t count, double tolerance) {
  double largest = 1e-30;
  for (int64_t i = 0; i < count; i++)
    if (fabs(want[i]) > largest && !isinf(want[i])) largest = fabs(want[i]);
  for (int64_t i = 0; i < count; i++) {
    if (got[i] == want[i] || (isnan(got[i]) && isnan(want[i]))) continue;
    double error = fabs(got[i] - want[i]) / largest;
    if (!(error <= tolerance))
      fail_msg("%s: element %d is %.9g, not %.9g (error %.3g of the largest, %.3g allowed)", label, (int)i, got[i],
               want[i], error, tolerance);
    note_error(label, error, tolerance);
  }
  note_error(label, 0, tolerance);
}

void check_gradient(const char *label, Function *f, const void *context, const double *x, int64_t nx, const double *dy,
                    int64_t ny, const double *dx, double tolerance) {
  double *moved = new_doubles(nx), *y = new_doubles(ny), *want = new_doubles(nx);
  const double step = 1e-5; /* the truncation is of its square, the rounding of a double's 1e-16 over it */
  memcpy(moved, x, (size_t)nx * sizeof *x);
  for (int64_t i = 0; i < nx; i++) {
    for (int side = 1; side >= -1; side -= 2) {
      moved[i] = x[i] + side * step;
      f(context, moved, y);
      double sum = 0;
      for (int64_t j = 0; j < ny; j++) sum += dy[j] * y[j];
      want[i] += side * sum / (2 * step);
    }
    moved[i] = x[i];
  }
  check_close(label, dx, want, nx, tolerance);
}

/* ---- PyTorch's numbers ---- */

static float *golden_values;
static struct {
  char name[48];
  int64_t at, count;
} golden_index[1024];
static size_t golden_names;

static void load_goldens(void) {
  int64_t total = 0;
  long long at, count;
  FILE *index = fopen(KERNEL_GOLDENS ".txt", "r"), *values = fopen(KERNEL_GOLDENS ".bin", "rb");
  assert_non_null(index);
  assert_non_null(values);
  while (fscanf(index, "%47s %lld %lld", golden_index[golden_names].name, &at, &count) == 3) {
    golden_index[golden_names].at = at;
    golden_index[golden_names++].count = count;
    total = at + count;
    assert_true(golden_names < sizeof golden_index / sizeof *golden_index);
  }
  golden_values = calloc((size_t)total, sizeof *golden_values);
  assert_non_null(golden_values);
  assert_int_equal(fread(golden_values, sizeof *golden_values, (size_t)total, values), total);
  fclose(index);
  fclose(values);
}
const float *golden(const char *name, int64_t *count) {
  if (!golden_values) load_goldens();
  for (size_t i = 0; i < golden_names; i++)
    if (strcmp(golden_index[i].name, name) == 0) {
      if (count) *count = golden_index[i].count;
      return golden_values + golden_index[i].at;
    }
  return NULL;
}
const float *golden_of(const char *kind, int number, const char *part, int64_t *count) {
  char name[64];
  snprintf(name, sizeof name, "%s%d.%s", kind, number, part);
  return golden(name, count);
}
