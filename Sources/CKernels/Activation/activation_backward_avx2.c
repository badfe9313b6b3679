#if defined(__x86_64__)
#include "../Vector/avx2.h"

#include "activation_backward_simd.h"
#endif
