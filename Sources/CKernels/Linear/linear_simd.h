/* The walk over tiles of the int8 matrix products on instruction sets that multiply the bytes as they lie. The
 * including file defines
 *
 *   LINEAR_ROWS, LINEAR_BLOCKS   the tile that fills the registers
 *   linear_sums(p, row, block, rows, blocks, ahead, sums)
 *       the int32 sums of a tile, sums[r][v] those of row + r in the channels VF_LANES v ... of the blocks
 *       from `block` on; rows in 1...LINEAR_ROWS and blocks 1 or LINEAR_BLOCKS are constants once it is
 *       inlined, so that the sums stay in registers up to the epilogue. At each step of four inputs it fetches
 *       what lies `ahead`.
 */
#include "linear_epilogue.h"
#include "linear_panel.h"

CK_TARGET_BEGIN

/* What a tile fetches of the next panel: a line from `start` on, and `step` bytes further at each of its steps. */
typedef struct linear_ahead {
  const int8_t *start;
  size_t step;
} linear_ahead;

CK_INLINE void linear_sums(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           linear_ahead ahead, vi *sums);

CK_INLINE void linear_tile(const ck_linear_u8s8 *p, size_t row, size_t block, int rows, int blocks,
                           linear_ahead ahead) {
  vi sums[LINEAR_ROWS * LINEAR_BLOCKS * block_vectors];
  linear_sums(p, row, block, rows, blocks, ahead, sums);
  linear_finish(p, row, block, rows, blocks, sums);
}

/* A tile of 1 ... LINEAR_ROWS rows. */
CK_INLINE void linear_rows(const ck_linear_u8s8 *p, size_t row, size_t block, size_t rows, int blocks,
                           linear_ahead ahead) {
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

/* A panel of weights stays in the cache while all rows pass over it, in tiles of nearly the same height: a
 * low one would wait for the weights' loads and the products' latency. next: the panel that follows. */
static void linear_panel(const ck_linear_u8s8 *p, size_t block, int blocks, const int8_t *next) {
  const size_t tiles = (p->rows + LINEAR_ROWS - 1) / LINEAR_ROWS, steps = p->depth / 4;
  /* A step's 64 bytes of every block are shared by the tiles; a few tiles alone fetch no more than a line each. */
  const size_t share = (64 * (size_t)blocks + tiles - 1) / tiles;
  linear_ahead ahead = {next, share < 64 ? share : 64};
  linear_fetch_channels(p, block, blocks);
  for (size_t tile = 0, row = 0; tile < tiles; tile++) {
    const size_t left = tiles - tile, rows = (p->rows - row + left - 1) / left;
    if (block == p->block_begin && left > 1) linear_fetch_rows(p, row + rows, rows);
    if (blocks == LINEAR_BLOCKS)
      linear_rows(p, row, block, rows, LINEAR_BLOCKS, ahead);
    else
      linear_rows(p, row, block, rows, 1, ahead);
    row += rows;
    ahead.start += steps * ahead.step;
  }
}

void CK_NAME(linear_u8s8)(const ck_linear_u8s8 *args) {
  if (args->rows == 0) return;
  const size_t whole = linear_whole_end(args), end = linear_end(args);
  for (size_t block = args->block_begin; block < end;) {
    const int blocks = block + LINEAR_BLOCKS <= whole ? LINEAR_BLOCKS : 1;
    const int8_t *next = linear_next(args, block + (size_t)blocks);
    if (blocks == LINEAR_BLOCKS)
      linear_panel(args, block, LINEAR_BLOCKS, next);
    else
      linear_panel(args, block, 1, next);
    block += (size_t)blocks;
  }
}

CK_TARGET_END
