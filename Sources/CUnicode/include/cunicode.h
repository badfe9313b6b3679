/* What BERT's normaliser and pre-tokeniser think of every Unicode scalar.
 *
 * The tables in tables.c are measured, not taken from a version of Unicode: the reference mixes several,
 * and differs from any single one. Tests/Parity/generate_unicode_tables.py asks it about every scalar. */
#ifndef ARMS_CUNICODE_H
#define ARMS_CUNICODE_H

#include <stdint.h>

/* Bits of `flags`. */
#define CUNICODE_CONTROL 1u     /* removed by the cleaning of text */
#define CUNICODE_SPACE 2u       /* made U+0020 by the cleaning of text */
#define CUNICODE_CJK 4u         /* stands alone when CJK is split */
#define CUNICODE_WHITESPACE 8u  /* separates words */
#define CUNICODE_PUNCTUATION 16u /* a word of its own */
#define CUNICODE_NONSPACING 32u /* removed by the stripping of accents */
#define CUNICODE_WORD 64u       /* a word character (\w) beside a single-word added token */

/* `decomposition` of a Hangul syllable, which decomposes by arithmetic. */
#define CUNICODE_HANGUL 0xFFFFu

typedef struct cunicode_record {
  int32_t lowercase;      /* what to add to the scalar to lower its case */
  uint16_t decomposition; /* where in cunicode_decompositions: a count, then the scalars; 0: none */
  uint8_t combining;      /* canonical combining class */
  uint8_t flags;
} cunicode_record;

#define CUNICODE_SHIFT 6
extern const uint16_t cunicode_blocks[0x110000 >> CUNICODE_SHIFT];
extern const uint16_t cunicode_cells[];
extern const cunicode_record cunicode_records[];
extern const uint32_t cunicode_decompositions[];

/* The record of a scalar; `scalar` is below 0x110000. */
static inline cunicode_record cunicode_lookup(uint32_t scalar) {
  const uint32_t mask = (1u << CUNICODE_SHIFT) - 1;
  const uint32_t block = cunicode_blocks[scalar >> CUNICODE_SHIFT];
  return cunicode_records[cunicode_cells[(block << CUNICODE_SHIFT) | (scalar & mask)]];
}

/* The full canonical decomposition at `index`, with its length. */
static inline const uint32_t *cunicode_decomposition(uint16_t index, uint32_t *count) {
  *count = cunicode_decompositions[index];
  return cunicode_decompositions + index + 1;
}

#endif
