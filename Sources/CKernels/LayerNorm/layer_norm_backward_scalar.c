#include <math.h>

#include "../Dispatch/kernels.h"

void ck_layer_norm_backward_scalar(const float *x, size_t ldx, const float *dy, size_t ldy, size_t rows,
                                   size_t columns, const float *gamma, float epsilon, float *dx,
                                   size_t ldd, float *dgamma, float *dbeta) {
  const double n = (double)columns;
  for (size_t row = 0; row < rows; row++, x += ldx, dy += ldy, dx += ldd) {
    double mean = 0, variance = 0, sum = 0, product = 0;
    for (size_t c = 0; c < columns; c++) mean += x[c] / n;
    for (size_t c = 0; c < columns; c++) variance += (x[c] - mean) * (x[c] - mean) / n;
    const double inverse = 1 / sqrt(variance + epsilon);
    for (size_t c = 0; c < columns; c++) {
      const double normal = (x[c] - mean) * inverse;
      sum += dy[c] * gamma[c] / n;
      product += dy[c] * gamma[c] * normal / n;
      dgamma[c] += (float)(dy[c] * normal);
      dbeta[c] += dy[c];
    }
    for (size_t c = 0; c < columns; c++)
      dx[c] = (float)(inverse * (dy[c] * gamma[c] - sum - (x[c] - mean) * inverse * product));
  }
}
