/* The two halves of a row's quantisation, which the fused LayerNorm shares. */
#ifndef CK_QUANTIZE_ROW_H
#define CK_QUANTIZE_ROW_H

#include <string.h>

#include "../Vector/vector.h"
#include "row_range.h"

CK_TARGET_BEGIN

/* min(left, VF_LANES) codes. The order of the operands turns NaN into 0. */
CK_INLINE void store_codes(uint8_t *q, vf value, row_code code, size_t left) {
  vf rounded = vf_add(vf_round(vf_mul(value, vf_set1(code.inverse))), vf_set1(code.zero));
  rounded = vf_min(vf_max(rounded, vf_zero()), vf_set1(255));
  if (left >= VF_LANES) {
    vf_store_u8(q, rounded);
  } else {
    uint8_t padded[VF_LANES];
    vf_store_u8(padded, rounded);
    memcpy(q, padded, left);
  }
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
