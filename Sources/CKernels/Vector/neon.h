/* The vector vocabulary (see vector.h) for AArch64 NEON with the dot products: 4 floats a register. */
#ifndef CK_VECTOR_NEON_H
#define CK_VECTOR_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CK_ISA neon
#define CK_TARGET_BEGIN                                                                              \
  _Pragma("clang attribute push(__attribute__((target(\"dotprod\"))), apply_to = function)")
#define CK_TARGET_END _Pragma("clang attribute pop")

#define VF_LANES 4
#define VF_TILE 4

typedef float32x4_t vf;
typedef int32x4_t vi;

CK_TARGET_BEGIN

static inline vf vf_zero(void) { return vdupq_n_f32(0); }
static inline vf vf_set1(float x) { return vdupq_n_f32(x); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf x) { vst1q_f32(p, x); }
static inline vf vf_load_part(const float *p, size_t count) {
  float padded[VF_LANES] = {0};
  memcpy(padded, p, count * sizeof(float));
  return vld1q_f32(padded);
}
static inline void vf_store_part(float *p, vf x, size_t count) {
  float padded[VF_LANES];
  vst1q_f32(padded, x);
  memcpy(p, padded, count * sizeof(float));
}
static inline vf vf_keep_part(vf x, size_t count, vf other) {
  static const uint32_t lane[VF_LANES] = {0, 1, 2, 3};
  return vbslq_f32(vcltq_u32(vld1q_u32(lane), vdupq_n_u32((uint32_t)count)), x, other);
}

static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_sqrt(vf x) { return vsqrtq_f32(x); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
static inline vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline vf vf_round(vf x) { return vrndnq_f32(x); }
static inline vf vf_zero_where_less(vf x, vf a, vf b) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltq_f32(a, b)));
}
static inline vf vf_round_to_bf16(vf x) {
  const uint32x4_t bits = vreinterpretq_u32_f32(x);
  uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  uint32x4_t kept = vbslq_u32(vceqq_f32(x, x), rounded, quiet);
  return vreinterpretq_f32_u32(vandq_u32(kept, vdupq_n_u32(0xffff0000)));
}
static inline vf vf_scale_exponent(vf x, vf n) {
  int32x4_t power = vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23);
  return vmulq_f32(x, vreinterpretq_f32_s32(power));
}

static inline float vf_sum(vf x) { return vaddvq_f32(x); }
static inline float vf_least(vf x) { return vminvq_f32(x); }
static inline float vf_most(vf x) { return vmaxvq_f32(x); }

static inline vi vi_load(const int32_t *p) { return vld1q_s32(p); }
static inline vf vf_dequantize(vi sum, vi colsum, int32_t zero) {
  return vcvtq_f32_s32(vmlsq_n_s32(sum, colsum, zero));
}

static inline void vf_store_codes(uint8_t *p, vf x, int32_t zero) {
  uint16x4_t words = vqmovun_s32(vaddq_s32(vcvtnq_s32_f32(x), vdupq_n_s32(zero)));
  uint8x8_t bytes = vqmovn_u16(vcombine_u16(words, words));
  uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  memcpy(p, &four, sizeof four);
}

static inline vf vf_load_groups(const float *const *rows, size_t offset) {
  return vld1q_f32(rows[0] + offset);
}
static inline void vf_transpose_groups(vf r[4]) {
  float32x4x2_t low = vzipq_f32(r[0], r[2]), high = vzipq_f32(r[1], r[3]);
  float32x4x2_t first = vzipq_f32(low.val[0], high.val[0]), second = vzipq_f32(low.val[1], high.val[1]);
  r[0] = first.val[0];
  r[1] = first.val[1];
  r[2] = second.val[0];
  r[3] = second.val[1];
}

CK_TARGET_END

#endif
