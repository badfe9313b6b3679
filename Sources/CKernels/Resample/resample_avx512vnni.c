#if defined(__x86_64__)
#include "../Vector/avx512.h"

#include "resample_simd.h"
#endif
