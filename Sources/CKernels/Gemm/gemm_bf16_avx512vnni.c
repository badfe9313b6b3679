#if defined(__x86_64__)
#include "../Vector/avx512.h"

/* 24 of 32 registers hold sums, 4 a number of a row each, 1 columns of b. */
#define GEMM_ROWS 4
#define GEMM_VECTORS 6
#include "gemm_bf16_simd.h"
#endif
