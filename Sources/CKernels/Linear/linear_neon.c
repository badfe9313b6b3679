#if defined(__aarch64__)
#include "../Vector/neon.h"

#define LINEAR_ROWS 6
#define LINEAR_BLOCKS 1
#include "linear_simd.h"

CK_TARGET_BEGIN

/* sdot has no u8 by s8 form: the inputs are shifted to s8 by flipping their top bit, a - 128, and each
 * sum gets 128 * colsum back. A block is four registers wide: 24 of 32 hold sums. */
CK_INLINE void linear_sums(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           linear_ahead ahead, vi *sums) {
  (void)blocks;
  const uint8_t *a = p->a + row * p->lda;
  const int8_t *w = p->w + block * 16 * p->depth;
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
    for (int i = 0; i < 4; i++) sums[4 * r + i] = vdupq_n_s32(0);
  for (size_t k = 0; k < p->depth; k += 4) {
    linear_fetch(ahead.start + k / 4 * ahead.step);
    int8x16_t weights[4];
    for (int i = 0; i < 4; i++) weights[i] = vld1q_s8(w + 16 * k + 16 * i);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      uint32_t four;
      memcpy(&four, a + (size_t)r * p->lda + k, sizeof four);
      int8x16_t inputs = vreinterpretq_s8_u32(vdupq_n_u32(four ^ 0x80808080u));
      for (int i = 0; i < 4; i++) sums[4 * r + i] = vdotq_s32(sums[4 * r + i], weights[i], inputs);
    }
  }
  /* The last block's column sums may end early. */
  int32_t colsum[16] = {0};
  const size_t columns = p->columns - 16 * block;
  memcpy(colsum, p->w_colsum + 16 * block, (columns < 16 ? columns : 16) * sizeof(int32_t));
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
    for (int i = 0; i < 4; i++)
      sums[4 * r + i] = vmlaq_n_s32(sums[4 * r + i], vld1q_s32(colsum + 4 * i), 128);
}

CK_TARGET_END
#endif
