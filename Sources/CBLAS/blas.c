#include "blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* From the CBLAS interface: CblasRowMajor, CblasNoTrans, CblasTrans. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void (*sgemm_function)(int, int, int, int, int, int, float, const float *, int, const float *, int,
                               float, float *, int);
typedef void (*set_threads_function)(int);

static sgemm_function sgemm;
static set_threads_function set_threads;
static char failure[512];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *open_library(void) {
  const char *named = getenv("ARMS_OPENBLAS");
  if (named && *named) return dlopen(named, RTLD_NOW | RTLD_LOCAL);
  static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", "libscipy_openblas.so"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
  }
  return NULL;
}

/* Products under way; -1 while the number of threads is being changed. */
static _Atomic int running = 0;
/* The number of threads that was set. */
static _Atomic int current = 0;

/* The threads whose products these were are not in the child. */
static void after_fork(void) { atomic_store(&running, 0); }

static void load(void) {
  pthread_atfork(NULL, NULL, after_fork);
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
  set_threads = (set_threads_function)dlsym(library, "openblas_set_num_threads");
  if (!sgemm) {
    sgemm = (sgemm_function)dlsym(library, "scipy_cblas_sgemm");
    set_threads = (set_threads_function)dlsym(library, "scipy_openblas_set_num_threads");
  }
  if (!sgemm || !set_threads) {
    sgemm = NULL;
    snprintf(failure, sizeof failure,
             "the BLAS library found is not OpenBLAS (no cblas_sgemm and openblas_set_num_threads): install "
             "libopenblas0 or name it in ARMS_OPENBLAS");
  }
}

const char *blas_load(void) {
  pthread_once(&once, load);
  return sgemm ? NULL : failure;
}

/* Announces a product. The number of threads is a setting of the whole library, and changing it takes the
 * buffers of those at work: it is only changed while no product runs, else the product takes the number that
 * is set. */
static void begin(int threads) {
  for (;;) {
    int seen = atomic_load(&running);
    if (seen == 0 && atomic_load(&current) != threads) {
      if (!atomic_compare_exchange_weak(&running, &seen, -1)) continue;
      set_threads(threads);
      atomic_store(&current, threads);
      atomic_store(&running, 1);
      return;
    }
    if (seen >= 0 && atomic_compare_exchange_weak(&running, &seen, seen + 1)) return;
    if (seen < 0) sched_yield();
  }
}

static void end(void) { atomic_fetch_sub(&running, 1); }

void blas_sgemm_nt(int m, int n, int k, const float *a, int lda, const float *b, int ldb, float *c, int ldc,
                   int threads) {
  begin(threads);
  sgemm(ROW_MAJOR, NO_TRANS, TRANS, m, n, k, 1, a, lda, b, ldb, 0, c, ldc);
  end();
}
