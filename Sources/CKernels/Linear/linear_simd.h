/* The walk over tiles of the int8 matrix products on instruction sets that multiply the bytes as they lie. The
 * including file defines
 *
 *   LINEAR_ROWS, LINEAR_BLOCKS   the tile that fills the registers
 *   linear_sums(p, row, block, rows, blocks, ahead, sums)
 *       the int32 sums of a tile, sums[r][v] those of row + r in the channels VF_LANES v ... of the blocks
 *       from `block` on; rows in 1...LINEAR_ROWS and blocks 1 or LINEAR_BLOCKS are constants once it is
 *       inlined, so that the sums stay in registers up to the epilogue. Meanwhile `ahead`, the address of
 *       a block, is fetched into the second-level cache.
 *
 * A network's weights do not fit the caches: the panel that comes next is fetched while this one is
 * multiplied, else the first rows of every panel wait for memory.
 */
#include "linear_epilogue.h"

CK_TARGET_BEGIN

CK_INLINE void linear_sums(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           const int8_t *ahead, vi *sums);

CK_INLINE void linear_fetch(const int8_t *address) { __builtin_prefetch(address, 0, 2); }

CK_INLINE void linear_tile(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           const int8_t *ahead) {
  vi sums[LINEAR_ROWS * LINEAR_BLOCKS * block_vectors];
  linear_sums(p, row, block, rows, blocks, ahead, sums);
  linear_finish(p, row, block, rows, blocks, sums);
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
