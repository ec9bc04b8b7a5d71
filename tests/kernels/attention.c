/* Attention and its gradients: with masks, more queries than are held at once, other numbers of keys, and dropout. */
#include "tests/kernels/support.h"
#include <stdbool.h>

typedef struct Attend {
  int64_t n;
  AttentionParams k;
  const int32_t *mask;       /* (n, tk), or NULL */
  const double *q, *key, *v; /* for the twins: what is not their argument */
  const double *noise;       /* (n, heads, tq, tk): what the dropout multiplies with, or NULL */
} Attend;
#define SIZE(n, heads, tq, tk, dim, value_dim) {n, {heads, tq, tk, dim, value_dim, 3, 0, 0, 0, 0.3, 0}, 0, 0, 0, 0, 0}
static const Attend sizes[] = {SIZE(2, 2, 5, 5, 4, 4),   SIZE(1, 1, 1, 1, 1, 1),   SIZE(2, 3, 4, 17, 5, 2),
                               SIZE(1, 1, 131, 3, 2, 3), SIZE(3, 2, 1, 16, 16, 1), SIZE(1, 2, 33, 33, 8, 16),
                               SIZE(0, 2, 3, 3, 4, 4)};
enum { SIZES = sizeof sizes / sizeof *sizes };

static int64_t q_count(const Attend *t) { return t->n * t->k.tq * t->k.heads * t->k.dim; }
static int64_t k_count(const Attend *t) { return t->n * t->k.tk * t->k.heads * t->k.dim; }
static int64_t v_count(const Attend *t) { return t->n * t->k.tk * t->k.heads * t->k.value_dim; }
static int64_t y_count(const Attend *t) { return t->n * t->k.tq * t->k.heads * t->k.value_dim; }

/* One query of one head: probabilities of its keys. */
static void weigh(const Attend *t, const double *q, const double *k, int64_t s, int64_t h, int64_t i, double *p) {
  int64_t width = t->k.heads * t->k.dim;
  double top = -INFINITY, sum = 0;
  for (int64_t j = 0; j < t->k.tk; j++) {
    p[j] = 0;
    for (int64_t c = 0; c < t->k.dim; c++)
      p[j] += t->k.scale * q[(s * t->k.tq + i) * width + h * t->k.dim + c] *
              k[(s * t->k.tk + j) * width + h * t->k.dim + c];
    if (t->mask && !t->mask[s * t->k.tk + j]) p[j] = -INFINITY;
    top = fmax(top, p[j]);
  }
  for (int64_t j = 0; j < t->k.tk; j++) sum += isinf(top) ? 0 : exp(p[j] - top);
  for (int64_t j = 0; j < t->k.tk; j++) {
    p[j] = isinf(top) ? 0 : exp(p[j] - top) / sum;
    if (t->noise) p[j] *= t->noise[((s * t->k.heads + h) * t->k.tq + i) * t->k.tk + j];
  }
}

static void apply(const Attend *t, const double *q, const double *k, const double *v, double *y) {
  int64_t width = t->k.heads * t->k.value_dim;
  double p[256];
  for (int64_t at = 0; at < t->n * t->k.heads * t->k.tq; at++) {
    int64_t s = at / t->k.tq / t->k.heads, h = at / t->k.tq % t->k.heads, i = at % t->k.tq;
    weigh(t, q, k, s, h, i, p);
    for (int64_t c = 0; c < t->k.value_dim; c++) {
      double sum = 0;
      for (int64_t j = 0; j < t->k.tk; j++) sum += p[j] * v[(s * t->k.tk + j) * width + h * t->k.value_dim + c];
      y[(s * t->k.tq + i) * width + h * t->k.value_dim + c] = sum;
    }
  }
}
static void of_q(const void *context, const double *q, double *y) {
  const Attend *t = context;
  apply(t, q, t->key, t->v, y);
}
static void of_k(const void *context, const double *k, double *y) {
  const Attend *t = context;
  apply(t, t->q, k, t->v, y);
}
static void of_v(const void *context, const double *v, double *y) {
  const Attend *t = context;
  apply(t, t->q, t->key, v, y);
}

/* Ones and zeros; the first sample ends with zeros, the second has none but holes, and the last attends to nothing
 * (the kernel then gives zeros). */
static int32_t *new_mask(const Attend *t) {
  int32_t *mask = new_buffer((size_t)(t->n * t->k.tk * 4) + 4);
  for (int64_t i = 0; i < t->n * t->k.tk; i++) {
    int64_t s = i / t->k.tk, j = i % t->k.tk;
    mask[i] = s == 0 ? j < (t->k.tk + 1) / 2 : s == 1 ? j % 3 != 1 : 0;
  }
  return mask;
}

static const uint64_t rng[2] = {11, 5};

/* What the kernel's dropout multiplies the probabilities with: seen through values of which each key has its own. */
static double *seen_noise(const Attend *t) {
  AttentionParams k = t->k;
  k.value_dim = k.tk;
  int64_t heads = k.heads, width = heads * k.tk;
  double *noise = new_doubles(t->n * heads * k.tq * k.tk);
  float *q = as_floats(new_doubles(q_count(t)), q_count(t)), *key = as_floats(new_doubles(k_count(t)), k_count(t));
  float *v = as_floats(new_doubles(t->n * k.tk * width), t->n * k.tk * width), *y = new_floats(t->n * k.tq * width);
  for (int64_t i = 0; i < t->n * k.tk * width; i++) v[i] = i / width % k.tk == i % k.tk;
  run_kernel(KERNEL_attention, OPERANDS(attention, .q = q, .k = key, .v = v, .rng = rng, .y = y), t->n, &k,
             (Out[]){{y, (size_t)(t->n * k.tq * width) * 4}, {0}});
  for (int64_t at = 0; at < t->n * heads * k.tq * k.tk; at++) {
    int64_t j = at % k.tk, i = at / k.tk % k.tq, h = at / k.tk / k.tq % heads, s = at / k.tk / k.tq / heads;
    noise[at] =
        y[(s * k.tq + i) * width + h * k.tk + j] * (double)k.tk; /* all scores are 0: each probability is 1 / tk */
  }
  return noise;
}

/* A gradient on its way: what it is added to, what it becomes. */
typedef struct Gradient {
  int64_t count;
  double *before;
  float *at, *first; /* first: of the call that makes all three */
} Gradient;

static Gradient start(int64_t count, bool accumulate) {
  Gradient g = {
      .count = count, .before = accumulate ? new_random(count, -1, 1) : new_doubles(count), .first = new_floats(count)};
  g.at = accumulate ? as_floats(g.before, count) : new_floats(count);
  memcpy(g.first, g.at, (size_t)count * 4);
  return g;
}

/* The gradients that `wanted` asks for, bit by bit: q, k, v. */
static void run_gradients(const Attend *t, float *const in[3], float *sums, float *dy, float *const out[3],
                          const int64_t count[3], int wanted) {
  Out outs[4] = {{0}};
  int used = 0;
  for (int i = 0; i < 3; i++)
    if (wanted >> i & 1) outs[used++] = (Out){out[i], (size_t)count[i] * 4};
  run_kernel(KERNEL_attention_grad,
             OPERANDS(attention_grad, .q = in[0], .k = in[1], .v = in[2], .mask = t->mask,
                      .rng = t->k.p > 0 ? rng : NULL, .sums = sums, .dy = dy, .dq = wanted & 1 ? out[0] : NULL,
                      .dk = wanted & 2 ? out[1] : NULL, .dv = wanted & 4 ? out[2] : NULL),
             t->n, &t->k, outs);
}

/* All three against finite differences; alone, or two of them, they are the same to the bit. */
static void check_gradients(Attend *t, float *const in[3], float *sums, bool accumulate) {
  static const char *const labels[] = {"attention_grad, dq", "attention_grad, dk", "attention_grad, dv"};
  Function *const twins[] = {of_q, of_k, of_v};
  const double *const values[] = {t->q, t->key, t->v};
  const int64_t count[] = {q_count(t), k_count(t), v_count(t)}, ys = y_count(t);
  double *dy = new_random(ys, -1, 1);
  float *fdy = as_floats(dy, ys);
  Gradient g[3];
  for (int i = 0; i < 3; i++) g[i] = start(count[i], accumulate);
  t->k.accumulate_q = t->k.accumulate_k = t->k.accumulate_v = accumulate;
  run_gradients(t, in, sums, fdy, (float *[]){g[0].first, g[1].first, g[2].first}, count, 7);
  for (int i = 0; i < 3; i++) {
    double *got = from_floats(g[i].first, count[i]);
    for (int64_t j = 0; j < count[i]; j++) got[j] -= g[i].before[j];
    check_gradient(labels[i], twins[i], t, values[i], count[i], dy, ys, got, 2e-6); /* 9.2e-7 */
  }
  for (int wanted = 6; wanted > 0; wanted--) {
    float *out[3];
    for (int i = 0; i < 3; i++) {
      out[i] = new_floats(count[i]);
      memcpy(out[i], g[i].at, (size_t)count[i] * 4);
    }
    run_gradients(t, in, sums, fdy, out, count, wanted);
    for (int i = 0; i < 3; i++)
      if (wanted >> i & 1 && memcmp(out[i], g[i].first, (size_t)count[i] * 4) != 0)
        fail_msg("%s differs alone", labels[i]);
  }
}

static void check_attention(Attend t, bool masked, double p, bool accumulate) {
  int64_t qs = q_count(&t), ks = k_count(&t), vs = v_count(&t), ys = y_count(&t), rows = t.n * t.k.heads * t.k.tq;
  double *q = new_random(qs, -2, 2), *k = new_random(ks, -2, 2), *v = new_random(vs, -1, 1), *want = new_doubles(ys);
  float *in[3] = {as_floats(q, qs), as_floats(k, ks), as_floats(v, vs)}, *y = new_floats(ys),
        *sums = new_floats(2 * rows);
  t.q = q, t.key = k, t.v = v;
  t.mask = masked ? new_mask(&t) : NULL;
  t.k.p = p;
  t.noise = p > 0 ? seen_noise(&t) : NULL;
  run_kernel(KERNEL_attention,
             OPERANDS(attention, .q = in[0], .k = in[1], .v = in[2], .mask = t.mask, .rng = p > 0 ? rng : NULL, .y = y,
                      .sums = sums),
             t.n, &t.k, (Out[]){{y, (size_t)ys * 4}, {sums, (size_t)rows * 8}, {0}});
  apply(&t, q, k, v, want);
  check_close("attention", from_floats(y, ys), want, ys, 8e-7); /* 3.4e-7 */
  check_gradients(&t, in, sums, accumulate);
}

static void test_attention(void **state) {
  for (int i = 0; i < 4 * SIZES; i++) {
    check_attention(sizes[i / 4], i & 1, 0, i & 2);
    free_buffers();
  }
}

static void test_attention_dropout(void **state) {
  check_attention(sizes[0], false, 0.3, false);
  check_attention(sizes[2], true, 0.5, true);
  check_attention(sizes[5], true, 0.1, false);
}

/* The share of what is dropped, and that samples, heads and steps differ. */
static void test_attention_noise(void **state) {
  Attend t = SIZE(2, 2, 50, 50, 2, 2);
  t.k.p = 0.25;
  double *noise = seen_noise(&t);
  int64_t each = 50 * 50, zeros = 0, same[2] = {0};
  for (int64_t i = 0; i < 4 * each; i++) {
    zeros += noise[i] == 0;
    assert_true(noise[i] == 0 || fabs(noise[i] - 1 / 0.75) < 1e-6);
    if (i < each) same[0] += noise[i] == noise[i + each], same[1] += noise[i] == noise[i + 2 * each];
  }
  assert_true(fabs((double)zeros / (double)(4 * each) - 0.25) < 0.025);
  for (int i = 0; i < 2; i++) assert_true(fabs((double)same[i] / (double)each - 0.625) < 0.05); /* p^2 + (1-p)^2 */
}

/* What lies at masked places, be it not even a number, changes nothing: neither the outputs nor their gradients. */
static void test_attention_padding(void **state) {
  Attend t = SIZE(1, 2, 7, 7, 4, 4);
  t.mask = new_buffer(28);
  for (int i = 0; i < 7; i++) ((int32_t *)t.mask)[i] = i < 4;
  int64_t count = q_count(&t);
  float *x = as_floats(new_random(count, -1, 1), count), *y[2], *sums = new_floats(28), *d[2];
  float *dy = as_floats(new_random(count, -1, 1), count);
  for (int i = 0; i < 2; i++) {
    y[i] = new_floats(count), d[i] = new_floats(count);
    float *k = new_floats(count), *v = new_floats(count);
    memcpy(k, x, (size_t)count * 4), memcpy(v, x, (size_t)count * 4);
    for (int64_t j = 4 * 8; i && j < count; j++) k[j] = v[j] = NAN;
    run_kernel(KERNEL_attention, OPERANDS(attention, .q = x, .k = k, .v = v, .mask = t.mask, .y = y[i], .sums = sums),
               1, &t.k, (Out[]){{y[i], (size_t)count * 4}, {0}});
    run_kernel(KERNEL_attention_grad,
               OPERANDS(attention_grad, .q = x, .k = k, .v = v, .mask = t.mask, .sums = sums, .dy = dy, .dq = d[i]), 1,
               &t.k, (Out[]){{d[i], (size_t)count * 4}, {0}});
  }
  assert_memory_equal(y[0], y[1], (size_t)count * 4);
  assert_memory_equal(d[0], d[1], (size_t)count * 4);
}

/* Scores far from each other must not overflow. */
static void test_attention_large(void **state) {
  Attend t = SIZE(1, 1, 1, 3, 1, 1);
  t.k.scale = 1;
  float q[] = {300}, k[] = {100, 99.99f, -300}, v[] = {1, 2, 3}, y[1];
  run_kernel(KERNEL_attention, OPERANDS(attention, .q = q, .k = k, .v = v, .y = y), 1, &t.k,
             (Out[]){{y, sizeof y}, {0}});
  double other = exp(300 * ((double)99.99f - 100));
  check_close("attention, large", (double[]){y[0]}, (double[]){(1 + 2 * other) / (1 + other)}, 1,
              1e-4); /* a score has 24 bits */
}

static const struct CMUnitTest tests[] = {TEST(test_attention), TEST(test_attention_dropout),
                                          TEST(test_attention_noise), TEST(test_attention_padding),
                                          TEST(test_attention_large)};
GROUP(attention_group, tests);
