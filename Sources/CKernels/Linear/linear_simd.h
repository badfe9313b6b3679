/* What the int8 matrix products of all SIMD instruction sets share: the walk over tiles and the float
 * epilogue. The including file defines
 *
 *   LINEAR_ROWS, LINEAR_BLOCKS   the tile that fills the registers
 *   linear_sums(p, row, block, rows, blocks, ahead, sums)
 *       the int32 sums of a tile, sums[r][v] those of row + r in the channels VF_LANES v ... of the blocks
 *       from `block` on; rows in 1...LINEAR_ROWS and blocks 1 or LINEAR_BLOCKS are constants once it is
 *       inlined, so that the sums stay in registers up to the epilogue. Meanwhile `ahead`, the address of
 *       a block, is fetched into the second-level cache.
 *
 *
 * A network's weights do not fit the caches: the panel that comes next is fetched while this one is
 * multiplied, else the first rows of every panel wait for memory.
 */
#include "../Vector/vector.h"

enum { block_vectors = 16 / VF_LANES };

CK_TARGET_BEGIN

CK_INLINE void linear_sums(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           const int8_t *ahead, vi *sums);

CK_INLINE void linear_fetch(const int8_t *address) { __builtin_prefetch(address, 0, 2); }

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

CK_INLINE void linear_tile(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           const int8_t *ahead) {
  vi sums[LINEAR_ROWS * LINEAR_BLOCKS * block_vectors];
  float raw[LINEAR_ROWS * 16 * LINEAR_BLOCKS];
  const size_t first = 16 * block, whole = first + 16 * (size_t)blocks;
  const linear_target target = {p->out + row * p->ldo + first, p->ldo,
                                p->residual ? p->residual + row * p->ldr + first : NULL};
  linear_sums(p, row, block, rows, blocks, ahead, sums);
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

/* A tile of 1 ... LINEAR_ROWS rows. */
CK_INLINE void linear_rows(const ck_linear_u8s8 *p, size_t row, size_t block, size_t rows, int blocks,
                           const int8_t *ahead) {
  switch (rows) {
  case 1: linear_tile(p, row, block, 1, blocks, ahead); break;
#if LINEAR_ROWS > 2
  case 2: linear_tile(p, row, block, 2, blocks, ahead); break;
#endif
#if LINEAR_ROWS > 3
  case 3: linear_tile(p, row, block, 3, blocks, ahead); break;
#endif
#if LINEAR_ROWS > 4
  case 4: linear_tile(p, row, block, 4, blocks, ahead); break;
#endif
#if LINEAR_ROWS > 5
  case 5: linear_tile(p, row, block, 5, blocks, ahead); break;
#endif
  default: linear_tile(p, row, block, LINEAR_ROWS, blocks, ahead); break;
  }
}

/* Fetches rows that another core may have written last into the first-level cache. */
CK_INLINE void linear_fetch_rows(const ck_linear_u8s8 *p, size_t row, size_t rows) {
  if (row + rows > p->rows) rows = p->rows - row;
  for (size_t r = row; r < row + rows; r++)
    for (size_t k = 0; k < p->depth; k += 64) __builtin_prefetch(p->a + r * p->lda + k, 0, 3);
}

/* Fetches what the epilogue reads beside the sums: it would wait for memory in every panel. */
CK_INLINE void linear_fetch_channels(const ck_linear_u8s8 *p, size_t block, int blocks) {
  for (size_t c = 16 * block; c < 16 * (block + (size_t)blocks); c += 16) {
    __builtin_prefetch(p->w_scale + c, 0, 3);
    __builtin_prefetch(p->w_colsum + c, 0, 3);
    if (p->bias) __builtin_prefetch(p->bias + c, 0, 3);
  }
}

/* A panel of weights stays in the cache while all rows pass over it, in tiles of nearly the same height: a
 * low one would wait for the weights' loads and the products' latency. next: the panel that follows. */
static void linear_panel(const ck_linear_u8s8 *p, size_t block, int blocks, const int8_t *next) {
  const size_t tiles = (p->rows + LINEAR_ROWS - 1) / LINEAR_ROWS;
  linear_fetch_channels(p, block, blocks);
  for (size_t tile = 0, row = 0; tile < tiles; tile++) {
    const size_t left = tiles - tile, rows = (p->rows - row + left - 1) / left;
    if (block == p->block_begin && left > 1) linear_fetch_rows(p, row + rows, rows);
    /* The first tiles fetch a block of the next panel each; the later ones have nothing to do. Where there
     * is no such block nothing happens: fetching is only a hint and faults nowhere. */
    const int8_t *ahead = tile < (size_t)blocks ? next + tile * 16 * p->depth : p->w + block * 16 * p->depth;
    if (blocks == LINEAR_BLOCKS)
      linear_rows(p, row, block, rows, LINEAR_BLOCKS, ahead);
    else
      linear_rows(p, row, block, rows, 1, ahead);
    row += rows;
  }
}

void CK_NAME(linear_u8s8)(const ck_linear_u8s8 *args) {
  const size_t all = (args->columns + 15) / 16;
  const size_t end = args->block_end < all ? args->block_end : all;
  const size_t whole = args->columns / 16 < end ? args->columns / 16 : end;
  for (size_t block = args->block_begin; block < end;) {
    const int blocks = block + LINEAR_BLOCKS <= whole ? LINEAR_BLOCKS : 1;
    const size_t following = block + (size_t)blocks;
    const int8_t *next = following < end || args->next == NULL ? args->w + following * 16 * args->depth : args->next;
    if (blocks == LINEAR_BLOCKS)
      linear_panel(args, block, LINEAR_BLOCKS, next);
    else
      linear_panel(args, block, 1, next);
    block = following;
  }
}

CK_TARGET_END
