#if defined(__aarch64__)
#include "../Vector/neon.h"

/* 24 of 32 registers hold sums, 4 a number of a row each, 1 columns of b. */
#define GEMM_ROWS 4
#define GEMM_VECTORS 6
#include "gemm_bf16_simd.h"
#endif
