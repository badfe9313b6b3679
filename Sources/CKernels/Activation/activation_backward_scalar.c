#include <math.h>

#include "../Dispatch/kernels.h"

static float slope(float x, ck_activation activation) {
  switch (activation) {
  case CK_GELU: return 0.5f * (1 + erff(x * 0.70710678f)) + x * 0.3989422804f * expf(-0.5f * x * x);
  case CK_QUICK_GELU: {
    const float s = 1 / (1 + expf(-1.702f * x));
    return s + 1.702f * x * s * (1 - s);
  }
  case CK_IDENTITY: break;
  }
  return 1;
}

void ck_activation_backward_scalar(const float *x, size_t count, ck_activation activation, float *dy) {
  for (size_t i = 0; i < count; i++) dy[i] *= slope(x[i], activation);
}
