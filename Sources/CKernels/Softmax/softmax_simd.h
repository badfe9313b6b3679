/* softmax in the vector vocabulary. */
#include "exp_row.h"

CK_TARGET_BEGIN

void CK_NAME(softmax)(float *x, size_t count, float scale) {
  const vf factor = vf_set1(1 / exp_row(x, count, scale));
  for (size_t i = 0; i < count; i += VF_LANES)
    vf_store_some(x + i, vf_mul(vf_load_some(x + i, count - i), factor), count - i);
}

CK_TARGET_END
