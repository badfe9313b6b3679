#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "adamw_simd.h"
#endif
