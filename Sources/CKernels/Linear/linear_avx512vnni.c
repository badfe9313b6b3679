#if defined(__x86_64__)
#include "../Vector/avx512.h"

#define LINEAR_ROWS 6
#define LINEAR_BLOCKS 4
#include "linear_simd.h"

#include <string.h>

CK_TARGET_BEGIN

/* 24 of 32 registers hold sums, 4 a group of weights of each block, 1 four inputs of a row. */
CK_INLINE void linear_sums(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           linear_ahead ahead, vi *sums) {
  const size_t depth = p->depth;
  const uint8_t *a = p->a + row * p->lda;
  const int8_t *w = p->w + block * 16 * depth;
#pragma clang loop unroll(full)
  for (int i = 0; i < rows * blocks; i++) sums[i] = _mm512_setzero_si512();
  for (size_t k = 0; k < depth; k += 4) {
    linear_fetch(ahead.start + k / 4 * ahead.step);
    __m512i weights[LINEAR_BLOCKS];
#pragma clang loop unroll(full)
    for (int b = 0; b < blocks; b++)
      weights[b] = _mm512_loadu_si512(w + (size_t)b * 16 * depth + 16 * k);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, a + (size_t)r * p->lda + k, sizeof four);
      __m512i inputs = _mm512_set1_epi32(four);
#pragma clang loop unroll(full)
      for (int b = 0; b < blocks; b++)
        sums[r * blocks + b] = _mm512_dpbusd_epi32(sums[r * blocks + b], inputs, weights[b]);
    }
  }
}

CK_TARGET_END
#endif
