/* The activation functions of the scalar kernels. */
#ifndef CK_ACTIVATION_H
#define CK_ACTIVATION_H

#include <math.h>

#include "ckernels.h"

static inline float ck_activate(float x, ck_activation activation) {
  switch (activation) {
  case CK_GELU: return 0.5f * x * (1 + erff(x * 0.70710678f));
  case CK_QUICK_GELU: return x / (1 + expf(-1.702f * x));
  case CK_IDENTITY: break;
  }
  return x;
}

#endif
