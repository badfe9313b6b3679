/* gemv and gemv_transposed in the vector vocabulary. Both are bound by the memory that holds w. */
#include "../Vector/vector.h"

CK_TARGET_BEGIN

/* Rows that share each load of x (gemv) or of y (gemv_transposed). */
enum { gemv_rows = 4 };

/* The dot products of `count` rows with x. */
CK_INLINE void gemv_tile(const float *w, size_t ldw, int count, size_t columns, const float *x,
                         float *y) {
  vf sum[2 * gemv_rows];
  for (int r = 0; r < 2 * count; r++) sum[r] = vf_zero();
  size_t k = 0;
  for (; k + 2 * VF_LANES <= columns; k += 2 * VF_LANES) {
    vf x0 = vf_load(x + k), x1 = vf_load(x + k + VF_LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < count; r++) {
      const float *p = w + (size_t)r * ldw + k;
      sum[2 * r] = vf_fma(vf_load(p), x0, sum[2 * r]);
      sum[2 * r + 1] = vf_fma(vf_load(p + VF_LANES), x1, sum[2 * r + 1]);
    }
  }
  for (; k < columns; k += VF_LANES) {
    vf x0 = vf_load_some(x + k, columns - k);
#pragma clang loop unroll(full)
    for (int r = 0; r < count; r++)
      sum[2 * r] = vf_fma(vf_load_some(w + (size_t)r * ldw + k, columns - k), x0, sum[2 * r]);
  }
  for (int r = 0; r < count; r++) y[r] = vf_sum(vf_add(sum[2 * r], sum[2 * r + 1]));
}

void CK_NAME(gemv)(const float *w, size_t ldw, size_t rows, size_t columns, const float *x,
                   const float *bias, float *y) {
  size_t row = 0;
  for (; row + gemv_rows <= rows; row += gemv_rows)
    gemv_tile(w + row * ldw, ldw, gemv_rows, columns, x, y + row);
  for (; row < rows; row++) gemv_tile(w + row * ldw, ldw, 1, columns, x, y + row);
  if (bias)
    for (row = 0; row < rows; row++) y[row] += bias[row];
}

void CK_NAME(gemv_transposed)(const float *w, size_t ldw, size_t rows, size_t columns, const float *x,
                              float *y) {
  for (size_t k = 0; k < columns; k += VF_LANES) vf_store_some(y + k, vf_zero(), columns - k);
  size_t row = 0;
  for (; row + gemv_rows <= rows; row += gemv_rows) {
    const float *p = w + row * ldw;
    vf factor[gemv_rows];
    for (int r = 0; r < gemv_rows; r++) factor[r] = vf_set1(x[row + (size_t)r]);
    for (size_t k = 0; k < columns; k += VF_LANES) {
      size_t left = columns - k;
      vf sum = vf_load_some(y + k, left);
#pragma clang loop unroll(full)
      for (int r = 0; r < gemv_rows; r++)
        sum = vf_fma(factor[r], vf_load_some(p + (size_t)r * ldw + k, left), sum);
      vf_store_some(y + k, sum, left);
    }
  }
  for (; row < rows; row++)
    for (size_t k = 0; k < columns; k += VF_LANES) {
      size_t left = columns - k;
      vf sum = vf_fma(vf_set1(x[row]), vf_load_some(w + row * ldw + k, left), vf_load_some(y + k, left));
      vf_store_some(y + k, sum, left);
    }
}

CK_TARGET_END
