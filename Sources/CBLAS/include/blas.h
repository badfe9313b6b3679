/* The only contact with OpenBLAS. It starts threads when it is loaded, so it is loaded at its first use,
 * and nothing here links against it. */
#ifndef BLAS_H
#define BLAS_H

#include <stddef.h>

enum blas_status {
  BLAS_LOADED,
  /* There is no OpenBLAS. */
  BLAS_MISSING,
  /* There is no memory for a product, of which OpenBLAS asks the system for ever. */
  BLAS_OUT_OF_MEMORY
};

/* Loads OpenBLAS once: the library that the environment variable ARMS_OPENBLAS names, which is ignored in a process with
 * privileges that its caller lacks, else libscipy_openblas.so, libopenblas.so.0, libopenblas.so. Where it fails
 * `reason` receives one line of text, the calling thread's until its next call, and the next call tries again. Thread
 * safe. */
enum blas_status blas_load(const char **reason);

/* c[m, n] = op(a)[m, k] op(b)[k, n] + beta c, row-major float32, on the calling thread; op transposes where
 * `transpose_a` or `transpose_b` is not 0, so that a is stored [k, m] or b [n, k]. c is not read if beta is 0.
 * Only after blas_load() gave BLAS_LOADED. Thread safe: OpenBLAS's own threads are never used. Their number is one
 * setting for the whole process, they cannot be shared between callers, and a fork() that meets them at work can
 * hang. A fork(), and the end of the process, wait for the products under way, so that a child finds no lock of
 * OpenBLAS taken and no product its buffers gone. Of many threads 32 to 64, by the number of cores, multiply at a
 * time, or as many as there is memory for: OpenBLAS crashes where too many do, and hangs where it gets none. */
void blas_sgemm(int transpose_a, int transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
                int ldb, float beta, float *c, int ldc);

#endif
