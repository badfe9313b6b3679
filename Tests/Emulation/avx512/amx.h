/* The tile registers of AMX in portable C: operations on eight arrays, written from Intel's Intrinsics Guide. */
#include <stdlib.h>

static struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_shapes;
static uint8_t tiles[8][16][64];

static inline void _tile_loadconfig(const void *configuration) {
  memcpy(&tile_shapes, configuration, sizeof tile_shapes);
  memset(tiles, 0, sizeof tiles);
  for (int tile = 0; tile < 8; tile++)
    if (tile_shapes.palette != 1 || tile_shapes.rows[tile] > 16 || tile_shapes.row_bytes[tile] > 64) abort();
}
static inline void _tile_release(void) { memset(&tile_shapes, 0, sizeof tile_shapes); }

/* Real tiles fault without a configuration. */
static inline int tile_rows_of(int tile) {
  if (tile_shapes.palette == 0) abort();
  return tile_shapes.rows[tile];
}
static inline void _tile_zero(int tile) {
  tile_rows_of(tile);
  memset(tiles[tile], 0, sizeof tiles[tile]);
}
static inline void _tile_loadd(int tile, const void *base, size_t stride) {
  memset(tiles[tile], 0, sizeof tiles[tile]);
  for (int row = 0; row < tile_rows_of(tile); row++)
    memcpy(tiles[tile][row], (const uint8_t *)base + (size_t)row * stride, tile_shapes.row_bytes[tile]);
}
static inline void _tile_stream_loadd(int tile, const void *base, size_t stride) { _tile_loadd(tile, base, stride); }
static inline void _tile_stored(int tile, void *base, size_t stride) {
  for (int row = 0; row < tile_rows_of(tile); row++)
    memcpy((uint8_t *)base + (size_t)row * stride, tiles[tile][row], tile_shapes.row_bytes[tile]);
}

/* Real products fault where the shapes do not fit. */
static inline void tiles_fit(int sum, int a, int b) {
  if (tile_rows_of(sum) != tile_rows_of(a) || tile_shapes.row_bytes[a] / 4 != tile_rows_of(b) ||
      tile_shapes.row_bytes[sum] != tile_shapes.row_bytes[b])
    abort();
}

/* sum[row, column] += a[row, 4 k + i] b[k, 4 column + i], bytes without and with a sign. */
static inline void _tile_dpbusd(int sum, int a, int b) {
  tiles_fit(sum, a, b);
  for (int row = 0; row < tile_rows_of(sum); row++)
    for (int column = 0; column < tile_shapes.row_bytes[sum] / 4; column++) {
      int32_t total;
      memcpy(&total, &tiles[sum][row][4 * column], sizeof total);
      for (int k = 0; k < tile_shapes.rows[b]; k++)
        for (int i = 0; i < 4; i++)
          total += tiles[a][row][4 * k + i] * (int8_t)tiles[b][k][4 * column + i];
      memcpy(&tiles[sum][row][4 * column], &total, sizeof total);
    }
}

static inline float tile_bf16(const uint8_t *p) {
  uint32_t bits = (uint32_t)(p[0] | p[1] << 8) << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return fabsf(x) < 0x1p-126f ? 0 : x;
}

/* sum[row, column] += a[row, 2 k + i] b[k, 2 column + i], bfloat16 with float32 sums. */
static inline void _tile_dpbf16ps(int sum, int a, int b) {
  tiles_fit(sum, a, b);
  for (int row = 0; row < tile_rows_of(sum); row++)
    for (int column = 0; column < tile_shapes.row_bytes[sum] / 4; column++) {
      float total;
      memcpy(&total, &tiles[sum][row][4 * column], sizeof total);
      for (int k = 0; k < tile_shapes.rows[b]; k++)
        for (int i = 0; i < 2; i++)
          total += tile_bf16(&tiles[a][row][2 * (2 * k + i)]) * tile_bf16(&tiles[b][k][2 * (2 * column + i)]);
      memcpy(&tiles[sum][row][4 * column], &total, sizeof total);
    }
}
