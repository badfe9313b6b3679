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

/* Inputs of a tile that are widened before they are multiplied, in the first-level cache: shifts would
 * compete with the products for their ports. */
enum { widened_inputs = 512 };

/* The inputs of a row: words 2 i and 2 i + 1 are the even, or odd, bytes of the i-th four. */
typedef struct widened_row {
  uint16_t even[widened_inputs / 2], odd[widened_inputs / 2];
} widened_row;

CK_INLINE void widen(const uint8_t *a, size_t count, widened_row *row) {
  size_t k = 0;
  for (; k + 32 <= count; k += 32) {
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(a + k));
    _mm256_storeu_si256((__m256i *)(row->even + k / 2), _mm256_and_si256(bytes, _mm256_set1_epi16(255)));
    _mm256_storeu_si256((__m256i *)(row->odd + k / 2), _mm256_srli_epi16(bytes, 8));
  }
  for (; k < count; k += 2) {
    row->even[k / 2] = a[k];
    row->odd[k / 2] = a[k + 1];
  }
}

CK_INLINE __m256i broadcast_pair(const uint16_t *words) {
  int32_t pair;
  memcpy(&pair, words, sizeof pair);
  return _mm256_set1_epi32(pair);
}

/* A block is two registers wide: 8 of 16 registers hold sums, 4 widened weights, 2 widened inputs. */
CK_INLINE void linear_sums(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           const int8_t *ahead, vi *sums) {
  (void)blocks;
  const uint8_t *a = p->a + row * p->lda;
  const int8_t *w = p->w + block * 16 * p->depth;
  widened_row inputs[LINEAR_ROWS];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) sums[2 * r] = sums[2 * r + 1] = _mm256_setzero_si256();
  for (size_t first = 0; first < p->depth; first += widened_inputs) {
    const size_t left = p->depth - first, count = left < widened_inputs ? left : widened_inputs;
    for (int r = 0; r < rows; r++) widen(a + (size_t)r * p->lda + first, count, &inputs[r]);
    for (size_t k = 0; k < count; k += 4) {
      linear_fetch(ahead + 16 * (first + k));
      __m256i even[2], odd[2];
#pragma clang loop unroll(full)
      for (int half = 0; half < 2; half++) {
        __m256i weights = _mm256_loadu_si256((const __m256i *)(w + 16 * (first + k) + 32 * half));
        even[half] = even_words(weights);
        odd[half] = odd_words(weights);
      }
#pragma clang loop unroll(full)
      for (int r = 0; r < rows; r++) {
        const __m256i inputs_even = broadcast_pair(inputs[r].even + k / 2);
        const __m256i inputs_odd = broadcast_pair(inputs[r].odd + k / 2);
#pragma clang loop unroll(full)
        for (int half = 0; half < 2; half++) {
          const int i = 2 * r + half;
          sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(even[half], inputs_even));
          sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(odd[half], inputs_odd));
        }
      }
    }
  }
}

CK_TARGET_END
#endif
