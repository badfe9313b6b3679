#include "../Dispatch/kernels.h"

void ck_attention_scalar(const ck_attention *args) {
  const ck_attention a = *args;
  for (size_t i = 0; i < a.queries; i++) {
    float *scores = a.scratch, *out = a.out + i * a.ldo;
    for (size_t j = 0; j < a.keys; j++)
      scores[j] = ck_dot_scalar(a.q + i * a.ldq, a.k + j * a.ldk, a.dim);
    ck_softmax_scalar(scores, a.keys, a.scale);
    ck_gemv_transposed_scalar(a.v, a.ldv, a.keys, a.dim, scores, out);
  }
}
