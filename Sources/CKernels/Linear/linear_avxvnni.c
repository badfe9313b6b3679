#if defined(__x86_64__)
#define CK_ISA avxvnni
#define CK_TARGET_BEGIN                                                                              \
  _Pragma("clang attribute push(__attribute__((target(\"avx2,fma,avxvnni\"))), apply_to = function)")
#include "../Vector/avx2.h"

#define LINEAR_ROWS 5
#define LINEAR_BLOCKS 1
#include "linear_simd.h"

#include <string.h>

CK_TARGET_BEGIN

/* A block is two registers wide: 10 of 16 registers hold sums. */
CK_INLINE void linear_sums(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           linear_ahead ahead, vi *sums) {
  (void)blocks;
  const uint8_t *a = p->a + row * p->lda;
  const int8_t *w = p->w + block * 16 * p->depth;
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) sums[2 * r] = sums[2 * r + 1] = _mm256_setzero_si256();
  for (size_t k = 0; k < p->depth; k += 4) {
    linear_fetch(ahead.start + k / 4 * ahead.step);
    __m256i low = _mm256_loadu_si256((const __m256i *)(w + 16 * k));
    __m256i high = _mm256_loadu_si256((const __m256i *)(w + 16 * k + 32));
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, a + (size_t)r * p->lda + k, sizeof four);
      __m256i inputs = _mm256_set1_epi32(four);
      sums[2 * r] = _mm256_dpbusd_avx_epi32(sums[2 * r], inputs, low);
      sums[2 * r + 1] = _mm256_dpbusd_avx_epi32(sums[2 * r + 1], inputs, high);
    }
  }
}

CK_TARGET_END
#endif
