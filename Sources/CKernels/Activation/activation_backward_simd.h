/* activation_backward in the vector vocabulary. */
#include "../Vector/vector.h"

CK_TARGET_BEGIN

void CK_NAME(activation_backward)(const float *x, size_t count, ck_activation activation, float *dy) {
  for (size_t i = 0; i < count; i += VF_LANES) {
    const size_t left = count - i;
    const vf slope = vf_activation_slope(vf_load_some(x + i, left), activation);
    vf_store_some(dy + i, vf_mul(vf_load_some(dy + i, left), slope), left);
  }
}

CK_TARGET_END
