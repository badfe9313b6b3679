/* The vector vocabulary (see vector.h) for AVX-512 with VNNI: 16 floats a register. */
#ifndef CK_VECTOR_AVX512_H
#define CK_VECTOR_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#ifndef CK_ISA /* AVX-512 with BF16 shares this vocabulary under another name */
#define CK_ISA avx512vnni
#define CK_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma"
#endif
#define CK_PRAGMA_(text) _Pragma(#text)
#define CK_PRAGMA(text) CK_PRAGMA_(text)
#define CK_TARGET_BEGIN                                                                              \
  CK_PRAGMA(clang attribute push(__attribute__((target(CK_FEATURES))), apply_to = function))
#define CK_TARGET_END _Pragma("clang attribute pop")

#define VF_LANES 16
#define VF_TILE 4 /* registers beside each other in a tile of a float product */

typedef __m512 vf;
typedef __m512i vi;

CK_TARGET_BEGIN

static inline __mmask16 vf_mask(size_t count) { return (__mmask16)((1u << count) - 1); }

static inline vf vf_zero(void) { return _mm512_setzero_ps(); }
static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vf vf_load_part(const float *p, size_t count) {
  return _mm512_maskz_loadu_ps(vf_mask(count), p);
}
static inline void vf_store_part(float *p, vf x, size_t count) {
  _mm512_mask_storeu_ps(p, vf_mask(count), x);
}
static inline vf vf_keep_part(vf x, size_t count, vf other) {
  return _mm512_mask_blend_ps(vf_mask(count), other, x);
}

static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_sqrt(vf x) { return _mm512_sqrt_ps(x); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_round(vf x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf vf_zero_where_less(vf x, vf a, vf b) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ), x);
}
static inline vf vf_round_to_bf16(vf x) {
  const __m512i bits = _mm512_castps_si512(x), high = _mm512_set1_epi32((int)0xffff0000);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_mask_blend_epi32(is_nan, rounded, quiet), high));
}
static inline vf vf_scale_exponent(vf x, vf n) { return _mm512_scalef_ps(x, n); }

static inline float vf_sum(vf x) { return _mm512_reduce_add_ps(x); }
static inline float vf_least(vf x) { return _mm512_reduce_min_ps(x); }
static inline float vf_most(vf x) { return _mm512_reduce_max_ps(x); }

static inline vi vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
static inline vf vf_dequantize(vi sum, vi colsum, int32_t zero) {
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_mullo_epi32(colsum, _mm512_set1_epi32(zero))));
}

static inline void vf_store_codes(uint8_t *p, vf x, int32_t zero) {
  const __m512i codes = _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(zero));
  _mm_storeu_si128((__m128i *)p, _mm512_cvtusepi32_epi8(_mm512_max_epi32(codes, _mm512_setzero_si512())));
}

static inline vf vf_load_groups(const float *const *rows, size_t offset) {
  __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(rows[0] + offset));
  x = _mm512_insertf32x4(x, _mm_loadu_ps(rows[4] + offset), 1);
  x = _mm512_insertf32x4(x, _mm_loadu_ps(rows[8] + offset), 2);
  return _mm512_insertf32x4(x, _mm_loadu_ps(rows[12] + offset), 3);
}
static inline void vf_transpose_groups(vf r[4]) {
  __m512 a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpackhi_ps(r[0], r[1]);
  __m512 c = _mm512_unpacklo_ps(r[2], r[3]), d = _mm512_unpackhi_ps(r[2], r[3]);
  r[0] = _mm512_shuffle_ps(a, c, 0x44);
  r[1] = _mm512_shuffle_ps(a, c, 0xee);
  r[2] = _mm512_shuffle_ps(b, d, 0x44);
  r[3] = _mm512_shuffle_ps(b, d, 0xee);
}

CK_TARGET_END

#endif
