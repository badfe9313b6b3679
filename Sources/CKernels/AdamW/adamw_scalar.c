#include <math.h>

#include "../Dispatch/kernels.h"

void ck_adamw_scalar(const ck_adamw *args) {
  for (size_t i = 0; i < args->count; i++) {
    const float g = args->gradient[i] * args->gradient_scale;
    const float m = args->beta1 * args->first[i] + (1 - args->beta1) * g;
    const float v = args->beta2 * args->second[i] + (1 - args->beta2) * g * g;
    args->first[i] = m;
    args->second[i] = v;
    args->value[i] = args->kept * args->value[i] - args->rate * m / (sqrtf(v) * args->correction + args->epsilon);
  }
}
