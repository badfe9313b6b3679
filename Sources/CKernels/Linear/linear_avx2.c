#if defined(__x86_64__)
#include "../Vector/avx2.h"

#define LINEAR_ROWS 4
#define LINEAR_BLOCKS 1
#include "linear_simd.h"

#include <string.h>

CK_TARGET_BEGIN

/* vpmaddubsw would saturate: 2 * 255 * 127 exceeds 16 bits. So bytes are widened: the even and the odd
 * bytes of weights and inputs become words, whose pairs vpmaddwd multiplies and adds exactly. */
CK_INLINE __m256i even_words(__m256i w) { return _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8); }
CK_INLINE __m256i odd_words(__m256i w) { return _mm256_srai_epi16(w, 8); }

/* A block is two registers wide: 8 of 16 registers hold sums, 4 widened weights, 2 widened inputs. */
CK_INLINE void linear_tile(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           const int8_t *ahead, int32_t *sums) {
  (void)blocks;
  const uint8_t *a = p->a + row * p->lda;
  const int8_t *w = p->w + block * 16 * p->depth;
  __m256i sum[LINEAR_ROWS][2];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  for (size_t k = 0; k < p->depth; k += 4) {
    linear_fetch(ahead + 16 * k);
    __m256i even[2], odd[2];
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; half++) {
      __m256i weights = _mm256_loadu_si256((const __m256i *)(w + 16 * k + 32 * half));
      even[half] = even_words(weights);
      odd[half] = odd_words(weights);
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, a + (size_t)r * p->lda + k, sizeof four);
      __m256i inputs = _mm256_set1_epi32(four);
      __m256i inputs_even = _mm256_and_si256(inputs, _mm256_set1_epi16(255));
      __m256i inputs_odd = _mm256_srli_epi16(inputs, 8);
#pragma clang loop unroll(full)
      for (int half = 0; half < 2; half++) {
        __m256i pairs = _mm256_add_epi32(_mm256_madd_epi16(even[half], inputs_even),
                                         _mm256_madd_epi16(odd[half], inputs_odd));
        sum[r][half] = _mm256_add_epi32(sum[r][half], pairs);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; half++)
      _mm256_storeu_si256((__m256i *)(sums + r * linear_sums + 8 * half), sum[r][half]);
}

CK_TARGET_END
#endif
