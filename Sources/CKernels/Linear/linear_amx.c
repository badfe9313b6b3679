/* The int8 product on the tile registers of AMX. A tile of weights, 64 inputs by 16 channels, is 1 KB as it lies in
 * a block; of inputs, up to 16 rows of 64 bytes are loaded as they lie. */
#if defined(__x86_64__)
#define CK_ISA amx
#define CK_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,amx-tile,amx-int8"
#include "../Vector/avx512.h"

/* What the epilogue takes at a time. */
#define LINEAR_ROWS 4
#define LINEAR_BLOCKS 2
#include "linear_epilogue.h"
#include "linear_panel.h"

#include "../Vector/amx.h"

CK_TARGET_BEGIN

enum {
  weights_tile = 16 * amx_bytes, /* bytes */
  cache_line = 64,
};

/* One pass over the depth: up to 2 tiles of rows by up to 2 blocks of channels. */
typedef struct linear_pass {
  const uint8_t *rows[2];
  const int8_t *weights;
  /* What is fetched meanwhile, `lines` cache lines at each of the steps along the depth. */
  const int8_t *ahead;
  size_t lines;
} linear_pass;

/* Which operand passes through the first-level cache and leaves the other there. */
typedef enum linear_stream { STREAM_ROWS, STREAM_WEIGHTS } linear_stream;

#define LINEAR_LOAD(tile, streams, address, stride)                                                  \
  ((streams) ? _tile_stream_loadd(tile, address, stride) : _tile_loadd(tile, address, stride))

/* Tiles 0 to 3 hold the sums of tile of rows i and block b in 2 i + b, 4 and 5 inputs, 6 and 7 weights. sums: those of
 * the first tile's rows, [height, blocks, 16], then of the second's. */
CK_INLINE void linear_sums(const ck_linear_u8s8 *p, linear_pass pass, linear_stream stream, int tiles, int blocks,
                           size_t height, vi *sums) {
  _tile_zero(0);
  if (blocks > 1) _tile_zero(1);
  if (tiles > 1) _tile_zero(2);
  if (tiles > 1 && blocks > 1) _tile_zero(3);
  const int8_t *w = pass.weights, *ahead = pass.ahead;
  for (size_t k = 0; k < p->depth; k += amx_bytes, w += weights_tile) {
    LINEAR_LOAD(4, stream == STREAM_ROWS, pass.rows[0] + k, p->lda);
    LINEAR_LOAD(6, stream == STREAM_WEIGHTS, w, amx_bytes);
    _tile_dpbusd(0, 4, 6);
    if (blocks > 1) {
      LINEAR_LOAD(7, stream == STREAM_WEIGHTS, w + 16 * p->depth, amx_bytes);
      _tile_dpbusd(1, 4, 7);
    }
    for (size_t line = 0; line < pass.lines; line++, ahead += cache_line) linear_fetch(ahead);
    if (tiles > 1) {
      LINEAR_LOAD(5, stream == STREAM_ROWS, pass.rows[1] + k, p->lda);
      _tile_dpbusd(2, 5, 6);
      if (blocks > 1) _tile_dpbusd(3, 5, 7);
    }
  }
  const size_t stride = (size_t)blocks * sizeof(vi);
  _tile_stored(0, sums, stride);
  if (blocks > 1) _tile_stored(1, sums + 1, stride);
  sums += height * (size_t)blocks;
  if (tiles > 1) _tile_stored(2, sums, stride);
  if (tiles > 1 && blocks > 1) _tile_stored(3, sums + 1, stride);
}

/* Writes the rows begin ..< end of which sums has the first. */
CK_INLINE void linear_finish_rows(const ck_linear_u8s8 *p, size_t begin, size_t end, size_t block, int blocks,
                                  const vi *sums) {
  size_t row = begin;
  for (; row + LINEAR_ROWS <= end; row += LINEAR_ROWS)
    linear_finish(p, row, block, LINEAR_ROWS, blocks, sums + (row - begin) * (size_t)blocks);
  for (; row < end; row++) linear_finish(p, row, block, 1, blocks, sums + (row - begin) * (size_t)blocks);
}

/* The rows in tiles of one height, which is configured once; the last begins before the end of the one before it if
 * it would pass the end of the rows, and what it computes twice is written once. */
typedef struct linear_tiling {
  size_t count;
  size_t height;
} linear_tiling;

static inline size_t linear_first_row(const ck_linear_u8s8 *p, linear_tiling tiling, size_t tile) {
  const size_t last = p->rows - tiling.height;
  return tile * tiling.height < last ? tile * tiling.height : last;
}

/* A panel of weights, one or two blocks, by all rows. next: the panel that follows. */
CK_INLINE void linear_panel(const ck_linear_u8s8 *p, linear_tiling tiling, linear_stream stream, size_t block,
                            int blocks, const int8_t *next) {
  vi sums[2 * amx_rows * LINEAR_BLOCKS];
  const size_t passes = (tiling.count + 1) / 2, steps = p->depth / amx_bytes;
  const size_t lines = (LINEAR_BLOCKS * weights_tile / cache_line + passes - 1) / passes;
  linear_fetch_channels(p, block, blocks);
  for (size_t i = 0; i < passes; i++) {
    const size_t tile = 2 * i, tiles = tile + 1 < tiling.count ? 2 : 1;
    size_t first[2], begin = tile * tiling.height;
    linear_pass pass = {.weights = p->w + block * 16 * p->depth, .ahead = next + i * steps * lines * cache_line,
                        .lines = lines};
    for (size_t t = 0; t < tiles; t++) {
      first[t] = linear_first_row(p, tiling, tile + t);
      pass.rows[t] = p->a + first[t] * p->lda;
    }
    if (block == p->block_begin) linear_fetch_rows(p, begin + 2 * tiling.height, 2 * tiling.height);
    if (tiles == 2)
      linear_sums(p, pass, stream, 2, blocks, tiling.height, sums);
    else
      linear_sums(p, pass, stream, 1, blocks, tiling.height, sums);
    for (size_t t = 0; t < tiles; t++, begin += tiling.height) {
      const vi *part = sums + (t * tiling.height + begin - first[t]) * (size_t)blocks;
      linear_finish_rows(p, begin, first[t] + tiling.height, block, blocks, part);
    }
  }
}

CK_INLINE void linear_panels(const ck_linear_u8s8 *p, linear_tiling tiling, linear_stream stream) {
  for (size_t block = p->block_begin, end = linear_end(p); block < end;) {
    const linear_weights panel = linear_weights_from(p, block);
    if (panel.blocks == LINEAR_BLOCKS)
      linear_panel(p, tiling, stream, block, LINEAR_BLOCKS, panel.next);
    else
      linear_panel(p, tiling, stream, block, 1, panel.next);
    block = panel.end;
  }
}

void ck_linear_u8s8_amx(const ck_linear_u8s8 *p) {
  /* Patches of 14 pixels have a depth that is no multiple of a tile's; few rows leave the tiles nearly empty. */
  if (p->depth % amx_bytes != 0 || p->depth == 0 || p->rows < 4) {
    ck_linear_u8s8_avx512vnni(p);
    return;
  }
  linear_tiling tiling = {.count = (p->rows + amx_rows - 1) / amx_rows};
  tiling.height = (p->rows + tiling.count - 1) / tiling.count;
  amx_configure(tiling.height);
  /* The first-level cache has 48 KB: all rows, or else a panel and a pass's rows. */
  if (p->rows * p->depth > 48 << 10 && LINEAR_BLOCKS * 16 * p->depth <= 24 << 10)
    linear_panels(p, tiling, STREAM_ROWS);
  else
    linear_panels(p, tiling, STREAM_WEIGHTS);
  _tile_release();
}

CK_TARGET_END
#endif
