#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "gemv_simd.h"
#endif
