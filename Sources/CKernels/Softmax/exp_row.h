/* The numerators of a softmax, which attention shares. */
#ifndef CK_EXP_ROW_H
#define CK_EXP_ROW_H

#include "../Vector/vector.h"

CK_TARGET_BEGIN

/* x = e^(scale x - max(scale x)) in place; returns the sum. */
static inline float exp_row(float *x, size_t count, float scale) {
  const vf lowest = vf_set1(-__builtin_inff());
  const vf factor = vf_set1(scale);
  vf most = lowest;
  size_t i = 0;
  for (; i + VF_LANES <= count; i += VF_LANES) {
    vf y = vf_mul(vf_load(x + i), factor);
    vf_store(x + i, y);
    most = vf_max(y, most);
  }
  if (i < count) {
    vf y = vf_mul(vf_load_part(x + i, count - i), factor);
    vf_store_part(x + i, y, count - i);
    most = vf_max(vf_keep_part(y, count - i, lowest), most);
  }
  const vf shift = vf_set1(vf_most(most));
  vf sum = vf_zero();
  for (i = 0; i + VF_LANES <= count; i += VF_LANES) {
    vf y = vf_exp(vf_sub(vf_load(x + i), shift));
    vf_store(x + i, y);
    sum = vf_add(sum, y);
  }
  if (i < count) {
    vf y = vf_exp(vf_sub(vf_load_part(x + i, count - i), shift));
    vf_store_part(x + i, y, count - i);
    sum = vf_add(sum, vf_keep_part(y, count - i, vf_zero()));
  }
  return vf_sum(sum);
}

/* x = e^(x - max x) in place, of `filled` numbers, whole registers, of which those from `count` on repeat one of the
 * others; returns the sum of the first count, at least 1. */
static inline float exp_filled_row(float *x, size_t count, size_t filled) {
  vf most = vf_load(x);
  for (size_t i = VF_LANES; i < filled; i += VF_LANES) most = vf_max(vf_load(x + i), most);
  const vf shift = vf_set1(vf_most(most));
  vf sum = vf_zero();
  for (size_t i = 0; i < filled; i += VF_LANES) {
    vf y = vf_exp(vf_sub(vf_load(x + i), shift));
    vf_store(x + i, y);
    sum = vf_add(sum, count - i < VF_LANES ? vf_keep_part(y, count - i, vf_zero()) : y);
  }
  return vf_sum(sum);
}

CK_TARGET_END

#endif
