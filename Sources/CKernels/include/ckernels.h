/* SIMD kernels of the router. One folder an operation, one file an ISA, one dispatch table.
 *
 * No function here allocates, reads files, prints, or starts a thread. All pointers are to float,
 * int8 or int32 arrays without alignment demands, unless said otherwise; the packed int8 weights are
 * 64-byte aligned. `ld*` is the distance between rows, in elements. Sizes may be 0. The layout of the
 * packed weights is in Sources/ARMS/ModelFile/FORMAT.md. Every function may run on any number of threads
 * at once, on outputs that do not overlap; no row of an output depends on the rows beside it.
 *
 * Accuracy. The integers of linear_u8s8, the codes, scales and zero points of quantize_rows and resampled
 * bytes are the same on every instruction set. Float results are those of the formulas within the bounds stated at
 * each kernel; sums are taken in an order that differs between instruction sets, and e below is 2^-23.
 */
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is applied to a linear layer's output. */
typedef enum ck_activation {
  CK_IDENTITY = 0,
  CK_GELU = 1,      /* x * (1 + erf(x / sqrt 2)) / 2 */
  CK_QUICK_GELU = 2 /* x * sigmoid(1.702 x) */
} ck_activation;

/* out[row, c] = act(a_scale[row] * w_scale[c] * (sum_k a[row, k] * w[c, k] - a_zero[row] * w_colsum[c])
 *               + bias[c]) + residual[row, c]
 * for c in 16 * block_begin ..< min(16 * block_end, columns).
 * a: u8 [rows, depth]. w: packed int8, blocks of [depth / 4, 64]; depth is a multiple of 4.
 * Everything indexed by c starts at channel 0, whatever block_begin is. The int32 sum is exact for
 * depth up to 65,536. w_colsum must be the true column sums: an instruction set without a u8 by s8
 * product derives the sum from them. residual may equal out. Within 4 e of each term's magnitude, before
 * the activation's own error (see bias_activation). Reads nothing beyond `columns` in the vectors. */
typedef struct ck_linear_u8s8 {
  const uint8_t *a;
  size_t lda;
  const float *a_scale;
  const int32_t *a_zero;
  size_t rows;
  size_t depth;
  const int8_t *w;
  const float *w_scale;
  const int32_t *w_colsum;
  const float *bias; /* or NULL */
  size_t block_begin;
  size_t block_end;
  size_t columns;
  ck_activation activation;
  const float *residual; /* or NULL */
  size_t ldr;
  float *out;
  size_t ldo;
  const int8_t *next; /* the weights to be read after these, or NULL for those behind them: only a hint */
  void *scratch;      /* ck_kernels.linear_scratch bytes of this call's own, aligned to 64; may be NULL for one row */
} ck_linear_u8s8;

/* One head of scaled dot-product attention over one sequence, softmax(scale q k^T) v, float32.
 * q: [queries, dim], k and v: [keys, dim], out: [queries, dim].
 * scratch: at least ck_attention_scratch(keys, dim) floats. out is 0 if keys is 0, and may
 * overlap none of the inputs. Within (dim + keys) e of the largest of abs(score) abs(v). */
typedef struct ck_attention {
  const float *q;
  size_t ldq;
  const float *k;
  size_t ldk;
  const float *v;
  size_t ldv;
  size_t queries;
  size_t keys;
  size_t dim;
  float scale;
  float *out;
  size_t ldo;
  float *scratch;
} ck_attention;

/* out[rows, columns] = op(a)[rows, depth] op(b)[depth, columns], added to what out holds if `accumulates`. All are
 * row-major float32; op transposes where `transpose_a` or `transpose_b` is not 0, so that a is stored [depth, rows]
 * or b [columns, depth]. out is not read unless it is added to, and may overlap neither a nor b. */
typedef struct ck_gemm {
  const float *a;
  size_t lda;
  int transpose_a;
  const float *b;
  size_t ldb;
  int transpose_b;
  size_t rows;
  size_t columns;
  size_t depth;
  int accumulates;
  float *out;
  size_t ldo;
  void *scratch; /* ck_gemm_scratch bytes of this call's own, aligned to 64 */
} ck_gemm;

enum {
  /* Bytes that a ck_gemm wants beside its operands, on any instruction set. */
  ck_gemm_scratch = 408 << 10,
};

/* One AdamW step (Loshchilov and Hutter, arXiv 1711.05101) over `count` parameters, in one pass:
 *   g = gradient_scale gradient;  first = beta1 first + (1 - beta1) g;  second = beta2 second + (1 - beta2) g^2
 *   value = kept value - rate first / (correction sqrt(second) + epsilon)
 * With the learning rate l, the decay d and step t: kept = 1 - l d, rate = l / (1 - beta1^t),
 * correction = 1 / sqrt(1 - beta2^t). */
typedef struct ck_adamw {
  float *value;
  const float *gradient;
  float *first;
  float *second;
  size_t count;
  float gradient_scale;
  float kept;
  float beta1;
  float beta2;
  float rate;
  float correction;
  float epsilon;
} ck_adamw;

enum {
  /* Fixed-point fraction bits of a resampling coefficient. 8 bits of pixel and 2 of headroom, for sums below 0 and
   * above 1, leave 22 of 32. */
  ck_coefficient_bits = 22,
  /* Coefficients of one output pixel come in groups of 24 bytes of the source: 24 is a multiple of 1, 3 and 4
   * channels, and of 8 lanes. */
  ck_resample_group = 24,
  /* Rows that resample_columns takes at a time at most. */
  ck_resample_strip = 4,
};

/* The horizontal pass of a separable resampling over up to ck_resample_strip rows of interleaved pixels, in the
 * fixed-point arithmetic of Pillow's Image.resize: 32-bit sums, rounded to 8 bits after each pass.
 *
 * out[r, x, c] = clip8(sum over j of rows[r, offsets[x] + j] * coefficients[x, j], j % channels == c)
 *
 * coefficients: [columns, groups, ck_resample_group], each tap repeated once a channel and 0 after the last;
 * the magnitudes of a sum's are below 2 in all, so that it fits 32 bits.
 * offsets: bytes; groups * ck_resample_group bytes behind each must be readable. channels: 1, 3 or 4. Only
 * the first min(channels, 3) are written, so alpha is dropped. */
typedef struct ck_resample_columns {
  const uint8_t *rows;
  size_t stride;
  size_t row_count;
  const int32_t *coefficients;
  const size_t *offsets;
  size_t columns;
  size_t groups;
  size_t channels;
  uint8_t *out;
  size_t out_stride;
} ck_resample_columns;

/* The kernels of one instruction set. */
typedef struct ck_kernels {
  const char *isa; /* "scalar", "avx2", "avxvnni" (avx2 with a VNNI product), "avx512vnni", "avx512bf16" (the same
                    * with a bfloat16 product), "amx" (with both products on tiles), "neon" */

  void (*linear_u8s8)(const ck_linear_u8s8 *args);
  size_t linear_scratch; /* bytes that linear_u8s8 wants beside its operands, a multiple of 64 */

  /* Quantises rows to u8, asymmetric: x * smooth = scale * (q - zero). q is [rows, ldq]; columns from
   * `columns` to ldq are set to the row's zero point times 0, that is 0: the weights there are 0.
   * The range always includes 0, so that zero is in 0...255 and 0 has an exact code; a row of zeros, or
   * of values too small for a normal scale, has scale 1 and zero 0. Rounds to nearest even. A row with NaN
   * or infinity has scale NaN, and codes and a zero in 0...255 that mean nothing; one that spans more than the
   * largest float may have an infinite scale. Either way a product by it is no number.
   * smooth: [columns] or NULL. */
  void (*quantize_rows)(const float *x, size_t ldx, size_t rows, size_t columns, const float *smooth,
                        uint8_t *q, size_t ldq, float *scale, int32_t *zero);

  /* LayerNorm over the last axis: (x - mean) / sqrt(variance + epsilon) * gamma + beta, the variance
   * biased as PyTorch's, from two passes. out may equal x. Within some 30 e relative to the largest
   * output, and e max(abs x) / deviation where the mean dwarfs the deviation. NaN where a square of x
   * overflows, but for "scalar". */
  void (*layer_norm)(const float *x, size_t ldx, size_t rows, size_t columns, const float *gamma,
                     const float *beta, float epsilon, float *out, size_t ldo);

  /* layer_norm, followed by quantize_rows on its result. out may be NULL if only q is wanted. */
  void (*layer_norm_quantize)(const float *x, size_t ldx, size_t rows, size_t columns,
                              const float *gamma, const float *beta, float epsilon, float *out,
                              size_t ldo, const float *smooth, uint8_t *q, size_t ldq, float *scale,
                              int32_t *zero);

  void (*attention)(const ck_attention *args);

  /* x[row, c] = act(x[row, c] + bias[c]) + residual[row, c]; bias and residual may be NULL. The
   * epilogue of a float matrix product. The activations are within 1e-6 absolute or 5e-7 relative,
   * whichever is more. */
  void (*bias_activation)(float *x, size_t ldx, size_t rows, size_t columns, const float *bias,
                          ck_activation activation, const float *residual, size_t ldr);

  /* x = softmax(scale x) in place, [count]. Within (count + the largest abs(scale x)) e; scores 87 below the
   * largest give 0. */
  void (*softmax)(float *x, size_t count, float scale);

  /* y[row] = sum_k w[row, k] x[k] + bias[row]; bias may be NULL. Within columns e sum abs(w x), as are the
   * two below with their counts. */
  void (*gemv)(const float *w, size_t ldw, size_t rows, size_t columns, const float *x,
               const float *bias, float *y);

  /* y[k] = sum_row x[row] w[row, k]. */
  void (*gemv_transposed)(const float *w, size_t ldw, size_t rows, size_t columns, const float *x,
                          float *y);

  /* sum_k x[k] y[k] */
  float (*dot)(const float *x, const float *y, size_t count);

  /* A matrix product of operands rounded to bfloat16, to nearest even, with float32 sums: within depth e
   * sum abs(a b) of that. Numbers below 2^-126 may count as 0. Other instruction sets than "avx512bf16" and
   * "amx" round, and multiply floats. */
  void (*gemm_bf16)(const ck_gemm *args);

  /* dy = dy act'(x), in place. The derivative is within 2e-6 absolute. */
  void (*activation_backward)(const float *x, size_t count, ck_activation activation, float *dy);

  /* The backward pass of layer_norm: x is its input, dy the gradient of its output. dx, which may equal dy,
   * is set, dgamma and dbeta, [columns], are added to. */
  void (*layer_norm_backward)(const float *x, size_t ldx, const float *dy, size_t ldy, size_t rows,
                              size_t columns, const float *gamma, float epsilon, float *dx, size_t ldd,
                              float *dgamma, float *dbeta);

  /* Within 8 e of the magnitudes of its terms. */
  void (*adamw)(const ck_adamw *args);

  void (*resample_columns)(const ck_resample_columns *args);

  /* The vertical pass: one output row of `width` bytes from `taps` rows.
   * out[i] = clip8(sum over t of rows[t, i] * coefficients[t]) */
  void (*resample_row)(const uint8_t *rows, size_t stride, const int32_t *coefficients, size_t taps, size_t width,
                       uint8_t *out);
} ck_kernels;

/* Floats of scratch that the attention kernel of any instruction set needs: some (dim + 6) keys. The caller
 * sees to it that this product does not overflow. */
size_t ck_attention_scratch(size_t keys, size_t dim);

/* The kernels of the best instruction set of this CPU, or a lesser one if the environment variable
 * ARMS_ISA names one that it has. Chosen at the first call; thread safe. */
const ck_kernels *ck_kernels_best(void);

/* The kernels of the named instruction set, or NULL if this build or CPU lacks it. */
const ck_kernels *ck_kernels_named(const char *isa);

#ifdef __cplusplus
}
#endif

#endif
