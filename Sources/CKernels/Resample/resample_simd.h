/* Both passes in the compiler's own vectors, 8 lanes of 32 bits: widening bytes, multiplying and adding is all they do,
 * and the instructions for it are turned on by the including file. */
#include "../Vector/vector.h"
#include "resample.h"

#include <string.h>

CK_TARGET_BEGIN

typedef uint8_t u8x8 __attribute__((vector_size(8)));
typedef uint8_t u8x4 __attribute__((vector_size(4)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x4 __attribute__((vector_size(16)));

/* sum += bytes * coefficients, 8 lanes. */
CK_INLINE void multiply_add(i32x8 *sum, const uint8_t *bytes, const int32_t *coefficients) {
  u8x8 b;
  i32x8 k;
  memcpy(&b, bytes, sizeof b);
  memcpy(&k, coefficients, sizeof k);
  *sum += __builtin_convertvector(b, i32x8) * k;
}

/* Folds 24 lanes into one sum a channel and writes those of up to 3 channels. Lane j belongs to
 * channel j % channels, which is the same of lane j - 12: 12 is a multiple of 1, 3 and 4 as well. */
CK_INLINE void fold(const i32x8 sums[3], size_t channels, uint8_t *out) {
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
    out[0] = resample_clip8(resample_half + a[0] + a[1] + a[2] + a[3]);
    return;
  }
  a = (a + resample_half) >> ck_coefficient_bits;
  a = __builtin_elementwise_min(__builtin_elementwise_max(a, (i32x4){0}), (i32x4){255, 255, 255, 255});
  u8x4 bytes = __builtin_convertvector(a, u8x4);
  memcpy(out, &bytes, 3);
}

/* Rows of a strip, from `first` on; a constant count unrolls the loops, and the sums stay in registers. */
CK_INLINE void strip_rows(const ck_resample_columns *p, size_t first, size_t count, size_t channels) {
  const size_t written = channels < 3 ? channels : 3;
  const int32_t *coefficients = p->coefficients;
  for (size_t x = 0; x < p->columns; x++) {
    i32x8 sums[ck_resample_strip][3] = {{{0}}};
    const uint8_t *bytes = p->rows + first * p->stride + p->offsets[x];
    for (size_t g = 0; g < p->groups; g++, bytes += ck_resample_group, coefficients += ck_resample_group)
      for (size_t r = 0; r < count; r++)
        for (size_t v = 0; v < 3; v++)
          multiply_add(&sums[r][v], bytes + r * p->stride + 8 * v, coefficients + 8 * v);
    for (size_t r = 0; r < count; r++)
      fold(sums[r], channels, p->out + (first + r) * p->out_stride + x * written);
  }
}

CK_INLINE void strip(const ck_resample_columns *p, size_t channels) {
  if (p->row_count == ck_resample_strip)
    strip_rows(p, 0, ck_resample_strip, channels);
  else
    for (size_t r = 0; r < p->row_count; r++) strip_rows(p, r, 1, channels);
}

void CK_NAME(resample_columns)(const ck_resample_columns *args) {
  switch (args->channels) {
  case 1: strip(args, 1); break;
  case 3: strip(args, 3); break;
  default: strip(args, 4); break;
  }
}

void CK_NAME(resample_row)(const uint8_t *rows, size_t stride, const int32_t *coefficients, size_t taps, size_t width,
                           uint8_t *out) {
  size_t i = 0;
  for (; i + 32 <= width; i += 32) {
    int32_t sums[32];
    for (int j = 0; j < 32; j++) sums[j] = resample_half;
    for (size_t t = 0; t < taps; t++) {
      const uint8_t *row = rows + t * stride + i;
      for (int j = 0; j < 32; j++) sums[j] += row[j] * coefficients[t];
    }
    for (int j = 0; j < 32; j++) out[i + (size_t)j] = resample_clip8(sums[j]);
  }
  ck_resample_row_scalar(rows + i, stride, coefficients, taps, width - i, out + i);
}

CK_TARGET_END
