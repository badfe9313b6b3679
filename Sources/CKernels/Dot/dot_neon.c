#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "dot_simd.h"
#endif
