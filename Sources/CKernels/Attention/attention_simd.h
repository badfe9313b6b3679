/* attention in the vector vocabulary: for a tile of queries, scores = q k^T from k transposed in the
 * scratch, the exponentials of the scores, and out = exponentials v, divided by their sums. Both
 * products are the same register tile. */
#include "../Softmax/exp_row.h"
#include "scratch.h"

CK_TARGET_BEGIN

/* out[rows, vectors] = factor[row] * sum_k a[row, k] b[k, columns], one register tile; rows and vectors are
 * constants of the caller. lanes: those used of the last vector. */
CK_INLINE void product_tile(const float *a, size_t lda, const float *b, size_t ldb, size_t depth,
                            int rows, int vectors, size_t lanes, const float *factor, float *out,
                            size_t ldo) {
  vf sum[attention_rows * VF_TILE];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows * vectors; i++) sum[i] = vf_zero();
  for (size_t k = 0; k < depth; k++, b += ldb) {
    vf column[VF_TILE];
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++)
      column[j] = lanes == VF_LANES ? vf_load(b + j * VF_LANES) : vf_load_part(b + j * VF_LANES, lanes);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      vf left = vf_set1(a[(size_t)i * lda + k]);
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++)
        sum[i * vectors + j] = vf_fma(left, column[j], sum[i * vectors + j]);
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) {
      float *p = out + (size_t)i * ldo + (size_t)j * VF_LANES;
      vf y = vf_mul(sum[i * vectors + j], vf_set1(factor[i]));
      if (lanes == VF_LANES)
        vf_store(p, y);
      else
        vf_store_part(p, y, lanes);
    }
}

/* The same for any number of columns. */
CK_INLINE void product_rows(const float *a, size_t lda, const float *b, size_t ldb, size_t depth,
                            int rows, size_t columns, const float *factor, float *out, size_t ldo) {
  size_t c = 0;
  for (; c + VF_TILE * VF_LANES <= columns; c += VF_TILE * VF_LANES)
    product_tile(a, lda, b + c, ldb, depth, rows, VF_TILE, VF_LANES, factor, out + c, ldo);
#if VF_TILE > 2
  for (; c + 2 * VF_LANES <= columns; c += 2 * VF_LANES)
    product_tile(a, lda, b + c, ldb, depth, rows, 2, VF_LANES, factor, out + c, ldo);
#endif
  for (; c + VF_LANES <= columns; c += VF_LANES)
    product_tile(a, lda, b + c, ldb, depth, rows, 1, VF_LANES, factor, out + c, ldo);
  if (c < columns)
    product_tile(a, lda, b + c, ldb, depth, rows, 1, columns - c, factor, out + c, ldo);
}

/* The same for 1 ... attention_rows rows. */
static void product(const float *a, size_t lda, const float *b, size_t ldb, size_t depth, size_t rows,
                    size_t columns, const float *factor, float *out, size_t ldo) {
  switch (rows) {
  case 1: product_rows(a, lda, b, ldb, depth, 1, columns, factor, out, ldo); break;
  case 2: product_rows(a, lda, b, ldb, depth, 2, columns, factor, out, ldo); break;
  case 3: product_rows(a, lda, b, ldb, depth, 3, columns, factor, out, ldo); break;
  case 4: product_rows(a, lda, b, ldb, depth, 4, columns, factor, out, ldo); break;
  case 5: product_rows(a, lda, b, ldb, depth, 5, columns, factor, out, ldo); break;
  default: product_rows(a, lda, b, ldb, depth, attention_rows, columns, factor, out, ldo); break;
  }
}

/* transposed[d, key] = k[key, d] for `filled` keys; those behind the last repeat it. Registers are filled with groups of
 * four dimensions, register i with those of keys i, i + 4, ...; transposing 4 x 4 within the groups
 * leaves in register i dimension i of VF_LANES keys in order. */
static void transpose_keys(const ck_attention *args, size_t filled, float *transposed, size_t padded) {
  for (size_t first = 0; first < filled; first += VF_LANES) {
    const float *rows[VF_LANES];
    for (size_t i = 0; i < VF_LANES; i++) {
      size_t key = first + i < args->keys ? first + i : args->keys - 1;
      rows[i] = args->k + key * args->ldk;
    }
    float *out = transposed + first;
    size_t d = 0;
    for (; d + 4 <= args->dim; d += 4) {
      vf r[4];
      for (int i = 0; i < 4; i++) r[i] = vf_load_groups(rows + i, d);
      vf_transpose_groups(r);
      for (int i = 0; i < 4; i++) vf_store(out + (d + (size_t)i) * padded, r[i]);
    }
    for (; d < args->dim; d++)
      for (size_t i = 0; i < VF_LANES; i++) out[d * padded + i] = rows[i][d];
  }
}

void CK_NAME(attention)(const ck_attention *args) {
  const ck_attention a = *args;
  const size_t padded = attention_padded(a.keys);
  const size_t filled = (a.keys + VF_LANES - 1) / VF_LANES * VF_LANES;
  const float scales[attention_rows] = {a.scale, a.scale, a.scale, a.scale, a.scale, a.scale};
  float *scores = a.scratch, *transposed = scores + attention_rows * padded;
  /* Transposing costs a pass over k, which so few queries would not repay. */
  const int few = a.queries <= 2 || a.keys == 0;
  if (!few) transpose_keys(args, filled, transposed, padded);
  for (size_t i = 0; i < a.queries; i += attention_rows) {
    const size_t rows = a.queries - i < attention_rows ? a.queries - i : attention_rows;
    const float *q = a.q + i * a.ldq;
    if (few)
      for (size_t r = 0; r < rows; r++)
        CK_NAME(gemv)(a.k, a.ldk, a.keys, a.dim, q + r * a.ldq, NULL, scores + r * padded);
    else
      product(q, a.ldq, transposed, padded, a.dim, rows, filled, scales, scores, padded);
    float inverse[attention_rows];
    for (size_t r = 0; r < rows; r++) {
      float *line = scores + r * padded;
      float sum = few ? exp_row(line, a.keys, a.scale) : exp_filled_row(line, a.keys, filled);
      inverse[r] = a.keys ? 1 / sum : 0;
    }
    product(scores, padded, a.v, a.ldv, a.keys, rows, a.dim, inverse, a.out + i * a.ldo, a.ldo);
  }
}

CK_TARGET_END
