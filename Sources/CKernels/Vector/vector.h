/* The vector vocabulary: the few operations in which every SIMD kernel but the int8 matrix product is
 * written once. A file of one ISA includes that ISA's header (avx2.h, avx512.h, neon.h) first, which
 * defines
 *
 *   CK_ISA, CK_TARGET_BEGIN/END   name of the ISA; pragmas that turn its instructions on
 *   vf, vi, VF_LANES              a register of floats, of int32; the lanes of either
 *   VF_TILE                       registers beside each other in a tile of a float matrix product
 *   vf_load_part, vf_store_part   the first `count` < VF_LANES lanes; a load zeroes the others
 *   vf_keep_part(x, n, other)     the first n lanes of x, the rest of other
 *   vf_fma, vf_fnma               a b + c and c - a b, rounded once
 *   vf_min, vf_max                b if either is NaN, as x86 has it
 *   vf_sqrt                       rounded once
 *   vf_round                      to the nearest integer, ties to even
 *   vf_round_to_bf16              to the nearest bfloat16, ties to even; NaN stays NaN
 *   vf_zero_where_less(x, a, b)   0 where a < b, else x
 *   vf_scale_exponent(x, n)       x 2^n for integers n in -126...128
 *   vf_dequantize(sum, colsum, zero)  float(sum - zero colsum) of a register of int32
 *   vf_store_codes(p, x, zero)    x rounded to nearest even, plus zero, as bytes, the nearest where it has none
 *   vf_load_groups, vf_transpose_groups  see attention_simd.h
 *
 * then this header, which builds on them. Everything is static inline, so each ISA gets its own code.
 */
#ifndef CK_VECTOR_H
#define CK_VECTOR_H

#include "ckernels.h"
#include "../Dispatch/kernels.h"

#define CK_INLINE static inline __attribute__((always_inline))
#define CK_NAME(operation) CK_PASTE(operation, CK_ISA)

CK_TARGET_BEGIN

/* Loads or stores min(left, VF_LANES) lanes. */
CK_INLINE vf vf_load_some(const float *p, size_t left) {
  return left >= VF_LANES ? vf_load(p) : vf_load_part(p, left);
}
CK_INLINE void vf_store_some(float *p, vf x, size_t left) {
  if (left >= VF_LANES)
    vf_store(p, x);
  else
    vf_store_part(p, x, left);
}

/* e^x within 3e-7 relative; 0 below -87.33, inf above 88.38, on AVX-512 above 88.72; NaN stays NaN.
 * x = n ln 2 + r, |r| <= ln 2 / 2, e^r by a minimax polynomial of degree 6; ln 2 in two parts
 * (Cody and Waite), so that r keeps its low bits. */
CK_INLINE vf vf_exp(vf x) {
  const vf least = vf_set1(-87.33f);
  vf y = vf_max(least, vf_min(vf_set1(89.0f), x));
  vf n = vf_round(vf_mul(y, vf_set1(0x1.715476p+0f)));
  vf r = vf_fnma(n, vf_set1(0x1.62e400p-1f), y);
  r = vf_fnma(n, vf_set1(0x1.7f7d1cp-20f), r);
  vf p = vf_set1(0x1.6a2318p-10f);
  p = vf_fma(p, r, vf_set1(0x1.123a8ep-7f));
  p = vf_fma(p, r, vf_set1(0x1.5558f6p-5f));
  p = vf_fma(p, r, vf_set1(0x1.555490p-3f));
  p = vf_fma(p, r, vf_set1(0x1.fffffcp-2f));
  p = vf_fma(p, r, vf_set1(1));
  p = vf_fma(p, r, vf_set1(1));
  return vf_zero_where_less(vf_scale_exponent(p, n), x, least);
}

#define CK_PHI_EDGE 5.2f

/* Phi(z), the normal distribution function, for |z| <= CK_PHI_EDGE, where it leaves 1e-7 of 0 or 1;
 * within 1e-7. Phi(z) = 1/2 + z P(z^2); P is a minimax polynomial of degree 13 in 2 z^2 / 5.2^2 - 1, a
 * variable in -1...1 that keeps the rounding errors small. */
CK_INLINE vf vf_phi(vf z) {
  vf t = vf_fma(vf_mul(z, z), vf_set1(2 / (CK_PHI_EDGE * CK_PHI_EDGE)), vf_set1(-1));
  vf p = vf_set1(-0.00040505306f);
  p = vf_fma(p, t, vf_set1(0.0012105154f));
  p = vf_fma(p, t, vf_set1(-0.0014335712f));
  p = vf_fma(p, t, vf_set1(0.0019542796f));
  p = vf_fma(p, t, vf_set1(-0.0045670024f));
  p = vf_fma(p, t, vf_set1(0.00840853f));
  p = vf_fma(p, t, vf_set1(-0.0126137f));
  p = vf_fma(p, t, vf_set1(0.01802218f));
  p = vf_fma(p, t, vf_set1(-0.02469871f));
  p = vf_fma(p, t, vf_set1(0.03197668f));
  p = vf_fma(p, t, vf_set1(-0.039932158f));
  p = vf_fma(p, t, vf_set1(0.050025452f));
  p = vf_fma(p, t, vf_set1(-0.06774361f));
  p = vf_fma(p, t, vf_set1(0.13594998f));
  return vf_fma(z, p, vf_set1(0.5f));
}

/* x Phi(x), within 1e-6 absolute for x <= 8, 2e-7 relative beyond. Of an infinity NaN: the clamp would make a number
 * of what damaged weights give. */
CK_INLINE vf vf_gelu(vf x) {
  vf above = vf_max(vf_set1(-CK_PHI_EDGE), x);
  return vf_fma(x, vf_zero(), vf_mul(above, vf_phi(vf_min(vf_set1(CK_PHI_EDGE), above))));
}

/* x / (1 + e^(-1.702 x)) within 5e-7 relative or 1e-6 absolute. */
CK_INLINE vf vf_quick_gelu(vf x) {
  vf e = vf_exp(vf_mul(x, vf_set1(-1.702f)));
  return vf_div(x, vf_add(vf_set1(1), e));
}

CK_INLINE vf vf_activate(vf x, ck_activation activation) {
  switch (activation) {
  case CK_GELU: return vf_gelu(x);
  case CK_QUICK_GELU: return vf_quick_gelu(x);
  case CK_IDENTITY: break;
  }
  return x;
}

/* The derivative of vf_activate, within 2e-6 absolute: Phi(x) + x e^(-x^2 / 2) / sqrt(2 pi), and, with
 * s = sigmoid(1.702 x), s + 1.702 x s (1 - s). */
CK_INLINE vf vf_activation_slope(vf x, ck_activation activation) {
  const vf one = vf_set1(1);
  switch (activation) {
  case CK_GELU: {
    vf z = vf_min(vf_set1(CK_PHI_EDGE), vf_max(vf_set1(-CK_PHI_EDGE), x));
    vf density = vf_mul(vf_exp(vf_mul(vf_mul(x, x), vf_set1(-0.5f))), vf_set1(0.3989422804f));
    return vf_fma(x, density, vf_phi(z));
  }
  case CK_QUICK_GELU: {
    vf z = vf_min(vf_set1(50), vf_max(vf_set1(-50), x));
    vf s = vf_div(one, vf_add(one, vf_exp(vf_mul(z, vf_set1(-1.702f)))));
    return vf_fma(vf_mul(vf_mul(z, vf_set1(1.702f)), s), vf_sub(one, s), s);
  }
  case CK_IDENTITY: break;
  }
  return one;
}

CK_TARGET_END

#endif
