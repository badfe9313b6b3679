#include "../Dispatch/kernels.h"

void ck_gemv_scalar(const float *w, size_t ldw, size_t rows, size_t columns, const float *x,
                    const float *bias, float *y) {
  for (size_t row = 0; row < rows; row++)
    y[row] = ck_dot_scalar(w + row * ldw, x, columns) + (bias ? bias[row] : 0);
}

void ck_gemv_transposed_scalar(const float *w, size_t ldw, size_t rows, size_t columns,
                               const float *x, float *y) {
  for (size_t k = 0; k < columns; k++) y[k] = 0;
  for (size_t row = 0; row < rows; row++)
    for (size_t k = 0; k < columns; k++) y[k] += x[row] * w[row * ldw + k];
}
