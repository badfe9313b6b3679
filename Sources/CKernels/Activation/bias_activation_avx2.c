#if defined(__x86_64__)
#include "../Vector/avx2.h"

#include "bias_activation_simd.h"
#endif
