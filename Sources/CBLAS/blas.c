#include "blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* From the CBLAS interface: CblasRowMajor, CblasNoTrans, CblasTrans. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void (*sgemm_function)(int, int, int, int, int, int, float, const float *, int, const float *, int,
                               float, float *, int);
typedef void (*set_threads_function)(int);

static sgemm_function sgemm;
static char failure[512];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *open_library(void) {
  const char *named = getenv("ARMS_OPENBLAS");
  if (named && *named) return dlopen(named, RTLD_NOW | RTLD_LOCAL);
  /* The first is that of PyPI's scipy-openblas32, which a wheel of the Python package depends on and looks for beside
   * itself; elsewhere it is hardly in the search path. */
  static const char *const names[] = {"libscipy_openblas.so", "libopenblas.so.0", "libopenblas.so"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
  }
  return NULL;
}

static void load(void) {
  void *library = open_library();
  if (!library) {
    const char *reason = dlerror();
    snprintf(failure, sizeof failure,
             "OpenBLAS, which float weights and training need, is not there (%s): install libopenblas0 or name "
             "the library in ARMS_OPENBLAS, or use an int8 model file",
             reason ? reason : "no reason given");
    return;
  }
  /* PyPI's scipy-openblas32 carries a prefix on every symbol. */
  sgemm = (sgemm_function)dlsym(library, "cblas_sgemm");
  set_threads_function set_threads = (set_threads_function)dlsym(library, "openblas_set_num_threads");
  if (!sgemm) {
    sgemm = (sgemm_function)dlsym(library, "scipy_cblas_sgemm");
    set_threads = (set_threads_function)dlsym(library, "scipy_openblas_set_num_threads");
  }
  if (!sgemm || !set_threads) {
    sgemm = NULL;
    snprintf(failure, sizeof failure,
             "the BLAS library found is not OpenBLAS (no cblas_sgemm and openblas_set_num_threads): install "
             "libopenblas0 or name it in ARMS_OPENBLAS");
    return;
  }
  set_threads(1);
}

const char *blas_load(void) {
  pthread_once(&once, load);
  return sgemm ? NULL : failure;
}

void blas_sgemm(int transpose_a, int transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
                int ldb, float beta, float *c, int ldc) {
  sgemm(ROW_MAJOR, transpose_a ? TRANS : NO_TRANS, transpose_b ? TRANS : NO_TRANS, m, n, k, 1, a, lda, b, ldb,
        beta, c, ldc);
}
