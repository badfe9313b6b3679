/* vpmaddubsw would saturate: 2 * 255 * 127 exceeds 16 bits. So bytes are widened to words: the even and the odd bytes of
 * each four, whose pairs vpmaddwd multiplies and adds exactly.
 *
 * Where enough rows share the widened weights, the products are Winograd's (A New Algorithm for Inner Product,
 * IEEE Transactions on Computers C-17, 1968):
 *
 *   a0 w0 + a1 w1 = (a0 + w1) (a1 + w0) - a0 a1 - w0 w1
 *
 * The sum of a0 a1 belongs to a row, that of w0 w1 to a channel, and are taken once. For 32 products that leaves two
 * additions of words, one vpmaddwd and one addition of sums, in place of two vpmaddwd and two additions: no fewer
 * instructions, but most CPUs add on more ports than they multiply on. Nothing overflows: a word is in -128...382, and
 * sums wrap modulo 2^32 to the true one, which fits. */
#if defined(__x86_64__)
#include "../Dispatch/kernels.h"
#include "../Vector/avx2.h"

#define LINEAR_ROWS 4
#define LINEAR_BLOCKS 1
#include "linear_epilogue.h"

#include <string.h>

CK_TARGET_BEGIN

/* A part of the depth is widened at a time: of the inputs for a panel of blocks, of the weights block by block. Then what
 * a tile reads lies in the first-level cache. */
enum {
  part_depth = 256,
  panel_blocks = 8,
  group_rows = 52,
  group_tiles = group_rows / LINEAR_ROWS,
};

CK_INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

CK_INLINE __m256i even_bytes(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi16(255)); }
CK_INLINE __m256i odd_bytes(__m256i bytes) { return _mm256_srli_epi16(bytes, 8); }

/* Two words, or four bytes, in all lanes. */
CK_INLINE __m256i broadcast_four(const void *bytes) {
  int32_t four;
  memcpy(&four, bytes, sizeof four);
  return _mm256_set1_epi32(four);
}

/* The words of four inputs of sixteen channels, eight a register: inputs 0 and 2, and inputs 1 and 3. */
typedef struct weight_words {
  __m256i even[2], odd[2];
} weight_words;

CK_INLINE weight_words widen_weights(const int8_t *w) {
  weight_words words;
#pragma clang loop unroll(full)
  for (int half = 0; half < 2; half++) {
    const __m256i bytes = _mm256_loadu_si256((const __m256i *)(w + 32 * half));
    words.even[half] = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
    words.odd[half] = _mm256_srai_epi16(bytes, 8);
  }
  return words;
}

/* ---- Few rows: everything is widened in registers ---- */

/* The sums of a tile and a block: 8 of 16 registers, 4 weights, 2 inputs. */
CK_INLINE void plain_tile(const ck_linear_u8s8 *p, size_t block, int rows, const int8_t *ahead) {
  const int8_t *w = p->w + block * 16 * p->depth;
  __m256i sums[2 * LINEAR_ROWS];
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * rows; i++) sums[i] = _mm256_setzero_si256();
  for (size_t k = 0; k < p->depth; k += 4) {
    __builtin_prefetch(ahead + 16 * k, 0, 2);
    const weight_words weights = widen_weights(w + 16 * k);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      const __m256i bytes = broadcast_four(p->a + (size_t)r * p->lda + k);
#pragma clang loop unroll(full)
      for (int half = 0; half < 2; half++) {
        __m256i *sum = &sums[2 * r + half];
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(even_bytes(bytes), weights.even[half]));
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(odd_bytes(bytes), weights.odd[half]));
      }
    }
  }
  linear_finish(p, 0, block, rows, 1, sums);
}

/* The block that comes next is fetched while this one is multiplied. */
static void plain_block(const ck_linear_u8s8 *p, size_t block, size_t end) {
  const int8_t *next = p->w + (block + 1) * 16 * p->depth;
  const int8_t *ahead = block + 1 < end || p->next == NULL ? next : p->next;
  switch (p->rows) {
  case 1: plain_tile(p, block, 1, ahead); break;
  case 2: plain_tile(p, block, 2, ahead); break;
  case 3: plain_tile(p, block, 3, ahead); break;
  default: plain_tile(p, block, 4, ahead); break;
  }
}

/* ---- Many rows: what is widened is kept, inputs for a panel of blocks and weights for a group of rows ---- */

/* Up to 32 bytes, and zeros. */
CK_INLINE __m256i load_bytes(const uint8_t *a, size_t count) {
  if (count >= 32) return _mm256_loadu_si256((const __m256i *)a);
  uint8_t bytes[32] = {0};
  memcpy(bytes, a, count);
  return _mm256_loadu_si256((const __m256i *)bytes);
}

/* The words of four inputs of the rows of a tile, of each row inputs 0 and 2, then 1 and 3: one after the other in the
 * order in which they are read, which takes the fewest lines of the cache. */
typedef struct tile_words {
  _Alignas(32) uint16_t rows[LINEAR_ROWS][2][2];
} tile_words;

/* From registers of one row with fours 0, 1, 4, 5 to those of one four. */
CK_INLINE void store_fours(const __m256i rows[LINEAR_ROWS], tile_words *fours) {
  for (int i = 0; i < 2; i++) {
    const __m256i top = i ? _mm256_unpackhi_epi64(rows[0], rows[1]) : _mm256_unpacklo_epi64(rows[0], rows[1]);
    const __m256i bottom = i ? _mm256_unpackhi_epi64(rows[2], rows[3]) : _mm256_unpacklo_epi64(rows[2], rows[3]);
    _mm256_store_si256((__m256i *)&fours[i], _mm256_permute2x128_si256(top, bottom, 0x20));
    _mm256_store_si256((__m256i *)&fours[i + 4], _mm256_permute2x128_si256(top, bottom, 0x31));
  }
}

/* Rows that are not there are 0. */
CK_INLINE void widen_tile(const uint8_t *a, size_t lda, size_t rows, size_t count, tile_words *fours) {
  for (size_t k = 0; k < count; k += 32) {
    __m256i first[LINEAR_ROWS], second[LINEAR_ROWS];
#pragma clang loop unroll(full)
    for (size_t r = 0; r < LINEAR_ROWS; r++) {
      const __m256i bytes = r < rows ? load_bytes(a + r * lda + k, count - k) : _mm256_setzero_si256();
      first[r] = _mm256_unpacklo_epi32(even_bytes(bytes), odd_bytes(bytes));
      second[r] = _mm256_unpackhi_epi32(even_bytes(bytes), odd_bytes(bytes));
    }
    store_fours(first, fours + k / 4);
    store_fours(second, fours + k / 4 + 2);
  }
}

typedef struct row_group {
  size_t first, count;
  /* The sum of a0 a1 of each row, in all lanes. */
  __m256i row_sums[group_rows];
} row_group;

/* The sum of all lanes, in each. */
CK_INLINE __m256i sum_of_lanes(__m256i x) {
  x = _mm256_add_epi32(x, _mm256_permute2x128_si256(x, x, 1));
  x = _mm256_add_epi32(x, _mm256_shuffle_epi32(x, 0x4e));
  return _mm256_add_epi32(x, _mm256_shuffle_epi32(x, 0xb1));
}

static void sum_rows(const ck_linear_u8s8 *p, row_group *group) {
  for (size_t r = 0; r < group->count; r++) {
    const uint8_t *a = p->a + (group->first + r) * p->lda;
    __m256i sum = _mm256_setzero_si256();
    for (size_t k = 0; k < p->depth; k += 32) {
      const __m256i bytes = load_bytes(a + k, p->depth - k);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even_bytes(bytes), odd_bytes(bytes)));
    }
    group->row_sums[r] = sum_of_lanes(sum);
  }
}

/* Sums of (a0 + w1) (a1 + w0) of some rows and blocks, and of w0 w1 of the blocks. */
typedef struct panel_sums {
  __m256i tiles[panel_blocks][group_tiles][2 * LINEAR_ROWS];
  __m256i channels[panel_blocks][2];
} panel_sums;

/* What is kept of a panel, in the call's scratch memory. */
typedef struct panel_room {
  tile_words inputs[group_tiles][part_depth / 4];
  weight_words weights[part_depth / 4];
  panel_sums sums;
} panel_room;

_Static_assert(sizeof(panel_room) <= ck_linear_scratch_avx2, "a panel fits the scratch memory");

/* Widens a part of a block, and adds its w0 w1. */
CK_INLINE void widen_block(const int8_t *w, size_t fours, weight_words *words, __m256i sums[2]) {
  __m256i low = sums[0], high = sums[1];
  for (size_t i = 0; i < fours; i++) {
    const weight_words four = words[i] = widen_weights(w + 64 * i);
    low = _mm256_add_epi32(low, _mm256_madd_epi16(four.even[0], four.odd[0]));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(four.even[1], four.odd[1]));
  }
  sums[0] = low;
  sums[1] = high;
}

/* Adds a part of the sums of a tile and a block: 8 of 16 registers, 4 weights, 2 inputs, 2 factors. */
CK_INLINE void winograd_tile(const tile_words *inputs, const weight_words *weights, size_t fours, int rows,
                             __m256i *sums) {
  __m256i tile[2 * LINEAR_ROWS];
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * rows; i++) tile[i] = sums[i];
  /* A loop in more than four lines of the cache takes 2 to 5% longer to fetch. It fits four from a multiple of 32 on if
   * its addresses are short, which they are relative to pointers in registers and not to the stack's. */
  __asm__("" : "+r"(inputs), "+r"(weights));
  [[clang::code_align(32)]] for (size_t i = 0; i < fours; i++) {
    const weight_words w = weights[i];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      const __m256i even = broadcast_four(inputs[i].rows[r][0]), odd = broadcast_four(inputs[i].rows[r][1]);
#pragma clang loop unroll(full)
      for (int half = 0; half < 2; half++) {
        const __m256i left = _mm256_add_epi16(even, w.odd[half]), right = _mm256_add_epi16(odd, w.even[half]);
        tile[2 * r + half] = _mm256_add_epi32(tile[2 * r + half], _mm256_madd_epi16(left, right));
      }
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * rows; i++) sums[i] = tile[i];
}

CK_INLINE void winograd_rows(const tile_words *inputs, const weight_words *weights, size_t fours, size_t rows,
                             __m256i *sums) {
  switch (rows) {
  case 1: winograd_tile(inputs, weights, fours, 1, sums); break;
  case 2: winograd_tile(inputs, weights, fours, 2, sums); break;
  case 3: winograd_tile(inputs, weights, fours, 3, sums); break;
  default: winograd_tile(inputs, weights, fours, 4, sums); break;
  }
}

/* Adds the part of all sums that begins at input k. The part of the weights at `ahead`, blocks as far apart, is fetched
 * meanwhile, a share with every tile. */
CK_INLINE void add_inputs(const ck_linear_u8s8 *p, const row_group *group, size_t block, size_t blocks, size_t k,
                          size_t count, const int8_t *ahead, panel_room *room) {
  const size_t fours = count / 4, tiles = (group->count + LINEAR_ROWS - 1) / LINEAR_ROWS;
  const size_t share = fours / tiles + 1;
  for (size_t tile = 0; tile < tiles; tile++) {
    const size_t row = tile * LINEAR_ROWS;
    widen_tile(p->a + (group->first + row) * p->lda + k, p->lda, group->count - row, count, room->inputs[tile]);
  }
  for (size_t b = 0; b < blocks; b++) {
    widen_block(p->w + 16 * ((block + b) * p->depth + k), fours, room->weights, room->sums.channels[b]);
    for (size_t tile = 0; tile < tiles; tile++) {
      for (size_t i = tile * share; i < (tile + 1) * share; i++)
        __builtin_prefetch(ahead + 16 * b * p->depth + 64 * i, 0, 2);
      winograd_rows(room->inputs[tile], room->weights, fours, group->count - tile * LINEAR_ROWS,
                    room->sums.tiles[b][tile]);
    }
  }
}

CK_INLINE void finish_tile(const ck_linear_u8s8 *p, const row_group *group, size_t row, size_t block, size_t rows,
                           const __m256i *channels, __m256i *tile) {
  for (size_t r = 0; r < rows; r++)
    for (int half = 0; half < 2; half++) {
      const __m256i excess = _mm256_add_epi32(group->row_sums[row + r], channels[half]);
      tile[2 * r + (size_t)half] = _mm256_sub_epi32(tile[2 * r + (size_t)half], excess);
    }
  switch (rows) {
  case 1: linear_finish(p, group->first + row, block, 1, 1, tile); break;
  case 2: linear_finish(p, group->first + row, block, 2, 1, tile); break;
  case 3: linear_finish(p, group->first + row, block, 3, 1, tile); break;
  default: linear_finish(p, group->first + row, block, 4, 1, tile); break;
  }
}

/* Nearly all parts are whole: with a constant depth their loops need no tests. */
static void add_part(const ck_linear_u8s8 *p, const row_group *group, size_t block, size_t blocks, size_t k,
                     const int8_t *ahead, panel_room *room) {
  const size_t left = p->depth - k;
  if (left >= part_depth)
    add_inputs(p, group, block, blocks, k, part_depth, ahead, room);
  else
    add_inputs(p, group, block, blocks, k, left, ahead, room);
}

/* A group of rows by a panel of blocks; next: the panel that follows. */
static void winograd_panel(const ck_linear_u8s8 *p, const row_group *group, size_t block, size_t blocks,
                           const int8_t *next) {
  panel_room *room = p->scratch;
  panel_sums *sums = &room->sums;
  memset(sums, 0, sizeof *sums);
  for (size_t k = 0; k < p->depth; k += part_depth) {
    const size_t following = k + part_depth;
    const int8_t *ahead = following < p->depth ? p->w + 16 * (block * p->depth + following) : next;
    add_part(p, group, block, blocks, k, ahead, room);
  }
  for (size_t row = 0; row < group->count; row += LINEAR_ROWS)
    for (size_t b = 0; b < blocks; b++)
      finish_tile(p, group, row, block + b, least(LINEAR_ROWS, group->count - row), sums->channels[b],
                  sums->tiles[b][row / LINEAR_ROWS]);
}

/* Groups are of nearly the same height. */
static void winograd(const ck_linear_u8s8 *p, size_t end) {
  const size_t groups = (p->rows + group_rows - 1) / group_rows;
  row_group group = {.first = 0};
  for (size_t left = groups; left > 0; left--, group.first += group.count) {
    group.count = (p->rows - group.first + left - 1) / left;
    sum_rows(p, &group);
    for (size_t block = p->block_begin; block < end; block += panel_blocks) {
      const size_t following = block + panel_blocks;
      const int8_t *behind = p->w + 16 * following * p->depth;
      const int8_t *next = following < end || p->next == NULL ? behind : p->next;
      winograd_panel(p, &group, block, least(panel_blocks, end - block), next);
    }
  }
}

void CK_NAME(linear_u8s8)(const ck_linear_u8s8 *args) {
  const size_t end = least(args->block_end, (args->columns + 15) / 16);
  if (args->rows > LINEAR_ROWS)
    winograd(args, end);
  else if (args->rows > 0)
    for (size_t block = args->block_begin; block < end; block++) plain_block(args, block, end);
}

CK_TARGET_END
#endif
