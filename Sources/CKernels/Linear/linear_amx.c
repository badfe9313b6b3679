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
  row_bytes = 48 << 10,    /* that the first-level cache holds */
  group_bytes = 512 << 10, /* of weights that stay in the second beside the rows */
};

/* The rows in tiles of one height, which is configured once. The last begins before the end of the one before it if it
 * would pass the end of the rows: some sums are computed twice. */
typedef struct linear_tiling {
  size_t count;
  size_t height;
} linear_tiling;

/* The sums of the rows from `first` on in a panel, [rows, blocks, 16]; of them the rows `row` ..< `end` are still to be
 * written. */
typedef struct linear_result {
  size_t block;
  size_t first;
  size_t row;
  size_t end;
  vi sums[2 * amx_rows * LINEAR_BLOCKS];
} linear_result;

/* Writes the next rows of a result, if there are any. */
CK_INLINE void linear_write(const ck_linear_u8s8 *p, linear_result *result, int blocks) {
  const vi *sums = result->sums + (result->row - result->first) * (size_t)blocks;
  if (result->row + LINEAR_ROWS <= result->end) {
    linear_finish(p, result->row, result->block, LINEAR_ROWS, blocks, sums);
    result->row += LINEAR_ROWS;
  } else if (result->row < result->end) {
    linear_finish(p, result->row, result->block, 1, blocks, sums);
    result->row++;
  }
}
static __attribute__((noinline)) void linear_write_single(const ck_linear_u8s8 *p, linear_result *result) {
  linear_write(p, result, 1);
}
static __attribute__((noinline)) void linear_write_pair(const ck_linear_u8s8 *p, linear_result *result) {
  linear_write(p, result, 2);
}

CK_INLINE void linear_write_some(const ck_linear_u8s8 *p, linear_result *result, int blocks) {
  if (blocks == 2)
    linear_write_pair(p, result);
  else
    linear_write_single(p, result);
}

/* One pass over the depth: 1 or 2 tiles of rows, of which the second begins `distance` rows behind the first, by a
 * panel of 1 or 2 blocks. */
typedef struct linear_pass {
  const uint8_t *rows;
  size_t distance;
  const int8_t *weights;
  /* What is fetched meanwhile, `lines` cache lines at each of the steps along the depth. */
  const int8_t *ahead;
  size_t lines;
} linear_pass;

/* Tiles 0 to 3 hold the sums of tile of rows i and block b in 2 i + b, 4 and 5 inputs, 6 and 7 weights. The result
 * before this one is written meanwhile: the tiles' products and other instructions run beside each other, but do not
 * find each other from afar. */
CK_INLINE void linear_sums(const ck_linear_u8s8 *p, linear_pass pass, int tiles, int blocks,
                           vi *sums, linear_result *before) {
  _tile_zero(0);
  if (blocks > 1) _tile_zero(1);
  if (tiles > 1) _tile_zero(2);
  if (tiles > 1 && blocks > 1) _tile_zero(3);
  const uint8_t *first = pass.rows, *second = pass.rows + pass.distance * p->lda;
  const int8_t *w = pass.weights, *ahead = pass.ahead;
  for (size_t k = 0; k < p->depth; k += amx_bytes, w += weights_tile) {
    _tile_loadd(4, first + k, p->lda);
    _tile_stream_loadd(6, w, amx_bytes);
    _tile_dpbusd(0, 4, 6);
    if (blocks > 1) {
      _tile_stream_loadd(7, w + 16 * p->depth, amx_bytes);
      _tile_dpbusd(1, 4, 7);
    }
    for (size_t line = 0; line < pass.lines; line++, ahead += cache_line) linear_fetch(ahead);
    if (tiles > 1) {
      _tile_loadd(5, second + k, p->lda);
      _tile_dpbusd(2, 5, 6);
      if (blocks > 1) _tile_dpbusd(3, 5, 7);
    }
    if (before->row < before->end) linear_write_some(p, before, blocks);
  }
  while (before->row < before->end) linear_write_some(p, before, blocks);
  const size_t stride = (size_t)blocks * sizeof(vi);
  _tile_stored(0, sums, stride);
  if (blocks > 1) _tile_stored(1, sums + 1, stride);
  /* What both tiles have summed is the same. */
  sums += pass.distance * (size_t)blocks;
  if (tiles > 1) _tile_stored(2, sums, stride);
  if (tiles > 1 && blocks > 1) _tile_stored(3, sums + 1, stride);
}

static inline size_t linear_first_row(const ck_linear_u8s8 *p, linear_tiling tiling, size_t tile) {
  const size_t last = p->rows - tiling.height;
  return tile * tiling.height < last ? tile * tiling.height : last;
}

/* A part of a product: panels of one number of blocks, 1 or 2, which pass over the first rows together, then over the
 * next: the rows of a pass stay in the first-level cache and the panels, contiguous, come from the second. */
typedef struct linear_group {
  size_t block;
  size_t panels;
  const int8_t *next; /* what follows */
} linear_group;

CK_INLINE linear_result *linear_multiply_group(const ck_linear_u8s8 *p, linear_tiling tiling, linear_group group,
                                               int blocks, linear_result *result, linear_result *other) {
  const size_t passes = (tiling.count + 1) / 2, steps = p->depth / amx_bytes;
  const size_t lines = (LINEAR_BLOCKS * weights_tile / cache_line + passes - 1) / passes;
  const int8_t *ahead = group.next;
  for (size_t i = 0; i < passes; i++) {
    const size_t tile = 2 * i, first = linear_first_row(p, tiling, tile);
    if (group.block == p->block_begin) linear_fetch_rows(p, first + 2 * tiling.height, 2 * tiling.height);
    for (size_t panel = 0; panel < group.panels; panel++, ahead += steps * lines * cache_line) {
      linear_result *before = result;
      result = other;
      other = before;
      result->block = group.block + panel * (size_t)blocks;
      result->first = first;
      result->row = tile * tiling.height;
      const linear_pass pass = {.rows = p->a + first * p->lda,
                                .distance = linear_first_row(p, tiling, tile + 1) - first,
                                .weights = p->w + result->block * 16 * p->depth, .ahead = ahead, .lines = lines};
      if (i == 0) linear_fetch_channels(p, result->block, blocks);
      if (tile + 1 < tiling.count)
        linear_sums(p, pass, 2, blocks, result->sums, before);
      else
        linear_sums(p, pass, 1, blocks, result->sums, before);
      result->end = first + pass.distance + tiling.height;
    }
  }
  return result;
}

/* Panels of one number of blocks, from `block` to before `end`. */
CK_INLINE void linear_multiply(const ck_linear_u8s8 *p, linear_tiling tiling, size_t block, size_t end, int blocks) {
  linear_result results[2], *result = results;
  result->row = result->end = 0;
  /* Of rows that all stay in the first-level cache no order is better than one panel after the other. */
  const size_t panel_bytes = (size_t)blocks * 16 * p->depth;
  const int reuses = p->rows * p->depth > row_bytes && 2 * amx_rows * p->depth <= row_bytes;
  const size_t most = reuses ? group_bytes / panel_bytes : 1;
  while (block < end) {
    const size_t left = (end - block) / (size_t)blocks;
    linear_group group = {.block = block, .panels = left < most ? left : most};
    block += group.panels * (size_t)blocks;
    group.next = linear_next(p, block);
    result = linear_multiply_group(p, tiling, group, blocks, result, result == results ? results + 1 : results);
  }
  while (result->row < result->end) linear_write_some(p, result, blocks);
}

void ck_linear_u8s8_amx(const ck_linear_u8s8 *p) {
  /* Patches of 14 pixels have a depth that is no multiple of a tile's; few rows leave the tiles nearly empty. */
  if (p->depth % amx_bytes != 0 || p->depth == 0 || p->rows < 4 || p->block_begin >= linear_whole_end(p)) {
    ck_linear_u8s8_avx512vnni(p);
    return;
  }
  linear_tiling tiling = {.count = (p->rows + amx_rows - 1) / amx_rows};
  tiling.height = (p->rows + tiling.count - 1) / tiling.count;
  amx_configure(tiling.height);
  const size_t pairs = (linear_whole_end(p) - p->block_begin) / 2 * 2;
  linear_multiply(p, tiling, p->block_begin, p->block_begin + pairs, 2);
  linear_multiply(p, tiling, p->block_begin + pairs, linear_end(p), 1);
  _tile_release();
}

CK_TARGET_END
#endif
