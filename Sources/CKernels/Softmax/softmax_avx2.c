#if defined(__x86_64__)
#include "../Vector/avx2.h"

#include "softmax_simd.h"
#endif
