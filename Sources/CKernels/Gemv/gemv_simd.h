/* gemv and gemv_transposed in the vector vocabulary. Both are bound by the memory that holds w, and read
 * it from end to end, row after row: streams of several rows at once measured slower. */
#include "../Vector/vector.h"

CK_TARGET_BEGIN

/* Bytes ahead of the reads that gemv_transposed asks for; its writes to y hold the prefetcher back. */
enum { gemv_ahead = 8192 };

void CK_NAME(gemv)(const float *w, size_t ldw, size_t rows, size_t columns, const float *x,
                   const float *bias, float *y) {
  for (size_t row = 0; row < rows; row++)
    y[row] = CK_NAME(dot)(w + row * ldw, x, columns) + (bias ? bias[row] : 0);
}

void CK_NAME(gemv_transposed)(const float *w, size_t ldw, size_t rows, size_t columns, const float *x,
                              float *y) {
  for (size_t k = 0; k < columns; k += VF_LANES) vf_store_some(y + k, vf_zero(), columns - k);
  for (size_t row = 0; row < rows; row++) {
    const float *p = w + row * ldw;
    const vf factor = vf_set1(x[row]);
    for (size_t k = 0; k < columns; k += VF_LANES) {
      size_t left = columns - k;
      __builtin_prefetch((const char *)(p + k) + gemv_ahead);
      vf_store_some(y + k, vf_fma(factor, vf_load_some(p + k, left), vf_load_some(y + k, left)), left);
    }
  }
}

CK_TARGET_END
