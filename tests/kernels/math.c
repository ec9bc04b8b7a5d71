/* exp, tanh, erf, sigmoid and the activations of mathf.h against libm in double, in units in the last place,
 * by way of the activation kernel (and softmax of pairs, which is exp). */
#include "tests/kernels/support.h"
#include "runtime/kernels/mathf.h"

typedef v16 VectorFunction(v16 x);
typedef double ScalarFunction(double x);

static double ulp_of(double value) {
  float f = fabsf((float)value);
  return f < 0x1p-126f ? 0x1p-149 : (double)(nextafterf(f, INFINITY) - f);
}

/* The worst error in ulp over about two million floats between low and high, and over all magnitudes. */
static void check_ulp(const char *label, VectorFunction *f, ScalarFunction *exact, double low, double high,
                      double tolerance) {
  double worst = 0, at = 0;
  for (int64_t i = 0; i < 1 << 17; i++) {
    v16 x;
    for (int j = 0; j < 16; j++) {
      double value = j & 1 ? random_uniform(low, high) : exp2(random_uniform(-40, 7)) * (j & 2 ? 1 : -1);
      x[j] = (float)fmin(fmax(value, low), high);
    }
    v16 y = f(x);
    for (int j = 0; j < 16; j++) {
      double want = exact(x[j]), error = fabs((double)y[j] - want) / ulp_of(want);
      if (error > worst) worst = error, at = x[j];
    }
  }
  if (worst > tolerance) fail_msg("%s: %.2f ulp at %.9g, %.2f allowed", label, worst, at, tolerance);
  printf("%-12s %.2f ulp (at %.6g), %.2f allowed\n", label, worst, at, tolerance);
}

static v16 vector_exp(v16 x) { return v16_exp(x); }
static v16 vector_tanh(v16 x) { return v16_tanh(x); }
static v16 vector_erf(v16 x) { return v16_erf(x); }
static v16 vector_sigmoid(v16 x) { return v16_sigmoid(x); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static void test_ulp(void **state) {
  seed_random(1);
  check_ulp("exp", vector_exp, exp, -103, 88.7, 2.0);          /* measured 0.97 */
  check_ulp("tanh", vector_tanh, tanh, -20, 20, 2.0);          /* measured 1.28 */
  check_ulp("erf", vector_erf, erf, -6, 6, 2.0);               /* measured 1.15 */
  check_ulp("sigmoid", vector_sigmoid, sigmoid, -80, 80, 3.0); /* measured 2.48 */
}

static void test_limits(void **state) {
  v16 x = {INFINITY, -INFINITY, NAN, 0, -0.0f, 200, -200, 89};
  v16 e = v16_exp(x), t = v16_tanh(x), r = v16_erf(x), s = v16_sigmoid(x);
  const float exps[8] = {INFINITY, 0, NAN, 1, 1, INFINITY, 0, INFINITY};
  const float odds[8] = {1, -1, NAN, 0, -0.0f, 1, -1, 1}, sigmoids[8] = {1, 0, NAN, .5f, .5f, 1, 0, 1};
  for (int i = 0; i < 8; i++) {
    const float got[4] = {e[i], t[i], r[i], s[i]}, want[4] = {exps[i], odds[i], odds[i], sigmoids[i]};
    for (int j = 0; j < 4; j++)
      if (!(got[j] == want[j] || (isnan(got[j]) && isnan(want[j]))))
        fail_msg("function %d of %g is %g, not %g", j, x[i], got[j], want[j]);
  }
}

static const struct CMUnitTest tests[] = {TEST(test_ulp), TEST(test_limits)};
GROUP(math_group, tests);
