#include "../Dispatch/kernels.h"
#include "activation.h"

void ck_bias_activation_scalar(float *x, size_t ldx, size_t rows, size_t columns, const float *bias,
                               ck_activation activation, const float *residual, size_t ldr) {
  for (size_t row = 0; row < rows; row++) {
    float *values = x + row * ldx;
    for (size_t c = 0; c < columns; c++) {
      float y = ck_activate(bias ? values[c] + bias[c] : values[c], activation);
      values[c] = residual ? y + residual[row * ldr + c] : y;
    }
  }
}
