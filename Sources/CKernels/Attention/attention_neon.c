#if defined(__aarch64__)
#include "../Vector/neon.h"

#include "attention_simd.h"
#endif
