/* How the int8 products go through the weights: in panels of LINEAR_BLOCKS blocks, and at the end of single ones.
 *
 * A network's weights do not fit the caches: the panel that comes next is fetched while this one is multiplied, else
 * the first rows of every panel wait for memory. All of a panel's tiles fetch at one pace: in a hurry they would wait
 * for the memory, and leave it idle afterwards.
 */
#include "../Vector/vector.h"

CK_TARGET_BEGIN

/* The block behind the last of a product. */
CK_INLINE size_t linear_end(const ck_linear_u8s8 *p) {
  const size_t all = (p->columns + 15) / 16;
  return p->block_end < all ? p->block_end : all;
}

/* The block behind the last of those that are whole. */
CK_INLINE size_t linear_whole_end(const ck_linear_u8s8 *p) {
  const size_t end = linear_end(p), whole = p->columns / 16;
  return whole < end ? whole : end;
}

/* What is read after the blocks before this one. */
CK_INLINE const int8_t *linear_next(const ck_linear_u8s8 *p, size_t block) {
  return block < linear_end(p) || p->next == NULL ? p->w + block * 16 * p->depth : p->next;
}

/* Fetches weights into the second-level cache. Only a hint: an address where nothing is does no harm. */
CK_INLINE void linear_fetch(const int8_t *address) { __builtin_prefetch(address, 0, 2); }

/* Fetches rows that another core may have written last into the first-level cache. */
CK_INLINE void linear_fetch_rows(const ck_linear_u8s8 *p, size_t row, size_t rows) {
  for (size_t r = row; r < row + rows && r < p->rows; r++)
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

CK_TARGET_END
