/* exp, tanh, erf and the activations on vectors of 16 floats, without libc and without a branch. Used by
 * the templates; tests/kernels/math.c has the measured errors against libm.
 *
 * NaN goes through; infinities give the limits. The polynomials: exp and tanh after Cephes (Moshier), erf
 * after N. Juffa's minimax fits. Our own: the templates are inlined for each CPU, which a call into libmvec or SLEEF
 * would end, and a program would need one library more. */
#ifndef SURGERY_KERNELS_MATHF_H
#define SURGERY_KERNELS_MATHF_H
#include "runtime/kernels/template.h"

/* exp(x), within 1.5 items in the last place; underflows gradually, overflows to infinity. x = n ln 2 + r:
 * adding 1.5 * 2^23 rounds to an integer, which is read from the low bits (no conversion that NaN could
 * upset). */
SIMD v16 v16_exp(v16 x) {
  x = v16_at_most(v16_at_least(x, -104.0f), 89.0f);
  v16 rounder = v16_set(0x1.8p23f), shifted = x * 1.44269504f + rounder, n = shifted - rounder;
  v16i exponent = (v16i)((v16u)shifted - (v16u)rounder);
  v16 r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  v16 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  /* 2^n in two factors: n reaches from -150 to 128 */
  v16i half = exponent >> 1, rest = exponent - half;
  v16 scale_a = (v16)((v16u)(half + 127) << 23), scale_b = (v16)((v16u)(rest + 127) << 23);
  return p * scale_a * scale_b;
}

SIMD v16 v16_sigmoid(v16 x) { return 1.0f / (1.0f + v16_exp(-x)); }

SIMD v16 v16_tanh(v16 x) {
  v16 a = v16_abs(x), s = x * x;
  v16 p = s * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * s + -5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s + -3.33332819422e-1f;
  v16 small = p * s * x + x;
  v16 large = 1.0f - 2.0f / (v16_exp(a + a) + 1.0f);
  return v16_select(a < 0.625f, small, v16_with_sign(large, x));
}

SIMD v16 v16_erf(v16 x) {
  v16 s = x * x, t = v16_at_most(v16_abs(x), 4.0f); /* erf(4) rounds to 1 */
  v16 p = s * -5.96761703e-4f + 4.99119423e-3f;
  p = p * s + -2.67681349e-2f;
  p = p * s + 1.12819925e-1f;
  p = p * s + -3.76125336e-1f;
  p = p * s + 1.28379166e-1f;
  v16 small = p * x + x;
  v16 q = t * -1.72853470e-5f + 3.83197126e-4f, u = t * -3.88396438e-3f + 2.42546219e-2f;
  q = q * (t * t) + u;
  q = q * t + -1.06777877e-1f;
  q = q * t + -6.34846687e-1f;
  q = q * t + -1.28717512e-1f;
  q = q * t - t;
  v16 large = 1.0f - v16_exp(q);
  return v16_select(v16_abs(x) > 0.927734375f, v16_with_sign(large, x), small);
}

/* ---- activations ---- */

#define GELU_TANH_SCALE 0.7978845608f /* sqrt(2 / pi) */
#define GELU_TANH_CUBIC 0.044715f

SIMD v16 v16_gelu_cdf(v16 x) { return 0.5f * v16_erf(x * 0.70710678f) + 0.5f; }
/* (1 + tanh(u)) / 2 is sigmoid(2u), which loses nothing for negative u. */
SIMD v16 v16_gelu_tanh_cdf(v16 x) { return v16_sigmoid(2.0f * GELU_TANH_SCALE * (x + GELU_TANH_CUBIC * (x * x * x))); }

/* f(0) is 0 for all but the sigmoid, whose caller must clear the pad lanes. */
SIMD v16 v16_activate(v16 x, int64_t activation, double slope) {
  switch (activation) {
  case ACT_RELU: return v16_select(x < 0.0f, v16_set(0), x);
  case ACT_RELU6: return v16_at_most(v16_at_least(x, 0.0f), 6.0f);
  case ACT_LEAKY_RELU: return v16_select(x > 0.0f, x, x * (float)slope);
  case ACT_SIGMOID: return v16_sigmoid(x);
  case ACT_TANH: return v16_tanh(x);
  case ACT_GELU: return x * v16_gelu_cdf(x);
  case ACT_GELU_TANH: return x * v16_gelu_tanh_cdf(x);
  default: return x;
  }
}

/* What v16_activate_grad reads; the other may be NULL. */
SIMD int activation_grad_reads_x(int64_t activation, double slope) {
  return activation == ACT_GELU || activation == ACT_GELU_TANH || (activation == ACT_LEAKY_RELU && slope <= 0);
}
SIMD int activation_grad_reads_y(int64_t activation, double slope) {
  return activation != ACT_NONE && !activation_grad_reads_x(activation, slope);
}

/* dy * f'(x). y = f(x); x or y as activation_grad_reads_x, _y say. A kink has the derivative of its left
 * side, as in PyTorch. */
SIMD v16 v16_activate_grad(v16 x, v16 y, v16 dy, int64_t activation, double slope) {
  switch (activation) {
  case ACT_RELU: return v16_keep(~(y <= 0.0f), dy);
  case ACT_RELU6: return v16_keep(~((y <= 0.0f) | (y >= 6.0f)), dy);
  case ACT_LEAKY_RELU: return v16_select((slope > 0 ? y : x) > 0.0f, dy, dy * (float)slope);
  case ACT_SIGMOID: return dy * ((1.0f - y) * y);
  case ACT_TANH: return dy * (1.0f - y * y);
  case ACT_GELU: {
    v16 density = v16_exp(-0.5f * (x * x)) * 0.3989422804f; /* 1 / sqrt(2 pi) */
    return dy * (v16_gelu_cdf(x) + x * density);
  }
  case ACT_GELU_TANH: {
    /* with e = exp(-2|u|) neither the cdf nor its derivative e / (1 + e)^2 is a difference of near numbers */
    v16 u = GELU_TANH_SCALE * (x + GELU_TANH_CUBIC * (x * x * x));
    v16 du = GELU_TANH_SCALE * (1.0f + 3.0f * GELU_TANH_CUBIC * (x * x));
    v16 e = v16_exp(-2.0f * v16_abs(u)), c = 1.0f / (1.0f + e);
    v16 cdf = v16_select(u < 0.0f, e * c, c), bell = 2.0f * e * c * c;
    return dy * (cdf + v16_keep(bell > 0.0f, x * bell * du)); /* far out x * du overflows, the bell is 0 */
  }
  default: return dy;
  }
}
#endif
