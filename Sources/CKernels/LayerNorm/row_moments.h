/* Mean and deviation of a row, which layer_norm and its backward pass share. */
#ifndef CK_ROW_MOMENTS_H
#define CK_ROW_MOMENTS_H

#include <float.h>
#include <math.h>

#include "../Vector/vector.h"

CK_TARGET_BEGIN

typedef struct row_moments {
  float mean;
  float inverse; /* 1 / sqrt(variance + epsilon) */
} row_moments;

/* Four chains, which hide the latency of the addition, together. */
CK_INLINE float row_total(const vf chains[4]) {
  return vf_sum(vf_add(vf_add(chains[0], chains[1]), vf_add(chains[2], chains[3])));
}

/* sum x */
CK_INLINE float row_sum(const float *x, size_t columns) {
  vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
  size_t c = 0;
  for (; c + 4 * VF_LANES <= columns; c += 4 * VF_LANES)
    for (int j = 0; j < 4; j++) sum[j] = vf_add(sum[j], vf_load(x + c + j * VF_LANES));
  for (; c < columns; c += VF_LANES) sum[0] = vf_add(sum[0], vf_load_some(x + c, columns - c));
  return row_total(sum);
}

/* Two passes, the second correcting the first: with d = x - m for a rounded mean m, the mean is
 * m + sum d / n and the variance sum d^2 / n - (sum d / n)^2. A row whose squares overflow has no moments: an infinite
 * variance would make zeros of it. */
static inline row_moments moments_of(const float *x, size_t columns, float epsilon) {
  const float n = (float)columns;
  const float mean = row_sum(x, columns) / n;
  const vf m = vf_set1(mean);
  vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
  vf squares[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
  size_t c = 0;
  for (; c + 4 * VF_LANES <= columns; c += 4 * VF_LANES)
    for (int j = 0; j < 4; j++) {
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
  const float shift = row_total(sum) / n;
  float variance = row_total(squares) / n - shift * shift;
  if (variance < 0) variance = 0;
  if (!(variance <= FLT_MAX)) variance = NAN;
  return (row_moments){mean + shift, 1 / __builtin_sqrtf(variance + epsilon)};
}

CK_TARGET_END

#endif
