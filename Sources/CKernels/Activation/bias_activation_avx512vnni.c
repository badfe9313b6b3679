#if defined(__x86_64__)
#include "../Vector/avx512.h"

#include "bias_activation_simd.h"
#endif
