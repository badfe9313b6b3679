/* Speed of the kernels of one instruction set, on one thread.
 *
 *   clang -std=gnu11 -O2 -I Sources/CKernels/include Tests/Benchmarks/kernels.c \
 *     $(find Sources/CKernels -name "*.c") -lm -lpthread -ldl -o .build/kernels && .build/kernels [isa]
 *
 * gemv and gemm_bf16 are compared with OpenBLAS's sgemv and sgemm if libopenblas.so.0 can be loaded. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ckernels.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Sets `best` to the least seconds of a statement in some 0.3 s of repetitions. */
#define LEAST(best, statement)                                                                       \
  do {                                                                                               \
    double until = now() + 0.3;                                                                      \
    best = 1e9;                                                                                      \
    do {                                                                                             \
      double elapsed = now();                                                                        \
      statement;                                                                                     \
      elapsed = now() - elapsed;                                                                     \
      if (elapsed < best) best = elapsed;                                                            \
    } while (now() < until);                                                                         \
  } while (0)

static void *filled(size_t bytes, int value) {
  void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
  if (p == NULL) exit(1);
  if (value >= 0) {
    memset(p, value, bytes);
  } else {
    for (size_t i = 0; i < bytes; i++) ((unsigned char *)p)[i] = (unsigned char)(rand() >> 8);
  }
  return p;
}

static float *floats(size_t count) {
  float *p = filled(count * sizeof *p, 0);
  for (size_t i = 0; i < count; i++) p[i] = (float)rand() / (float)RAND_MAX - 0.5f;
  return p;
}

enum {
  cached = 1,
  from_memory = 128 << 20, /* bytes of weights that are read in turn: those of a route, more than a cache keeps */
};

static void linear_all(const ck_kernels *k, ck_linear_u8s8 p, size_t layers) {
  for (size_t layer = 0; layer < layers; layer++, p.w += p.depth * p.columns) k->linear_u8s8(&p);
}

/* Products of the same rows with the weights of as many layers as `bytes` hold, at least one. */
static void linear(const ck_kernels *k, size_t rows, size_t depth, size_t columns, ck_activation activation,
                   size_t bytes) {
  const size_t layers = bytes > depth * columns ? bytes / (depth * columns) : 1;
  ck_linear_u8s8 p = {.a = filled(rows * depth, -1), .lda = depth, .a_scale = floats(rows),
                      .a_zero = filled(4 * rows, 0), .rows = rows, .depth = depth,
                      .w = filled(layers * depth * columns, -1), .w_scale = floats(columns),
                      .w_colsum = filled(4 * columns, 0), .bias = floats(columns),
                      .block_end = (columns + 15) / 16, .columns = columns, .activation = activation,
                      .out = filled(4 * rows * columns, 0), .ldo = columns,
                      .scratch = filled(k->linear_scratch, 0)};
  double t;
  LEAST(t, linear_all(k, p, layers));
  t /= (double)layers;
  double products = (double)rows * (double)depth * (double)columns;
  printf("linear %4zu x %4zu x %4zu activation %d %s %8.1f us  %6.1f GMAC/s  weights %5.1f GB/s\n", rows,
         depth, columns, activation, bytes == cached ? "cached     " : "from memory", 1e6 * t, 1e-9 * products / t, 1e-9 * (double)(depth * columns) / t);
  free((void *)p.a), free((void *)p.a_scale), free((void *)p.a_zero), free((void *)p.w);
  free((void *)p.w_scale), free((void *)p.w_colsum), free((void *)p.bias), free(p.out);
}

static void attention(const ck_kernels *k, size_t queries, size_t keys, size_t dim) {
  float *q = floats(queries * dim), *key = floats(keys * dim), *v = floats(keys * dim);
  float *out = floats(queries * dim), *scratch = floats(ck_attention_scratch(keys, dim));
  ck_attention p = {q, dim, key, dim, v, dim, queries, keys, dim, 0.125f, out, dim, scratch};
  double t;
  LEAST(t, k->attention(&p));
  printf("attention %zu x %zu x %zu  %8.2f us  %6.1f GMAC/s\n", queries, keys, dim, 1e6 * t,
         2e-9 * (double)(queries * keys * dim) / t);
  free(q), free(key), free(v), free(out), free(scratch);
}

static void rows_of(const ck_kernels *k, size_t rows, size_t columns) {
  float *x = floats(rows * columns), *y = floats(rows * columns), *g = floats(columns), *scale = floats(rows);
  unsigned char *q = filled(rows * columns, 0);
  int32_t *zero = filled(4 * rows, 0);
  double ln, lnq, qu, act;
  LEAST(ln, k->layer_norm(x, columns, rows, columns, g, g, 1e-5f, y, columns));
  LEAST(lnq, k->layer_norm_quantize(x, columns, rows, columns, g, g, 1e-5f, y, columns, NULL, q, columns, scale, zero));
  LEAST(qu, k->quantize_rows(x, columns, rows, columns, NULL, q, columns, scale, zero));
  LEAST(act, k->bias_activation(y, columns, rows, columns, g, CK_GELU, NULL, 0));
  printf("%zu x %zu: layer_norm %.1f us, layer_norm_quantize %.1f us, quantize_rows %.1f us, gelu %.1f us\n", rows,
         columns, 1e6 * ln, 1e6 * lnq, 1e6 * qu, 1e6 * act);
  free(x), free(y), free(g), free(scale), free(q), free(zero);
}

/* A function of OpenBLAS, which then works on one thread, or NULL. */
static void *blas_symbol(const char *name) {
  void *blas = dlopen("libopenblas.so.0", RTLD_NOW);
  void (*set_threads)(int) = blas ? (void (*)(int))dlsym(blas, "openblas_set_num_threads") : NULL;
  if (set_threads == NULL) return NULL;
  set_threads(1);
  return dlsym(blas, name);
}

typedef void sgemv(int, int, int, int, float, const float *, int, const float *, int, float, float *, int);

static void gemv(const ck_kernels *k, size_t rows, size_t columns) {
  float *w = floats(rows * columns), *x = floats(rows > columns ? rows : columns);
  float *y = floats(rows > columns ? rows : columns);
  double t, tt, bytes = 4e-9 * (double)(rows * columns);
  LEAST(t, k->gemv(w, columns, rows, columns, x, NULL, y));
  LEAST(tt, k->gemv_transposed(w, columns, rows, columns, x, y));
  printf("gemv %zu x %zu  %.2f ms %.1f GB/s, transposed %.2f ms %.1f GB/s\n", rows, columns, 1e3 * t, bytes / t,
         1e3 * tt, bytes / tt);
  sgemv *cblas_sgemv = (sgemv *)blas_symbol("cblas_sgemv");
  if (cblas_sgemv) {
    int m = (int)rows, n = (int)columns;
    LEAST(t, cblas_sgemv(101, 111, m, n, 1, w, n, x, 1, 0, y, 1));
    LEAST(tt, cblas_sgemv(101, 112, m, n, 1, w, n, x, 1, 0, y, 1));
    printf("  OpenBLAS      %.2f ms %.1f GB/s, transposed %.2f ms %.1f GB/s\n", 1e3 * t, bytes / t, 1e3 * tt,
           bytes / tt);
  }
  free(w), free(x), free(y);
}

typedef void sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);

/* The products of a linear layer in training: forward x W^T, the gradients dy W of its input and dy^T x of its weight. */
static void gemm(const ck_kernels *k, size_t rows, size_t columns, size_t depth, int transpose_a, int transpose_b) {
  ck_gemm p = {.a = floats(rows * depth), .lda = transpose_a ? rows : depth, .transpose_a = transpose_a,
               .b = floats(depth * columns), .ldb = transpose_b ? depth : columns, .transpose_b = transpose_b,
               .rows = rows, .columns = columns, .depth = depth, .out = floats(rows * columns), .ldo = columns,
               .scratch = filled(ck_gemm_scratch, 0)};
  double t, products = 1e-9 * (double)rows * (double)columns * (double)depth;
  LEAST(t, k->gemm_bf16(&p));
  printf("gemm_bf16 %4zu x %4zu x %4zu%s%s  %.2f ms %.1f GMAC/s", rows, columns, depth, transpose_a ? ", a^T" : "",
         transpose_b ? ", b^T" : "", 1e3 * t, products / t);
  sgemm *cblas_sgemm = (sgemm *)blas_symbol("cblas_sgemm");
  if (cblas_sgemm) {
    double other;
    LEAST(other, cblas_sgemm(101, transpose_a ? 112 : 111, transpose_b ? 112 : 111, (int)rows, (int)columns, (int)depth,
                             1, p.a, (int)p.lda, p.b, (int)p.ldb, 0, p.out, (int)p.ldo));
    printf(", of OpenBLAS in float32 %.1f: ratio of the times %.2f", products / other, t / other);
  }
  printf("\n");
  free((void *)p.a), free((void *)p.b), free(p.out), free(p.scratch);
}

int main(int count, char **arguments) {
  const ck_kernels *k = count > 1 ? ck_kernels_named(arguments[1]) : ck_kernels_best();
  if (k == NULL) {
    fprintf(stderr, "this build or CPU has no kernels %s\n", arguments[1]);
    return 1;
  }
  printf("%s\n", k->isa);
  for (int activation = 0; activation < 3; activation++) linear(k, 50, 768, 3072, (ck_activation)activation, cached);
  linear(k, 50, 3072, 768, CK_IDENTITY, cached);
  linear(k, 50, 768, 768, CK_IDENTITY, cached);
  linear(k, 16, 768, 3072, CK_IDENTITY, cached);
  linear(k, 1, 768, 3072, CK_IDENTITY, cached);
  linear(k, 1, 3072, 16384, CK_IDENTITY, cached);
  linear(k, 50, 768, 768, CK_IDENTITY, from_memory);
  linear(k, 50, 3072, 768, CK_IDENTITY, from_memory);
  linear(k, 400, 768, 768, CK_IDENTITY, from_memory);
  attention(k, 50, 50, 64);
  attention(k, 16, 16, 64);
  attention(k, 1, 50, 64);
  attention(k, 512, 512, 32);
  rows_of(k, 50, 768);
  rows_of(k, 50, 3072);
  gemv(k, 100000, 512);
  gemv(k, 512, 1280);
  gemm(k, 128, 3072, 768, 0, 1);
  gemm(k, 128, 768, 3072, 0, 1);
  gemm(k, 128, 768, 3072, 0, 0);
  gemm(k, 128, 768, 800, 1, 0);
}
