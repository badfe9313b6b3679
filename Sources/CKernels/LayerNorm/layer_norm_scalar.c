#include <math.h>
#include <string.h>

#include "../Dispatch/kernels.h"
#include "../Quantize/row_range.h"

typedef struct row_moments {
  double mean;
  double inverse; /* 1 / sqrt(variance + epsilon) */
} row_moments;

/* Two passes: the variance from the distances to the mean, in double precision. */
static row_moments moments_of(const float *x, size_t columns, float epsilon) {
  double mean = 0, variance = 0;
  for (size_t c = 0; c < columns; c++) mean += x[c];
  mean /= (double)columns;
  for (size_t c = 0; c < columns; c++) variance += (x[c] - mean) * (x[c] - mean);
  variance /= (double)columns;
  return (row_moments){mean, 1 / sqrt(variance + epsilon)};
}

static float normalized(float x, row_moments m, float gamma, float beta) {
  return (float)((x - m.mean) * m.inverse) * gamma + beta;
}

void ck_layer_norm_scalar(const float *x, size_t ldx, size_t rows, size_t columns, const float *gamma,
                          const float *beta, float epsilon, float *out, size_t ldo) {
  for (size_t row = 0; row < rows; row++, x += ldx, out += ldo) {
    row_moments m = moments_of(x, columns, epsilon);
    for (size_t c = 0; c < columns; c++) out[c] = normalized(x[c], m, gamma[c], beta[c]);
  }
}

void ck_layer_norm_quantize_scalar(const float *x, size_t ldx, size_t rows, size_t columns,
                                   const float *gamma, const float *beta, float epsilon, float *out,
                                   size_t ldo, const float *smooth, uint8_t *q, size_t ldq,
                                   float *scale, int32_t *zero) {
  if (out) {
    ck_layer_norm_scalar(x, ldx, rows, columns, gamma, beta, epsilon, out, ldo);
    ck_quantize_rows_scalar(out, ldo, rows, columns, smooth, q, ldq, scale, zero);
    return;
  }
  /* Nowhere to keep the normalised row: it is computed once for its range, once for its codes. */
  for (size_t row = 0; row < rows; row++, x += ldx, q += ldq) {
    row_moments m = moments_of(x, columns, epsilon);
    float least = 0, most = 0, odd = 0;
    for (size_t c = 0; c < columns; c++) {
      float value = normalized(x[c], m, gamma[c], beta[c]) * (smooth ? smooth[c] : 1);
      if (value < least) least = value;
      if (value > most) most = value;
      odd += 0 * value;
    }
    row_code code = row_code_of(least, most);
    for (size_t c = 0; c < columns; c++)
      q[c] = code_of(normalized(x[c], m, gamma[c], beta[c]) * (smooth ? smooth[c] : 1), code);
    memset(q + columns, 0, ldq - columns);
    scale[row] = code.scale + odd;
    zero[row] = (int32_t)code.zero;
  }
}
