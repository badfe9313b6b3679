#if defined(__x86_64__)
#include "../Vector/avx2.h"

#include "adamw_simd.h"
#endif
