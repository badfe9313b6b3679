#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "activation_backward_simd.h"
#endif
