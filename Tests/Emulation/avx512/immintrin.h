/* AVX-512 in portable C, in place of the compiler's header: SIMDe, and the few operations that its version in Debian 12
 * lacks. They are written from Intel's Intrinsics Guide, a lane at a time. */
#pragma once
#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef simde__mmask16 __mmask16;

#ifndef _MM_FROUND_NO_EXC
#define _MM_FROUND_NO_EXC SIMDE_MM_FROUND_NO_EXC
#define _MM_FROUND_TO_NEAREST_INT SIMDE_MM_FROUND_TO_NEAREST_INT
#endif

enum { lanes = 16 };

static inline __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const float *p) {
  float values[lanes] = {0};
  for (int i = 0; i < lanes; i++)
    if (mask >> i & 1) values[i] = p[i];
  return _mm512_loadu_ps(values);
}

static inline void _mm512_mask_storeu_ps(float *p, __mmask16 mask, __m512 x) {
  float values[lanes];
  memcpy(values, &x, sizeof values);
  for (int i = 0; i < lanes; i++)
    if (mask >> i & 1) p[i] = values[i];
}

static inline float reduced(__m512 x, float (*join)(float, float)) {
  float values[lanes];
  memcpy(values, &x, sizeof values);
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) values[i] = join(values[i], values[i + width]);
  return values[0];
}
static inline float sum_of(float a, float b) { return a + b; }
static inline float least_of(float a, float b) { return a < b ? a : b; }
static inline float most_of(float a, float b) { return a > b ? a : b; }
static inline float _mm512_reduce_add_ps(__m512 x) { return reduced(x, sum_of); }
static inline float _mm512_reduce_min_ps(__m512 x) { return reduced(x, least_of); }
static inline float _mm512_reduce_max_ps(__m512 x) { return reduced(x, most_of); }

static inline __m512 _mm512_cvtepi32_ps(__m512i x) {
  int32_t values[lanes];
  float out[lanes];
  memcpy(values, &x, sizeof values);
  for (int i = 0; i < lanes; i++) out[i] = (float)values[i];
  return _mm512_loadu_ps(out);
}

/* What int32 cannot hold becomes its least number. */
static inline __m512i _mm512_cvtps_epi32(__m512 x) {
  float values[lanes];
  int32_t out[lanes];
  memcpy(values, &x, sizeof values);
  for (int i = 0; i < lanes; i++) {
    float nearest = rintf(values[i]);
    out[i] = nearest >= -0x1p31f && nearest < 0x1p31f ? (int32_t)nearest : INT32_MIN;
  }
  return _mm512_loadu_si512(out);
}

static inline __m128i _mm512_cvtusepi32_epi8(__m512i x) {
  uint32_t values[lanes];
  uint8_t out[lanes];
  memcpy(values, &x, sizeof values);
  for (int i = 0; i < lanes; i++) out[i] = (uint8_t)(values[i] < 255 ? values[i] : 255);
  return _mm_loadu_si128((const __m128i *)out);
}

static inline __m512i _mm512_cvtepu16_epi32(__m256i x) {
  uint16_t values[lanes];
  uint32_t out[lanes];
  memcpy(values, &x, sizeof values);
  for (int i = 0; i < lanes; i++) out[i] = values[i];
  return _mm512_loadu_si512(out);
}

/* VCVTNEPS2BF16: to nearest even; what is below 2^-126 becomes 0, and NaN quiet. */
static inline __m256bh _mm512_cvtneps_pbh(__m512 x) {
  uint32_t bits[lanes];
  uint16_t out[lanes];
  __m256bh result;
  memcpy(bits, &x, sizeof bits);
  for (int i = 0; i < lanes; i++) {
    const uint32_t exponent = bits[i] & 0x7f800000;
    if (exponent == 0)
      bits[i] &= 0x80000000;
    else if (exponent == 0x7f800000 && (bits[i] & 0x7fffff))
      bits[i] |= 0x400000;
    else
      bits[i] += 0x7fff + (bits[i] >> 16 & 1);
    out[i] = (uint16_t)(bits[i] >> 16);
  }
  memcpy(&result, out, sizeof result);
  return result;
}

static inline __m512bh _mm512_cvtne2ps_pbh(__m512 high, __m512 low) {
  __m256bh halves[2] = {_mm512_cvtneps_pbh(low), _mm512_cvtneps_pbh(high)};
  __m512bh result;
  memcpy(&result, halves, sizeof result);
  return result;
}

#include "amx.h"
