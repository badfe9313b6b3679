/* quantize_rows in the vector vocabulary. */
#include "quantize_row.h"

CK_TARGET_BEGIN

/* The range of a row with 0, in four chains that hide the latency of the comparison. */
CK_INLINE row_code range_of(const float *x, size_t columns, const float *smooth) {
  vf least[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
  vf most[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
  size_t c = 0;
  for (; c + 4 * VF_LANES <= columns; c += 4 * VF_LANES)
    for (int j = 0; j < 4; j++) {
      vf value = vf_load(x + c + j * VF_LANES);
      if (smooth) value = vf_mul(value, vf_load(smooth + c + j * VF_LANES));
      least[j] = vf_min(value, least[j]);
      most[j] = vf_max(value, most[j]);
    }
  for (; c < columns; c += VF_LANES) {
    vf value = vf_load_some(x + c, columns - c);
    if (smooth) value = vf_mul(value, vf_load_some(smooth + c, columns - c));
    least[0] = vf_min(value, least[0]);
    most[0] = vf_max(value, most[0]);
  }
  return row_code_of(vf_least(vf_min(vf_min(least[0], least[1]), vf_min(least[2], least[3]))),
                     vf_most(vf_max(vf_max(most[0], most[1]), vf_max(most[2], most[3]))));
}

void CK_NAME(quantize_rows)(const float *x, size_t ldx, size_t rows, size_t columns,
                            const float *smooth, uint8_t *q, size_t ldq, float *scale,
                            int32_t *zero) {
  for (size_t row = 0; row < rows; row++, x += ldx, q += ldq) {
    const row_code code = range_of(x, columns, smooth);
    quantize_row(x, columns, smooth, code, q, ldq);
    scale[row] = code.scale;
    zero[row] = (int32_t)code.zero;
  }
}

CK_TARGET_END
