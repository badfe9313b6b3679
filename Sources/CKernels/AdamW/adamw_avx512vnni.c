#if defined(__x86_64__)
#include "../Vector/avx512.h"

#include "adamw_simd.h"
#endif
