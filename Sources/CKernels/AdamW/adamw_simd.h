/* adamw in the vector vocabulary. */
#include "../Vector/vector.h"

CK_TARGET_BEGIN

void CK_NAME(adamw)(const ck_adamw *args) {
  const vf scale = vf_set1(args->gradient_scale), kept = vf_set1(args->kept);
  const vf beta1 = vf_set1(args->beta1), rest1 = vf_set1(1 - args->beta1);
  const vf beta2 = vf_set1(args->beta2), rest2 = vf_set1(1 - args->beta2);
  const vf rate = vf_set1(args->rate), correction = vf_set1(args->correction);
  const vf epsilon = vf_set1(args->epsilon);
  for (size_t i = 0; i < args->count; i += VF_LANES) {
    const size_t left = args->count - i;
    const vf g = vf_mul(vf_load_some(args->gradient + i, left), scale);
    const vf m = vf_fma(rest1, g, vf_mul(beta1, vf_load_some(args->first + i, left)));
    const vf v = vf_fma(vf_mul(rest2, g), g, vf_mul(beta2, vf_load_some(args->second + i, left)));
    const vf size = vf_fma(vf_sqrt(v), correction, epsilon);
    const vf value = vf_mul(vf_load_some(args->value + i, left), kept);
    vf_store_some(args->first + i, m, left);
    vf_store_some(args->second + i, v, left);
    vf_store_some(args->value + i, vf_fnma(rate, vf_div(m, size), value), left);
  }
}

CK_TARGET_END
