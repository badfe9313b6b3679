#include <string.h>

#include "../Dispatch/kernels.h"
#include "row_range.h"

void ck_quantize_rows_scalar(const float *x, size_t ldx, size_t rows, size_t columns,
                             const float *smooth, uint8_t *q, size_t ldq, float *scale,
                             int32_t *zero) {
  for (size_t row = 0; row < rows; row++, x += ldx, q += ldq) {
    float least = 0, most = 0, odd = 0; /* odd becomes NaN if a value is, or is infinite */
    for (size_t c = 0; c < columns; c++) {
      float value = smooth ? x[c] * smooth[c] : x[c];
      if (value < least) least = value;
      if (value > most) most = value;
      odd += 0 * value;
    }
    row_code code = row_code_of(least, most);
    for (size_t c = 0; c < columns; c++) q[c] = code_of(smooth ? x[c] * smooth[c] : x[c], code);
    memset(q + columns, 0, ldq - columns);
    scale[row] = code.scale + odd;
    zero[row] = (int32_t)code.zero;
  }
}
