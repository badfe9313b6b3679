#if defined(__x86_64__)
#include "../Vector/avx2.h"

#include "dot_simd.h"
#endif
