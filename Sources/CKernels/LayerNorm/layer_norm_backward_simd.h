/* layer_norm_backward in the vector vocabulary. */
#include "row_moments.h"

CK_TARGET_BEGIN

void CK_NAME(layer_norm_backward)(const float *x, size_t ldx, const float *dy, size_t ldy, size_t rows,
                                  size_t columns, const float *gamma, float epsilon, float *dx,
                                  size_t ldd, float *dgamma, float *dbeta) {
  for (size_t row = 0; row < rows; row++, x += ldx, dy += ldy, dx += ldd) {
    const row_moments m = moments_of(x, columns, epsilon);
    const vf mean = vf_set1(m.mean), inverse = vf_set1(m.inverse);
    vf sum = vf_zero(), product = vf_zero();
    for (size_t c = 0; c < columns; c += VF_LANES) {
      const size_t left = columns - c;
      const vf d = vf_load_some(dy + c, left);
      const vf normal = vf_mul(vf_sub(vf_load_some(x + c, left), mean), inverse);
      const vf g = vf_mul(d, vf_load_some(gamma + c, left));
      /* The lanes of d beyond the row are 0, and so is what they add. */
      sum = vf_add(sum, g);
      product = vf_fma(g, normal, product);
      vf_store_some(dgamma + c, vf_fma(d, normal, vf_load_some(dgamma + c, left)), left);
      vf_store_some(dbeta + c, vf_add(d, vf_load_some(dbeta + c, left)), left);
    }
    const float n = (float)columns;
    const vf shift = vf_set1(vf_sum(sum) / n), slope = vf_set1(vf_sum(product) / n);
    for (size_t c = 0; c < columns; c += VF_LANES) {
      const size_t left = columns - c;
      const vf normal = vf_mul(vf_sub(vf_load_some(x + c, left), mean), inverse);
      const vf g = vf_mul(vf_load_some(dy + c, left), vf_load_some(gamma + c, left));
      vf_store_some(dx + c, vf_mul(inverse, vf_fnma(normal, slope, vf_sub(g, shift))), left);
    }
  }
}

CK_TARGET_END
