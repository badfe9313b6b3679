#include "../Dispatch/kernels.h"

#include <string.h>

/* The nearest bfloat16, of two the even one. */
static float rounded(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  /* A NaN whose payload is in the low half would become infinite. */
  bits = x == x ? bits + 0x7fff + (bits >> 16 & 1) : bits | 0x400000;
  bits &= 0xffff0000;
  memcpy(&x, &bits, sizeof x);
  return x;
}

void ck_gemm_bf16_scalar(const ck_gemm *p) {
  for (size_t row = 0; row < p->rows; row++) {
    float *out = p->out + row * p->ldo;
    for (size_t column = 0; !p->accumulates && column < p->columns; column++) out[column] = 0;
    for (size_t k = 0; k < p->depth; k++) {
      const float left = rounded(p->transpose_a ? p->a[k * p->lda + row] : p->a[row * p->lda + k]);
      for (size_t column = 0; column < p->columns; column++)
        out[column] += left * rounded(p->transpose_b ? p->b[column * p->ldb + k] : p->b[k * p->ldb + column]);
    }
  }
}
