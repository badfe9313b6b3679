#include "../Activation/activation.h"
#include "../Dispatch/kernels.h"

/* sum_k a[k] w[c, k] of channel c of a block: bytes 4 c ... 4 c + 3 of each group of 64. */
static int32_t product(const uint8_t *a, const int8_t *block, size_t channel, size_t depth) {
  int32_t sum = 0;
  for (size_t k = 0; k < depth; k++) sum += a[k] * block[k / 4 * 64 + channel * 4 + k % 4];
  return sum;
}

void ck_linear_u8s8_scalar(const ck_linear_u8s8 *args) {
  const ck_linear_u8s8 p = *args;
  for (size_t row = 0; row < p.rows; row++)
    for (size_t c = 16 * p.block_begin; c < 16 * p.block_end && c < p.columns; c++) {
      int32_t sum = product(p.a + row * p.lda, p.w + c / 16 * 16 * p.depth, c % 16, p.depth);
      /* |a - zero| <= 255, so the corrected sum fits whenever the sum does. */
      sum -= p.a_zero[row] * p.w_colsum[c];
      float y = (float)sum * (p.a_scale[row] * p.w_scale[c]);
      if (p.bias) y += p.bias[c];
      y = ck_activate(y, p.activation);
      if (p.residual) y += p.residual[row * p.ldr + c];
      p.out[row * p.ldo + c] = y;
    }
}
