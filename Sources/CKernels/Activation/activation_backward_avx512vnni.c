#if defined(__x86_64__)
#include "../Vector/avx512.h"

#include "activation_backward_simd.h"
#endif
