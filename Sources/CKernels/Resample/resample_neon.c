#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "resample_simd.h"
#endif
