/* The two passes of a separable resampling, in the fixed-point arithmetic of Pillow's Image.resize:
 * 22-bit coefficients, 32-bit sums, and rounding to 8 bits after each pass. Integer sums do not
 * depend on their order, so every instruction set gives the same bits. */
#include "cimagecodec.h"

#include <string.h>

typedef uint8_t u8x8 __attribute__((vector_size(8)));
typedef uint8_t u8x4 __attribute__((vector_size(4)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x4 __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))
#define HALF (1 << (CIC_COEFFICIENT_BITS - 1))

INLINE uint8_t clip8(int32_t sum) {
  sum >>= CIC_COEFFICIENT_BITS;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* sum += bytes * coefficients, 8 lanes. Through pointers, for a vector wider than the baseline's
 * registers has no calling convention. */
INLINE void multiply_add(i32x8 *sum, const uint8_t *bytes, const int32_t *coefficients) {
  u8x8 b;
  i32x8 k;
  memcpy(&b, bytes, sizeof b);
  memcpy(&k, coefficients, sizeof k);
  *sum += __builtin_convertvector(b, i32x8) * k;
}

/* Folds 24 lanes into one sum a channel and writes those of up to 3 channels. Lane j belongs to
 * channel j % channels, which is the same of lane j - 12: 12 is a multiple of 1, 3 and 4 as well. */
INLINE void fold(const i32x8 sums[3], size_t channels, uint8_t *out) {
  i32x4 a = __builtin_shufflevector(sums[0], sums[0], 0, 1, 2, 3) +
            __builtin_shufflevector(sums[1], sums[1], 4, 5, 6, 7);
  i32x4 b = __builtin_shufflevector(sums[0], sums[0], 4, 5, 6, 7) +
            __builtin_shufflevector(sums[2], sums[2], 0, 1, 2, 3);
  i32x4 c = __builtin_shufflevector(sums[1], sums[1], 0, 1, 2, 3) +
            __builtin_shufflevector(sums[2], sums[2], 4, 5, 6, 7);
  if (channels == 3) /* lanes 0...2, 3...5, 6...8 and 9...11 */
    a += __builtin_shufflevector(a, b, 3, 4, 5, -1) + __builtin_shufflevector(b, c, 2, 3, 4, -1) +
         __builtin_shufflevector(c, c, 1, 2, 3, -1);
  else
    a += b + c;
  if (channels == 1) {
    out[0] = clip8(HALF + a[0] + a[1] + a[2] + a[3]);
    return;
  }
  a = (a + HALF) >> CIC_COEFFICIENT_BITS;
  a = __builtin_elementwise_min(__builtin_elementwise_max(a, (i32x4){0}), (i32x4){255, 255, 255, 255});
  u8x4 bytes = __builtin_convertvector(a, u8x4);
  memcpy(out, &bytes, 3);
}

INLINE void columns_of_rows(const uint8_t *rows, size_t stride, size_t row_count,
                            const int32_t *coefficients, const size_t *offsets, size_t columns,
                            size_t groups, size_t channels, uint8_t *out, size_t out_stride) {
  size_t written = channels < 3 ? channels : 3;
  for (size_t x = 0; x < columns; x++) {
    i32x8 sums[CIC_STRIP][3] = {{{0}}};
    const uint8_t *bytes = rows + offsets[x];
    for (size_t g = 0; g < groups; g++, bytes += CIC_GROUP, coefficients += CIC_GROUP)
      for (size_t r = 0; r < row_count; r++)
        for (size_t v = 0; v < 3; v++)
          multiply_add(&sums[r][v], bytes + r * stride + 8 * v, coefficients + 8 * v);
    for (size_t r = 0; r < row_count; r++)
      fold(sums[r], channels, out + r * out_stride + x * written);
  }
}

/* A constant count of rows unrolls the loops, and the sums stay in registers. */
INLINE void columns_of_channels(const uint8_t *rows, size_t stride, size_t row_count,
                                const int32_t *coefficients, const size_t *offsets, size_t columns,
                                size_t groups, size_t channels, uint8_t *out, size_t out_stride) {
  if (row_count == CIC_STRIP) {
    columns_of_rows(rows, stride, CIC_STRIP, coefficients, offsets, columns, groups, channels, out,
                    out_stride);
    return;
  }
  for (size_t r = 0; r < row_count; r++)
    columns_of_rows(rows + r * stride, stride, 1, coefficients, offsets, columns, groups, channels,
                    out + r * out_stride, out_stride);
}

INLINE void resample_columns(const uint8_t *rows, size_t stride, size_t row_count,
                             const int32_t *coefficients, const size_t *offsets, size_t columns,
                             size_t groups, size_t channels, uint8_t *out, size_t out_stride) {
  if (channels == 1)
    columns_of_channels(rows, stride, row_count, coefficients, offsets, columns, groups, 1, out,
                        out_stride);
  else if (channels == 3)
    columns_of_channels(rows, stride, row_count, coefficients, offsets, columns, groups, 3, out,
                        out_stride);
  else
    columns_of_channels(rows, stride, row_count, coefficients, offsets, columns, groups, 4, out,
                        out_stride);
}

INLINE void resample_rows(const uint8_t *rows, size_t stride, const int32_t *coefficients,
                          size_t taps, size_t width, uint8_t *out) {
  size_t i = 0;
  for (; i + 32 <= width; i += 32) {
    int32_t sums[32];
    for (int j = 0; j < 32; j++) sums[j] = HALF;
    for (size_t t = 0; t < taps; t++) {
      const uint8_t *row = rows + t * stride + i;
      for (int j = 0; j < 32; j++) sums[j] += row[j] * coefficients[t];
    }
    for (int j = 0; j < 32; j++) out[i + (size_t)j] = clip8(sums[j]);
  }
  for (; i < width; i++) {
    int32_t sum = HALF;
    for (size_t t = 0; t < taps; t++) sum += rows[t * stride + i] * coefficients[t];
    out[i] = clip8(sum);
  }
}

/* The baseline of x86-64 has no 32-bit multiplication of vectors; AVX2 has. */
#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))

AVX2 static void resample_columns_avx2(const uint8_t *rows, size_t stride, size_t row_count,
                                       const int32_t *coefficients, const size_t *offsets,
                                       size_t columns, size_t groups, size_t channels,
                                       uint8_t *out, size_t out_stride) {
  resample_columns(rows, stride, row_count, coefficients, offsets, columns, groups, channels, out,
                   out_stride);
}

AVX2 static void resample_rows_avx2(const uint8_t *rows, size_t stride,
                                    const int32_t *coefficients, size_t taps, size_t width,
                                    uint8_t *out) {
  resample_rows(rows, stride, coefficients, taps, width, out);
}
#endif

void cic_resample_columns(const uint8_t *rows, size_t stride, size_t row_count,
                          const int32_t *coefficients, const size_t *offsets, size_t columns,
                          size_t groups, size_t channels, uint8_t *out, size_t out_stride) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    resample_columns_avx2(rows, stride, row_count, coefficients, offsets, columns, groups, channels,
                          out, out_stride);
    return;
  }
#endif
  resample_columns(rows, stride, row_count, coefficients, offsets, columns, groups, channels, out,
                   out_stride);
}

void cic_resample_rows(const uint8_t *rows, size_t stride, const int32_t *coefficients, size_t taps,
                       size_t width, uint8_t *out) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    resample_rows_avx2(rows, stride, coefficients, taps, width, out);
    return;
  }
#endif
  resample_rows(rows, stride, coefficients, taps, width, out);
}
