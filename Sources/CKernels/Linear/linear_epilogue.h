/* What becomes of a tile's int32 sums on every SIMD instruction set: scale, bias, activation and residual, in
 * float. The including file defines
 *
 *   LINEAR_ROWS, LINEAR_BLOCKS   the tile that fills the registers
 */
#include "../Vector/vector.h"

enum { block_vectors = 16 / VF_LANES };

CK_TARGET_BEGIN

/* Where the epilogue of a tile reads and writes: its first row and column. */
typedef struct linear_target {
  float *out;
  size_t ldo;
  const float *residual; /* or NULL */
} linear_target;

/* A tile's sums with scale, bias and residual. */
CK_INLINE void linear_store(const ck_linear_u8s8 *p, linear_target target, size_t row, size_t first,
                            int rows, int vectors, const vi *sums) {
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    const size_t c = first + (size_t)v * VF_LANES;
    const vi colsum = vi_load(p->w_colsum + c);
    const vf scale = vf_load(p->w_scale + c);
    const vf bias = p->bias ? vf_load(p->bias + c) : vf_zero();
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      const size_t i = (size_t)r;
      vf y = vf_dequantize(sums[r * vectors + v], colsum, p->a_zero[row + i]);
      y = vf_fma(y, vf_mul(scale, vf_set1(p->a_scale[row + i])), bias);
      if (target.residual) y = vf_add(y, vf_load(target.residual + i * p->ldr + c - first));
      vf_store(target.out + i * target.ldo + c - first, y);
    }
  }
}

/* The same for the last block, if it is not whole. */
CK_INLINE void linear_store_part(const ck_linear_u8s8 *p, linear_target target, size_t row, size_t first,
                                 int rows, const vi *sums) {
  for (int v = 0; v < block_vectors; v++) {
    const size_t c = first + (size_t)v * VF_LANES;
    if (c >= p->columns) break;
    const size_t left = p->columns - c;
    int32_t part[VF_LANES] = {0};
    for (size_t lane = 0; lane < VF_LANES && lane < left; lane++) part[lane] = p->w_colsum[c + lane];
    const vi colsum = vi_load(part);
    const vf scale = vf_load_some(p->w_scale + c, left);
    const vf bias = p->bias ? vf_load_some(p->bias + c, left) : vf_zero();
    for (int r = 0; r < rows; r++) {
      const size_t i = (size_t)r;
      vf y = vf_dequantize(sums[r * block_vectors + v], colsum, p->a_zero[row + i]);
      y = vf_fma(y, vf_mul(scale, vf_set1(p->a_scale[row + i])), bias);
      if (target.residual) y = vf_add(y, vf_load_some(target.residual + i * p->ldr + c - first, left));
      vf_store_some(target.out + i * target.ldo + c - first, y, left);
    }
  }
}

/* x activated and with the residual. */
CK_INLINE void linear_activate_as(const ck_linear_u8s8 *p, linear_target target, size_t rows,
                                  size_t columns, const float *x, ck_activation activation) {
  for (size_t i = 0; i < rows; i++)
    for (size_t c = 0; c < columns; c += VF_LANES) {
      const size_t left = columns - c;
      vf y = vf_activate(vf_load(x + i * 16 * LINEAR_BLOCKS + c), activation);
      if (target.residual) y = vf_add(y, vf_load_some(target.residual + i * p->ldr + c, left));
      vf_store_some(target.out + i * target.ldo + c, y, left);
    }
}

static void linear_activate(const ck_linear_u8s8 *p, linear_target target, size_t rows, size_t columns,
                            const float *x) {
  switch (p->activation) {
  case CK_GELU: linear_activate_as(p, target, rows, columns, x, CK_GELU); break;
  case CK_QUICK_GELU: linear_activate_as(p, target, rows, columns, x, CK_QUICK_GELU); break;
  case CK_IDENTITY: break;
  }
}

/* Writes the rows and blocks of a tile; sums[r * blocks * block_vectors + v] are those of row + r in the
 * channels v * VF_LANES ... of the blocks from `block` on. */
CK_INLINE void linear_finish(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                             const vi *sums) {
  float raw[LINEAR_ROWS * 16 * LINEAR_BLOCKS];
  const size_t first = 16 * block, whole = first + 16 * (size_t)blocks;
  const linear_target target = {p->out + row * p->ldo + first, p->ldo,
                                p->residual ? p->residual + row * p->ldr + first : NULL};
  /* What is activated is not written to out before: the residual may lie there. */
  const int activates = p->activation != CK_IDENTITY;
  const linear_target next = activates ? (linear_target){raw, 16 * LINEAR_BLOCKS, NULL} : target;
  if (whole <= p->columns)
    linear_store(p, next, row, first, rows, blocks * block_vectors, sums);
  else if (blocks == 1)
    linear_store_part(p, next, row, first, rows, sums);
  if (activates)
    linear_activate(p, target, (size_t)rows, (whole < p->columns ? whole : p->columns) - first, raw);
}

CK_TARGET_END
