#include "scratch.h"

size_t ck_attention_scratch(size_t keys, size_t dim) { return (dim + attention_rows) * attention_padded(keys); }
