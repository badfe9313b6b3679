#include <math.h>

#include "../Dispatch/kernels.h"

void ck_softmax_scalar(float *x, size_t count, float scale) {
  float most = -INFINITY;
  for (size_t i = 0; i < count; i++) {
    x[i] *= scale;
    if (x[i] > most) most = x[i];
  }
  float sum = 0;
  for (size_t i = 0; i < count; i++) {
    x[i] = expf(x[i] - most);
    sum += x[i];
  }
  for (size_t i = 0; i < count; i++) x[i] /= sum;
}
