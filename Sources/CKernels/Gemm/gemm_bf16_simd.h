/* gemm_bf16 in the vector vocabulary. Both operands are packed into panels of VF_LANES lines, rows of a or columns
 * of b, whose numbers for one place of the depth stand beside each other; a register tile is one part of a panel of a
 * by some panels of b. The blocks are those of Goto and van de Geijn, Anatomy of High-Performance Matrix
 * Multiplication, ACM TOMS 34 (3), 2008: the panels of b stay in the first-level cache, those of a in the second.
 *
 * A file of one ISA defines before this header
 *
 *   GEMM_ROWS, GEMM_VECTORS  rows of a register tile, a divisor of VF_LANES, and registers beside each other
 *
 * and, if it has products of pairs of bfloat16 (else they are those of floats that were rounded),
 *
 *   GEMM_PAIR_WORDS   32-bit words that two numbers of a line take in a panel: 1; by default 2
 *   gemm_store_pair   stores the numbers of all lines for two places of the depth
 *   gemm_add_product  sum + left * right of what the words hold
 */
#include "../Vector/vector.h"

CK_TARGET_BEGIN

#ifndef GEMM_PAIR_WORDS
#define GEMM_PAIR_WORDS 2
CK_INLINE void gemm_store_pair(float *packed, vf first, vf second) {
  vf_store(packed, vf_round_to_bf16(first));
  vf_store(packed + VF_LANES, vf_round_to_bf16(second));
}
CK_INLINE vf gemm_add_product(vf sum, vf left, vf right) { return vf_fma(left, right, sum); }
#endif

enum {
  gemm_columns = GEMM_VECTORS * VF_LANES,
  /* Words of a line: the panels of b that a tile reads are 24 KB, three quarters of the smallest first-level cache. */
  gemm_words = (24 << 10) / sizeof(float) / gemm_columns,
  gemm_depth = gemm_words * 2 / GEMM_PAIR_WORDS,
  gemm_panel = gemm_words * VF_LANES,
  /* Rows of a that are packed at a time. */
  gemm_rows = 128,
};
_Static_assert((gemm_rows + gemm_columns) * gemm_words * sizeof(float) <= ck_gemm_scratch, "the panels fit");
_Static_assert(VF_LANES % GEMM_ROWS == 0 && gemm_rows % VF_LANES == 0, "panels hold whole tiles");
_Static_assert(gemm_depth % 4 == 0, "gemm_pack_rows packs in fours");

CK_INLINE void gemm_store_four(float *packed, const float *const *rows, size_t offset) {
  vf r[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) r[i] = vf_load_groups(rows + i, offset);
  vf_transpose_groups(r);
  gemm_store_pair(packed, r[0], r[1]);
  gemm_store_pair(packed + GEMM_PAIR_WORDS * VF_LANES, r[2], r[3]);
}

/* Packs lines that are rows of memory, x[line, k]. Lines behind the last repeat it: nobody reads their products. */
static void gemm_pack_rows(const float *x, size_t ldx, size_t lines, size_t depth, float *packed) {
  const float *rows[VF_LANES];
  for (size_t i = 0; i < VF_LANES; i++) rows[i] = x + (i < lines ? i : lines - 1) * ldx;
  size_t k = 0;
  for (; k + 4 <= depth; k += 4) gemm_store_four(packed + k / 2 * GEMM_PAIR_WORDS * VF_LANES, rows, k);
  if (k == depth) return;
  float rest[VF_LANES][4] = {{0}};
  for (size_t i = 0; i < VF_LANES; i++) {
    for (size_t j = 0; j < depth - k; j++) rest[i][j] = rows[i][k + j];
    rows[i] = rest[i];
  }
  gemm_store_four(packed + k / 2 * GEMM_PAIR_WORDS * VF_LANES, rows, 0);
}

/* Packs lines that are columns of memory, x[k, line]. */
static void gemm_pack_columns(const float *x, size_t ldx, size_t lines, size_t depth, float *packed) {
  for (size_t k = 0; k < depth; k += 2, packed += GEMM_PAIR_WORDS * VF_LANES) {
    vf second = k + 1 < depth ? vf_load_some(x + (k + 1) * ldx, lines) : vf_zero();
    gemm_store_pair(packed, vf_load_some(x + k * ldx, lines), second);
  }
}

/* Packs `lines` lines from `line` on, of each `depth` numbers from k on. are_rows: whether lines are rows of memory. */
static void gemm_pack(const float *x, size_t ldx, int are_rows, size_t line, size_t lines, size_t k, size_t depth,
                      float *packed) {
  for (size_t i = 0; i < lines; i += VF_LANES, packed += gemm_panel) {
    if (are_rows)
      gemm_pack_rows(x + (line + i) * ldx + k, ldx, lines - i, depth, packed);
    else
      gemm_pack_columns(x + k * ldx + line + i, ldx, lines - i, depth, packed);
  }
}

/* out[rows, columns] = a b, added to what is there if `adds`: one register tile. a: a part of a panel, b: `vectors`
 * panels; vectors is a constant of the caller. Of the tile the first `rows` and `columns` are stored. */
CK_INLINE void gemm_tile(const float *a, const float *b, size_t words, int vectors, size_t rows, size_t columns,
                         int adds, float *out, size_t ldo) {
  vf sum[GEMM_ROWS * GEMM_VECTORS];
#pragma clang loop unroll(full)
  for (int i = 0; i < GEMM_ROWS * vectors; i++) sum[i] = vf_zero();
  for (size_t w = 0; w < words; w++, a += VF_LANES, b += VF_LANES) {
    vf left[GEMM_ROWS];
#pragma clang loop unroll(full)
    for (int i = 0; i < GEMM_ROWS; i++) left[i] = vf_set1(a[i]);
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) {
      vf right = vf_load(b + j * gemm_panel);
#pragma clang loop unroll(full)
      for (int i = 0; i < GEMM_ROWS; i++)
        sum[i * vectors + j] = gemm_add_product(sum[i * vectors + j], left[i], right);
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < GEMM_ROWS; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) {
      const size_t column = (size_t)j * VF_LANES;
      if ((size_t)i >= rows || column >= columns) continue;
      float *p = out + (size_t)i * ldo + column;
      vf before = adds ? vf_load_some(p, columns - column) : vf_zero();
      vf_store_some(p, vf_add(sum[i * vectors + j], before), columns - column);
    }
}

/* The tiles of one block of a by the panels of b: out[rows, columns], columns <= gemm_columns. */
static void gemm_block(const float *a, const float *b, size_t words, size_t rows, size_t columns, int adds,
                       float *out, size_t ldo) {
  for (size_t row = 0; row < rows; row += GEMM_ROWS, out += GEMM_ROWS * ldo) {
    const float *part = a + row / VF_LANES * gemm_panel + row % VF_LANES;
    const size_t count = rows - row < GEMM_ROWS ? rows - row : GEMM_ROWS;
    if (columns == gemm_columns) {
      gemm_tile(part, b, words, GEMM_VECTORS, count, columns, adds, out, ldo);
      continue;
    }
    for (size_t column = 0; column < columns; column += 2 * VF_LANES) {
      const float *panels = b + column / VF_LANES * gemm_panel;
      const size_t left = columns - column;
      if (left > VF_LANES)
        gemm_tile(part, panels, words, 2, count, left, adds, out + column, ldo);
      else
        gemm_tile(part, panels, words, 1, count, left, adds, out + column, ldo);
    }
  }
}

void CK_NAME(gemm_bf16)(const ck_gemm *p) {
  float *left = p->scratch, *right = left + gemm_rows * gemm_words;
  /* Of no depth one block as well: it sets what is not added to. */
  for (size_t k = 0; k == 0 || k < p->depth; k += gemm_depth) {
    const size_t depth = p->depth - k < gemm_depth ? p->depth - k : gemm_depth;
    const size_t words = (depth + 1) / 2 * GEMM_PAIR_WORDS;
    for (size_t row = 0; row < p->rows; row += gemm_rows) {
      const size_t rows = p->rows - row < gemm_rows ? p->rows - row : gemm_rows;
      gemm_pack(p->a, p->lda, !p->transpose_a, row, rows, k, depth, left);
      for (size_t column = 0; column < p->columns; column += gemm_columns) {
        const size_t columns = p->columns - column < gemm_columns ? p->columns - column : gemm_columns;
        gemm_pack(p->b, p->ldb, p->transpose_b, column, columns, k, depth, right);
        gemm_block(left, right, words, rows, columns, k > 0 || p->accumulates, p->out + row * p->ldo + column,
                   p->ldo);
      }
    }
  }
}

CK_TARGET_END
