#include "../Dispatch/kernels.h"

float ck_dot_scalar(const float *x, const float *y, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; i++) sum += x[i] * y[i];
  return sum;
}
