#if defined(__x86_64__)
#include "../Vector/avx2.h"

#include "quantize_rows_simd.h"
#endif
