#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "quantize_rows_simd.h"
#endif
