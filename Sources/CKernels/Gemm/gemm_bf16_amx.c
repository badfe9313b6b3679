/* gemm_bf16 on the tile registers of AMX. A tile of a is 16 rows by 32 places of the depth, a tile of b 16 pairs of
 * places by 16 columns, both 1 KB. Both operands are packed into such tiles, one after the other along the depth; the
 * sums stay in tiles and are added to out as they are loaded from it and stored. The blocks are those of Goto and van
 * de Geijn (see gemm_bf16_simd.h): a panel of b stays in the first-level cache, the block of a in the second. */
#if defined(__x86_64__)
#define CK_ISA amx
#define CK_FEATURES "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,fma,amx-tile,amx-bf16"
#include "../Vector/avx512.h"
#include "../Vector/vector.h"

#include "../Vector/amx.h"

CK_TARGET_BEGIN

enum {
  gemm_lines = 16, /* rows of a or columns of b in a tile */
  gemm_places = 32, /* of the depth in a tile */
  gemm_tile = 1 << 10, /* bytes */
  gemm_depth = 384,
  gemm_panel = gemm_depth / gemm_places * gemm_tile, /* of one tile's lines */
  gemm_rows = 512,
};
_Static_assert((gemm_rows / gemm_lines + 2) * gemm_panel <= ck_gemm_scratch, "a block of a and a panel of b fit");

/* Transposes 16 registers of 16 words. */
CK_INLINE void gemm_transpose(__m512i *r) {
  __m512i t[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 4)
#pragma clang loop unroll(full)
    for (int j = 0; j < 2; j++) {
      r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
      r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
    }
  /* Now r[4 g + c] has, in its four parts of 128 bits p, word 4 p + c of the rows 4 g ... 4 g + 3. */
#pragma clang loop unroll(full)
  for (int c = 0; c < 4; c++) {
    t[c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
    t[4 + c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
    t[8 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    t[12 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
  }
#pragma clang loop unroll(full)
  for (int c = 0; c < 4; c++) {
    r[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
    r[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
    r[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
    r[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
  }
}

/* Up to 16 numbers, the others 0. */
CK_INLINE vf gemm_load(const float *x, size_t begin, size_t end) {
  return begin < end ? vf_load_some(x + begin, end - begin) : vf_zero();
}

/* 32 numbers rounded to nearest even, `low` in the low half. */
CK_INLINE __m512i gemm_rounded(vf low, vf high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

/* Packs one tile: 16 lines, of which `lines` are there, of 32 places, of which `places` are; the rest is 0. x[line, k]
 * if lines are rows of memory, else x[k, line]. To the tile of a go lines of places, to that of b pairs of places of
 * lines: one is the other transposed. */
CK_INLINE void gemm_pack_tile(const float *x, size_t ldx, int are_rows, int to_rows, size_t lines, size_t places,
                              uint8_t *packed) {
  __m512i r[gemm_lines];
  if (are_rows) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < gemm_lines; i++)
      r[i] = i < lines ? gemm_rounded(gemm_load(x + i * ldx, 0, places), gemm_load(x + i * ldx, 16, places))
                       : _mm512_setzero_si512();
  } else {
    /* The words of two places, one behind the other, become pairs. */
    const __m512i pairs = _mm512_add_epi32(
        _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                           _mm512_set1_epi32(0x10001)),
        _mm512_set1_epi32(0x100000));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < gemm_places / 2; i++) {
      vf first = 2 * i < places ? gemm_load(x + 2 * i * ldx, 0, lines) : vf_zero();
      vf second = 2 * i + 1 < places ? gemm_load(x + (2 * i + 1) * ldx, 0, lines) : vf_zero();
      r[i] = _mm512_permutexvar_epi16(pairs, gemm_rounded(first, second));
    }
  }
  if (are_rows != to_rows) gemm_transpose(r);
#pragma clang loop unroll(full)
  for (int i = 0; i < gemm_lines; i++) _mm512_store_si512(packed + amx_bytes * i, r[i]);
}

/* Packs `lines` lines of `depth` numbers, x[line, k] or x[k, line], in panels of 16 lines. */
CK_INLINE void gemm_pack(const float *x, size_t ldx, int are_rows, int to_rows, size_t lines, size_t depth,
                         uint8_t *packed) {
  for (size_t line = 0; line < lines; line += gemm_lines, packed += gemm_panel) {
    const float *start = are_rows ? x + line * ldx : x + line;
    uint8_t *tile = packed;
    for (size_t k = 0; k < depth; k += gemm_places, tile += gemm_tile) {
      const float *from = are_rows ? start + k : start + k * ldx;
      const size_t left = lines - line, places = depth - k;
      if (left >= gemm_lines && places >= gemm_places)
        gemm_pack_tile(from, ldx, are_rows, to_rows, gemm_lines, gemm_places, tile);
      else
        gemm_pack_tile(from, ldx, are_rows, to_rows, left, places, tile);
    }
  }
}

static void gemm_pack_a(const ck_gemm *p, size_t row, size_t rows, size_t k, size_t depth, uint8_t *packed) {
  if (p->transpose_a)
    gemm_pack(p->a + k * p->lda + row, p->lda, 0, 1, rows, depth, packed);
  else
    gemm_pack(p->a + row * p->lda + k, p->lda, 1, 1, rows, depth, packed);
}

static void gemm_pack_b(const ck_gemm *p, size_t column, size_t columns, size_t k, size_t depth, uint8_t *packed) {
  if (p->transpose_b)
    gemm_pack(p->b + column * p->ldb + k, p->ldb, 1, 0, columns, depth, packed);
  else
    gemm_pack(p->b + k * p->ldb + column, p->ldb, 0, 0, columns, depth, packed);
}

/* 32 by 32 sums over `steps` tiles of the depth, tiles 0 to 3; a and b have two panels each. */
CK_INLINE void gemm_add_products(const uint8_t *a, const uint8_t *b, size_t steps) {
  for (size_t step = 0; step < steps; step++, a += gemm_tile, b += gemm_tile) {
    _tile_stream_loadd(4, a, amx_bytes);
    _tile_loadd(6, b, amx_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + gemm_panel, amx_bytes);
    _tile_dpbf16ps(1, 4, 7);
    _tile_stream_loadd(5, a + gemm_panel, amx_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

CK_INLINE void gemm_load_sums(const float *out, size_t ldo) {
  const size_t stride = ldo * sizeof(float);
  _tile_loadd(0, out, stride);
  _tile_loadd(1, out + gemm_lines, stride);
  _tile_loadd(2, out + gemm_lines * ldo, stride);
  _tile_loadd(3, out + gemm_lines * ldo + gemm_lines, stride);
}

CK_INLINE void gemm_store_sums(float *out, size_t ldo) {
  const size_t stride = ldo * sizeof(float);
  _tile_stored(0, out, stride);
  _tile_stored(1, out + gemm_lines, stride);
  _tile_stored(2, out + gemm_lines * ldo, stride);
  _tile_stored(3, out + gemm_lines * ldo + gemm_lines, stride);
}

/* Copies a part of a square of 32 by 32. */
static void gemm_copy(const float *from, size_t ldf, size_t rows, size_t columns, float *to, size_t ldt) {
  for (size_t row = 0; row < rows; row++)
    for (size_t column = 0; column < columns; column += VF_LANES)
      vf_store_some(to + row * ldt + column, vf_load_some(from + row * ldf + column, columns - column),
                    columns - column);
}

/* A square of out, of which `rows` by `columns` are there. adds: to what is there. */
CK_INLINE void gemm_square(const uint8_t *a, const uint8_t *b, size_t steps, size_t rows, size_t columns, int adds,
                           float *out, size_t ldo) {
  enum { side = 2 * gemm_lines };
  float room[side * side];
  const int whole = rows >= side && columns >= side;
  if (!adds) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else if (whole) {
    gemm_load_sums(out, ldo);
  } else {
    gemm_copy(out, ldo, rows, columns, room, side);
    gemm_load_sums(room, side);
  }
  gemm_add_products(a, b, steps);
  if (whole) {
    gemm_store_sums(out, ldo);
  } else {
    gemm_store_sums(room, side);
    gemm_copy(room, side, rows, columns, out, ldo);
  }
}

CK_INLINE size_t gemm_least(size_t a, size_t b) { return a < b ? a : b; }

void ck_gemm_bf16_amx(const ck_gemm *p) {
  enum { side = 2 * gemm_lines };
  uint8_t *a = p->scratch, *b = a + gemm_rows / gemm_lines * gemm_panel;
  amx_configure(amx_rows);
  /* Of no depth one block as well: it sets what is not added to. */
  for (size_t k = 0; k == 0 || k < p->depth; k += gemm_depth) {
    const size_t depth = gemm_least(p->depth - k, gemm_depth), steps = (depth + gemm_places - 1) / gemm_places;
    for (size_t row = 0; row < p->rows; row += gemm_rows) {
      const size_t rows = gemm_least(p->rows - row, gemm_rows);
      gemm_pack_a(p, row, rows, k, depth, a);
      for (size_t column = 0; column < p->columns; column += side) {
        const size_t columns = gemm_least(p->columns - column, side);
        gemm_pack_b(p, column, columns, k, depth, b);
        float *out = p->out + row * p->ldo + column;
        for (size_t r = 0; r < rows; r += side)
          gemm_square(a + r / gemm_lines * gemm_panel, b, steps, gemm_least(rows - r, side), columns,
                      k > 0 || p->accumulates, out + r * p->ldo, p->ldo);
      }
    }
  }
  _tile_release();
}

CK_TARGET_END
#endif
