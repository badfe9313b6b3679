/* bias_activation in the vector vocabulary. */
#include "../Vector/vector.h"

CK_TARGET_BEGIN

void CK_NAME(bias_activation)(float *x, size_t ldx, size_t rows, size_t columns, const float *bias,
                              ck_activation activation, const float *residual, size_t ldr) {
  for (size_t row = 0; row < rows; row++) {
    float *values = x + row * ldx;
    for (size_t c = 0; c < columns; c += VF_LANES) {
      size_t left = columns - c;
      vf y = vf_load_some(values + c, left);
      if (bias) y = vf_add(y, vf_load_some(bias + c, left));
      y = vf_activate(y, activation);
      if (residual) y = vf_add(y, vf_load_some(residual + row * ldr + c, left));
      vf_store_some(values + c, y, left);
    }
  }
}

CK_TARGET_END
