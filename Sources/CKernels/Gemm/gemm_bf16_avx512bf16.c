#if defined(__x86_64__)
#define CK_ISA avx512bf16
#define CK_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,fma"
#include "../Vector/avx512.h"

/* 24 of 32 registers hold sums, 4 a pair of a row each, 1 columns of b. */
#define GEMM_ROWS 4
#define GEMM_VECTORS 6
/* A word is the number for an even place of the depth in its low half, that for the next in its high half. */
#define GEMM_PAIR_WORDS 1

CK_TARGET_BEGIN

/* 16 numbers, rounded to nearest even, each in the low half of a word. */
static inline __m512i gemm_rounded(vf x) { return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x)); }

static inline void gemm_store_pair(float *packed, vf first, vf second) {
  __m512i pairs = _mm512_or_si512(gemm_rounded(first), _mm512_slli_epi32(gemm_rounded(second), 16));
  _mm512_storeu_si512(packed, pairs);
}

static inline vf gemm_add_product(vf sum, vf left, vf right) {
  return _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
}

CK_TARGET_END

#include "gemm_bf16_simd.h"
#endif
