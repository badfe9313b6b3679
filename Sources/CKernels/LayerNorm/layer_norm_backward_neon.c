#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "layer_norm_backward_simd.h"
#endif
