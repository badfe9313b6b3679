/* The tile registers of AMX, as every product here uses them: 0 to 3 hold sums, 4 and 5 rows, 6 and 7 columns. */
#ifndef CK_VECTOR_AMX_H
#define CK_VECTOR_AMX_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum {
  amx_rows = 16,  /* of a tile, at most */
  amx_bytes = 64, /* of a row of a tile */
};

CK_TARGET_BEGIN

/* Tiles of rows and of sums have `height` rows, tiles of columns 16; all are 64 bytes wide. Ends with _tile_release,
 * without which every later switch of threads would save the tiles. */
static inline void amx_configure(size_t height) {
  /* Palette 1 of Intel's manual. */
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } configuration = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) {
    configuration.row_bytes[tile] = amx_bytes;
    configuration.rows[tile] = (uint8_t)(tile < 6 ? height : amx_rows);
  }
  _tile_loadconfig(&configuration);
}

CK_TARGET_END

#endif
