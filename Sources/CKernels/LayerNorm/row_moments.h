/* Mean and deviation of a row, which layer_norm and its backward pass share. */
#ifndef CK_ROW_MOMENTS_H
#define CK_ROW_MOMENTS_H

#include "../Vector/vector.h"

CK_TARGET_BEGIN

typedef struct row_moments {
  float mean;
  float inverse; /* 1 / sqrt(variance + epsilon) */
} row_moments;

/* sum x, in four chains that hide the latency of the addition. */
CK_INLINE float row_sum(const float *x, size_t columns) {
  vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
  size_t c = 0;
  for (; c + 4 * VF_LANES <= columns; c += 4 * VF_LANES)
    for (int j = 0; j < 4; j++) sum[j] = vf_add(sum[j], vf_load(x + c + j * VF_LANES));
  for (; c < columns; c += VF_LANES) sum[0] = vf_add(sum[0], vf_load_some(x + c, columns - c));
  return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

/* Two passes, the second correcting the first: with d = x - m for a rounded mean m, the mean is
 * m + sum d / n and the variance sum d^2 / n - (sum d / n)^2. */
static inline row_moments moments_of(const float *x, size_t columns, float epsilon) {
  const float n = (float)columns;
  const float mean = row_sum(x, columns) / n;
  const vf m = vf_set1(mean);
  vf sum[2] = {vf_zero(), vf_zero()}, squares[2] = {vf_zero(), vf_zero()};
  size_t c = 0;
  for (; c + 2 * VF_LANES <= columns; c += 2 * VF_LANES)
    for (int j = 0; j < 2; j++) {
      vf d = vf_sub(vf_load(x + c + j * VF_LANES), m);
      sum[j] = vf_add(sum[j], d);
      squares[j] = vf_fma(d, d, squares[j]);
    }
  for (; c < columns; c += VF_LANES) {
    vf d = vf_sub(vf_load_some(x + c, columns - c), m);
    if (columns - c < VF_LANES) d = vf_keep_part(d, columns - c, vf_zero());
    sum[0] = vf_add(sum[0], d);
    squares[0] = vf_fma(d, d, squares[0]);
  }
  const float shift = vf_sum(vf_add(sum[0], sum[1])) / n;
  float variance = vf_sum(vf_add(squares[0], squares[1])) / n - shift * shift;
  if (variance < 0) variance = 0;
  return (row_moments){mean + shift, 1 / __builtin_sqrtf(variance + epsilon)};
}

CK_TARGET_END

#endif
