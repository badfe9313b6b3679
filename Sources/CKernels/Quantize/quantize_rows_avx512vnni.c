#if defined(__x86_64__)
#include "../Vector/avx512.h"

#include "quantize_rows_simd.h"
#endif
