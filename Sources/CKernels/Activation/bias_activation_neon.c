#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "bias_activation_simd.h"
#endif
