/* What the int8 matrix products of all SIMD instruction sets share: the walk over tiles and the float
 * epilogue. The including file defines
 *
 *   LINEAR_ROWS, LINEAR_BLOCKS   the tile that fills the registers
 *   linear_tile(p, row, block, rows, blocks, ahead, sums)
 *       sums[r][16 b + c] = sum_k a[row + r, k] w[16 (block + b) + c, k], int32; rows in
 *       1...LINEAR_ROWS and blocks 1 or LINEAR_BLOCKS are constants once it is inlined. Meanwhile
 *       `ahead`, the address of a block, is fetched into the second-level cache.
 *
 * A network's weights do not fit the caches: the panel that comes next is fetched while this one is
 * multiplied, else the first rows of every panel wait for memory.
 */
#include "../Vector/vector.h"

enum { linear_sums = LINEAR_BLOCKS * 16 /* of one row of a tile */ };

CK_TARGET_BEGIN

CK_INLINE void linear_tile(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           const int8_t *ahead, int32_t *sums);

CK_INLINE void linear_fetch(const int8_t *address) { __builtin_prefetch(address, 0, 2); }

/* The columns `first` ... `end` of a row of out, from their sums. */
CK_INLINE void linear_epilogue_as(const ck_linear_u8s8 *p, size_t row, size_t first, size_t end,
                                  const int32_t *sums, ck_activation activation) {
  const vf scale = vf_set1(p->a_scale[row]);
  const int32_t zero = p->a_zero[row];
  float *out = p->out + row * p->ldo;
  for (size_t c = first; c < end; c += VF_LANES) {
    size_t left = end - c;
    vf y = vf_dequantize(sums + (c - first), p->w_colsum + c, left < VF_LANES ? left : VF_LANES, zero);
    vf factor = vf_mul(scale, vf_load_some(p->w_scale + c, left));
    y = p->bias ? vf_fma(y, factor, vf_load_some(p->bias + c, left)) : vf_mul(y, factor);
    y = vf_activate(y, activation);
    if (p->residual) y = vf_add(y, vf_load_some(p->residual + row * p->ldr + c, left));
    vf_store_some(out + c, y, left);
  }
}

static void linear_epilogue(const ck_linear_u8s8 *p, size_t row, size_t first, size_t end,
                            const int32_t *sums) {
  switch (p->activation) {
  case CK_GELU: linear_epilogue_as(p, row, first, end, sums, CK_GELU); break;
  case CK_QUICK_GELU: linear_epilogue_as(p, row, first, end, sums, CK_QUICK_GELU); break;
  case CK_IDENTITY: linear_epilogue_as(p, row, first, end, sums, CK_IDENTITY); break;
  }
}

/* A tile of 1 ... LINEAR_ROWS rows. */
CK_INLINE void linear_rows(const ck_linear_u8s8 *p, size_t row, size_t block, size_t rows, int blocks,
                           const int8_t *ahead) {
  int32_t sums[LINEAR_ROWS * linear_sums];
  switch (rows) {
  case 1: linear_tile(p, row, block, 1, blocks, ahead, sums); break;
#if LINEAR_ROWS > 2
  case 2: linear_tile(p, row, block, 2, blocks, ahead, sums); break;
#endif
#if LINEAR_ROWS > 3
  case 3: linear_tile(p, row, block, 3, blocks, ahead, sums); break;
#endif
#if LINEAR_ROWS > 4
  case 4: linear_tile(p, row, block, 4, blocks, ahead, sums); break;
#endif
#if LINEAR_ROWS > 5
  case 5: linear_tile(p, row, block, 5, blocks, ahead, sums); break;
#endif
  default: linear_tile(p, row, block, LINEAR_ROWS, blocks, ahead, sums); break;
  }
  size_t first = 16 * block, end = first + 16 * (size_t)blocks;
  if (end > p->columns) end = p->columns;
  for (size_t r = 0; r < rows; r++) linear_epilogue(p, row + r, first, end, sums + r * linear_sums);
}

/* A panel of weights stays in the cache while all rows pass over it. */
static void linear_panel(const ck_linear_u8s8 *p, size_t block, int blocks) {
  for (size_t row = 0; row < p->rows; row += LINEAR_ROWS) {
    size_t rows = p->rows - row < LINEAR_ROWS ? p->rows - row : LINEAR_ROWS;
    /* The first tiles of a panel fetch a block of the next one each; the later ones have nothing to do.
     * Behind the last panel lies the next tensor, most likely the next to be multiplied by, or nothing:
     * fetching is only a hint and faults nowhere. */
    size_t tile = row / LINEAR_ROWS;
    const int8_t *ahead = p->w + (tile < (size_t)blocks ? block + (size_t)blocks + tile : block) * 16 * p->depth;
    if (blocks == LINEAR_BLOCKS)
      linear_rows(p, row, block, rows, LINEAR_BLOCKS, ahead);
    else
      linear_rows(p, row, block, rows, 1, ahead);
  }
}

void CK_NAME(linear_u8s8)(const ck_linear_u8s8 *args) {
  const size_t all = (args->columns + 15) / 16;
  const size_t end = args->block_end < all ? args->block_end : all;
  size_t block = args->block_begin;
  for (; block + LINEAR_BLOCKS <= end; block += LINEAR_BLOCKS) linear_panel(args, block, LINEAR_BLOCKS);
  for (; block < end; block++) linear_panel(args, block, 1);
}

CK_TARGET_END
