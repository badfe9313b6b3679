#include "scratch.h"

size_t ck_attention_scratch(size_t queries, size_t keys, size_t dim) {
  (void)queries;
  return (dim + attention_rows) * attention_padded(keys);
}
