#if defined(__x86_64__)
#include "../Vector/avx2.h"

/* 12 of 16 registers hold sums, 2 a number of a row each, 1 columns of b. */
#define GEMM_ROWS 2
#define GEMM_VECTORS 6
#include "gemm_bf16_simd.h"
#endif
