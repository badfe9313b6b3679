/* quantize_rows in the vector vocabulary. */
#include "quantize_row.h"

CK_TARGET_BEGIN

CK_INLINE row_code range_of(const float *x, size_t columns, const float *smooth) {
  row_extent extent = row_extent_of_none();
  size_t c = 0;
  for (; c + 4 * VF_LANES <= columns; c += 4 * VF_LANES)
    for (int j = 0; j < 4; j++) {
      vf value = vf_load(x + c + j * VF_LANES);
      if (smooth) value = vf_mul(value, vf_load(smooth + c + j * VF_LANES));
      row_extend(&extent, j, value);
    }
  for (; c < columns; c += VF_LANES) {
    vf value = vf_load_some(x + c, columns - c);
    if (smooth) value = vf_mul(value, vf_load_some(smooth + c, columns - c));
    row_extend(&extent, 0, value);
  }
  return row_code_of_extent(&extent);
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
