/* The kernels of every ISA, as the operations' folders define them and the dispatch table lists them. */
#ifndef CK_DISPATCH_KERNELS_H
#define CK_DISPATCH_KERNELS_H

#include "ckernels.h"

/* ck_<operation>_<isa> */
#define CK_PASTE_(operation, isa) ck_##operation##_##isa
#define CK_PASTE(operation, isa) CK_PASTE_(operation, isa)

#define CK_DECLARE_LINEAR(isa) void ck_linear_u8s8_##isa(const ck_linear_u8s8 *args);

/* ck_kernels.linear_scratch of each: more than belongs on a host's stack. */
enum {
  ck_linear_scratch_amx = 0,
  ck_linear_scratch_avx512vnni = 0,
  ck_linear_scratch_avxvnni = 0,
  ck_linear_scratch_avx2 = 64 << 10,
  ck_linear_scratch_neon = 0,
  ck_linear_scratch_scalar = 0,
};

#define CK_DECLARE_GEMM(isa) void ck_gemm_bf16_##isa(const ck_gemm *args);

#define CK_DECLARE_OTHERS(isa)                                                                       \
  void ck_quantize_rows_##isa(const float *x, size_t ldx, size_t rows, size_t columns,               \
                              const float *smooth, uint8_t *q, size_t ldq, float *scale,             \
                              int32_t *zero);                                                        \
  void ck_layer_norm_##isa(const float *x, size_t ldx, size_t rows, size_t columns,                  \
                           const float *gamma, const float *beta, float epsilon, float *out,         \
                           size_t ldo);                                                              \
  void ck_layer_norm_quantize_##isa(const float *x, size_t ldx, size_t rows, size_t columns,         \
                                    const float *gamma, const float *beta, float epsilon,            \
                                    float *out, size_t ldo, const float *smooth, uint8_t *q,         \
                                    size_t ldq, float *scale, int32_t *zero);                        \
  void ck_attention_##isa(const ck_attention *args);                                                 \
  void ck_bias_activation_##isa(float *x, size_t ldx, size_t rows, size_t columns,                   \
                                const float *bias, ck_activation activation, const float *residual,  \
                                size_t ldr);                                                         \
  void ck_softmax_##isa(float *x, size_t count, float scale);                                        \
  void ck_gemv_##isa(const float *w, size_t ldw, size_t rows, size_t columns, const float *x,        \
                     const float *bias, float *y);                                                   \
  void ck_gemv_transposed_##isa(const float *w, size_t ldw, size_t rows, size_t columns,             \
                                const float *x, float *y);                                           \
  float ck_dot_##isa(const float *x, const float *y, size_t count);                                  \
  void ck_activation_backward_##isa(const float *x, size_t count, ck_activation activation,          \
                                    float *dy);                                                      \
  void ck_layer_norm_backward_##isa(const float *x, size_t ldx, const float *dy, size_t ldy,         \
                                    size_t rows, size_t columns, const float *gamma, float epsilon,  \
                                    float *dx, size_t ldd, float *dgamma, float *dbeta);             \
  void ck_adamw_##isa(const ck_adamw *args);                                                         \
  void ck_resample_columns_##isa(const ck_resample_columns *args);                                   \
  void ck_resample_row_##isa(const uint8_t *rows, size_t stride, const int32_t *coefficients,        \
                             size_t taps, size_t width, uint8_t *out);

CK_DECLARE_LINEAR(scalar)
CK_DECLARE_GEMM(scalar)
CK_DECLARE_OTHERS(scalar)
#if defined(__x86_64__)
CK_DECLARE_LINEAR(avx2)
CK_DECLARE_LINEAR(avxvnni)
CK_DECLARE_LINEAR(avx512vnni)
CK_DECLARE_LINEAR(amx)
CK_DECLARE_GEMM(avx2)
CK_DECLARE_OTHERS(avx2)
CK_DECLARE_GEMM(avx512vnni)
CK_DECLARE_GEMM(avx512bf16)
CK_DECLARE_GEMM(amx)
CK_DECLARE_OTHERS(avx512vnni)
#endif
#if defined(__aarch64__)
CK_DECLARE_LINEAR(neon)
CK_DECLARE_GEMM(neon)
CK_DECLARE_OTHERS(neon)
#endif

#endif
