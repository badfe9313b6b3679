/* dot in the vector vocabulary. */
#include "../Vector/vector.h"

CK_TARGET_BEGIN

float CK_NAME(dot)(const float *x, const float *y, size_t count) {
  enum { chains = 4 }; /* independent sums hide the latency of the multiply-add */
  vf sum[chains];
  for (int j = 0; j < chains; j++) sum[j] = vf_zero();
  size_t i = 0;
  for (; i + chains * VF_LANES <= count; i += chains * VF_LANES)
    for (int j = 0; j < chains; j++)
      sum[j] = vf_fma(vf_load(x + i + j * VF_LANES), vf_load(y + i + j * VF_LANES), sum[j]);
  for (; i < count; i += VF_LANES)
    sum[0] = vf_fma(vf_load_some(x + i, count - i), vf_load_some(y + i, count - i), sum[0]);
  return vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
}

CK_TARGET_END
