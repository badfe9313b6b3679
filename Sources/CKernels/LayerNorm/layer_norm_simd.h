/* layer_norm and its fusion with quantize_rows, in the vector vocabulary. */
#include "../Quantize/quantize_row.h"
#include "row_moments.h"

CK_TARGET_BEGIN

/* min(left, VF_LANES) normalised values of a row, from column c on. */
CK_INLINE vf normalized(const float *x, row_moments m, const float *gamma, const float *beta, size_t c,
                        size_t left) {
  vf y = vf_mul(vf_sub(vf_load_some(x + c, left), vf_set1(m.mean)), vf_set1(m.inverse));
  return vf_fma(y, vf_load_some(gamma + c, left), vf_load_some(beta + c, left));
}

void CK_NAME(layer_norm)(const float *x, size_t ldx, size_t rows, size_t columns, const float *gamma,
                         const float *beta, float epsilon, float *out, size_t ldo) {
  for (size_t row = 0; row < rows; row++, x += ldx, out += ldo) {
    row_moments m = moments_of(x, columns, epsilon);
    for (size_t c = 0; c < columns; c += VF_LANES)
      vf_store_some(out + c, normalized(x, m, gamma, beta, c, columns - c), columns - c);
  }
}

void CK_NAME(layer_norm_quantize)(const float *x, size_t ldx, size_t rows, size_t columns,
                                  const float *gamma, const float *beta, float epsilon, float *out,
                                  size_t ldo, const float *smooth, uint8_t *q, size_t ldq,
                                  float *scale, int32_t *zero) {
  for (size_t row = 0; row < rows; row++, x += ldx, q += ldq) {
    float *kept = out ? out + row * ldo : NULL;
    row_moments m = moments_of(x, columns, epsilon);
    row_extent extent = row_extent_of_none();
    size_t done = 0;
    for (; done + 4 * VF_LANES <= columns; done += 4 * VF_LANES)
      for (int j = 0; j < 4; j++) {
        const size_t c = done + (size_t)j * VF_LANES;
        vf y = normalized(x, m, gamma, beta, c, VF_LANES);
        if (kept) vf_store(kept + c, y);
        if (smooth) y = vf_mul(y, vf_load(smooth + c));
        row_extend(&extent, j, y);
      }
    for (size_t c = done; c < columns; c += VF_LANES) {
      size_t left = columns - c;
      vf y = normalized(x, m, gamma, beta, c, left);
      if (kept) vf_store_some(kept + c, y, left);
      if (smooth) y = vf_mul(y, vf_load_some(smooth + c, left));
      if (left < VF_LANES) y = vf_keep_part(y, left, vf_zero());
      row_extend(&extent, 0, y);
    }
    const row_code code = row_code_of_extent(&extent);
    if (kept) {
      quantize_row(kept, columns, smooth, code, q, ldq);
    } else { /* Nowhere to keep the normalised row: it is computed again. */
      for (size_t c = 0; c < columns; c += VF_LANES) {
        size_t left = columns - c;
        vf y = normalized(x, m, gamma, beta, c, left);
        if (smooth) y = vf_mul(y, vf_load_some(smooth + c, left));
        store_codes(q + c, y, code, left);
      }
      memset(q + columns, 0, ldq - columns);
    }
    scale[row] = code.scale;
    zero[row] = (int32_t)code.zero;
  }
}

CK_TARGET_END
