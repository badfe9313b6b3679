#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "softmax_simd.h"
#endif
