/* The two halves of a row's quantisation, which the fused LayerNorm shares. */
#ifndef CK_QUANTIZE_ROW_H
#define CK_QUANTIZE_ROW_H

#include <string.h>

#include "../Vector/vector.h"
#include "row_range.h"

CK_TARGET_BEGIN

/* min(left, VF_LANES) codes. */
CK_INLINE void store_codes(uint8_t *q, vf value, row_code code, size_t left) {
  const vf steps = vf_mul(value, vf_set1(code.inverse));
  const int32_t zero = (int32_t)code.zero;
  if (left >= VF_LANES) {
    vf_store_codes(q, steps, zero);
  } else {
    uint8_t padded[VF_LANES];
    vf_store_codes(padded, steps, zero);
    memcpy(q, padded, left);
  }
}

/* The range of a row's values with 0, in four chains that hide the latency of the comparison. What is added up is 0, or
 * NaN if a value was NaN or infinite: comparisons skip NaN. */
typedef struct row_extent {
  vf least[4], most[4], odd[2];
} row_extent;

CK_INLINE row_extent row_extent_of_none(void) {
  return (row_extent){{vf_zero(), vf_zero(), vf_zero(), vf_zero()},
                      {vf_zero(), vf_zero(), vf_zero(), vf_zero()},
                      {vf_zero(), vf_zero()}};
}

CK_INLINE void row_extend(row_extent *extent, int chain, vf value) {
  extent->least[chain] = vf_min(value, extent->least[chain]);
  extent->most[chain] = vf_max(value, extent->most[chain]);
  extent->odd[chain & 1] = vf_fma(value, vf_zero(), extent->odd[chain & 1]);
}

CK_INLINE row_code row_code_of_extent(const row_extent *extent) {
  const vf *l = extent->least, *m = extent->most;
  row_code code = row_code_of(vf_least(vf_min(vf_min(l[0], l[1]), vf_min(l[2], l[3]))),
                              vf_most(vf_max(vf_max(m[0], m[1]), vf_max(m[2], m[3]))));
  const float odd = vf_sum(vf_add(extent->odd[0], extent->odd[1]));
  code.scale += odd;
  return code;
}

static inline void quantize_row(const float *x, size_t columns, const float *smooth, row_code code,
                                uint8_t *q, size_t ldq) {
  for (size_t c = 0; c < columns; c += VF_LANES) {
    size_t left = columns - c;
    vf value = vf_load_some(x + c, left);
    if (smooth) value = vf_mul(value, vf_load_some(smooth + c, left));
    store_codes(q + c, value, code, left);
  }
  memset(q + columns, 0, ldq - columns);
}

CK_TARGET_END

#endif
