/* quantize_rows in the vector vocabulary. */
#include "quantize_row.h"

CK_TARGET_BEGIN

void CK_NAME(quantize_rows)(const float *x, size_t ldx, size_t rows, size_t columns,
                            const float *smooth, uint8_t *q, size_t ldq, float *scale,
                            int32_t *zero) {
  for (size_t row = 0; row < rows; row++, x += ldx, q += ldq) {
    vf least = vf_zero(), most = vf_zero();
    for (size_t c = 0; c < columns; c += VF_LANES) {
      size_t left = columns - c;
      vf value = vf_load_some(x + c, left);
      if (smooth) value = vf_mul(value, vf_load_some(smooth + c, left));
      least = vf_min(value, least);
      most = vf_max(value, most);
    }
    row_code code = row_code_of(vf_least(least), vf_most(most));
    quantize_row(x, columns, smooth, code, q, ldq);
    scale[row] = code.scale;
    zero[row] = (int32_t)code.zero;
  }
}

CK_TARGET_END
