/* The scratch of attention: the scores of a tile of queries, then k transposed. */
#ifndef CK_ATTENTION_SCRATCH_H
#define CK_ATTENTION_SCRATCH_H

#include "ckernels.h"

/* Queries of a tile. */
enum { attention_rows = 6 };

/* Floats of a row of the scratch: whole registers of every ISA. */
static inline size_t attention_padded(size_t keys) { return (keys + 15) & ~(size_t)15; }

#endif
