#define _GNU_SOURCE
#include "blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* From the CBLAS interface: CblasRowMajor, CblasNoTrans, CblasTrans. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void (*sgemm_function)(int, int, int, int, int, int, float, const float *, int, const float *, int,
                               float, float *, int);
typedef void (*set_threads_function)(int);

static sgemm_function sgemm;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Of the load, which is tried again where it failed: what it lacked, as memory or a free descriptor, may be there by
 * then. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local char failure[1024];

/* Every product under way holds one of OpenBLAS's work buffers, of which there are 128 or so; it prints a complaint and
 * then crashes where more are wanted. Interrupted threads hold theirs as well, so that the number of cores is no
 * bound. Products beyond the room wait: they would find no core anyway. */
enum { least_room = 32, most_room = 64 };
static unsigned products_at_once;
static sem_t room;

static void make_room(void) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  products_at_once = cores < least_room ? least_room : cores > most_room ? most_room : (unsigned)cores;
  sem_init(&room, 0, products_at_once);
}

/* Every product takes a lock of OpenBLAS for a moment. A thread that holds it while another forks does not live on in
 * the child, which would wait for the lock for ever. So a fork() waits for the products under way, and products
 * wait for a fork(). Neither waits for longer than until a second after the first of the forks under way began: a
 * signal handler may fork amid a product, and fork() may be held up by a lock of the host's that the product's thread
 * has. What is left then is the risk to the child. Loading counts as a product: a child that finds it half done crashes.
 * The end of the process waits as a fork() does, since OpenBLAS unmaps its buffers then. */
static atomic_uint products, forks;
static atomic_llong fork_deadline;

static long long microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int waits_for(atomic_uint *count) {
  return atomic_load(count) && microseconds() < atomic_load(&fork_deadline);
}

static void begin_product(void) {
  while (sem_wait(&room) != 0) {
    /* A signal came. */
  }
  for (;;) {
    while (waits_for(&forks)) usleep(50);
    atomic_fetch_add(&products, 1);
    if (!waits_for(&forks)) return;
    atomic_fetch_sub(&products, 1);
  }
}

static void end_product(void) {
  atomic_fetch_sub(&products, 1);
  sem_post(&room);
}

static void before_fork(void) {
  if (atomic_load(&forks) == 0) atomic_store(&fork_deadline, microseconds() + 1000000);
  atomic_fetch_add(&forks, 1);
  while (waits_for(&products)) usleep(50);
}

static void after_fork_in_parent(void) { atomic_fetch_sub(&forks, 1); }

static void after_fork_in_child(void) {
  sem_init(&room, 0, products_at_once);
  pthread_mutex_init(&loading, NULL);
  atomic_store(&products, 0);
  atomic_store(&forks, 0);
}

/* The last that is run before OpenBLAS's own destructor: dlsym() has made it a dependency of this library. What is given
 * to atexit() runs before what the host gave to it earlier, which may take longer than products are held up. */
__attribute__((destructor)) static void before_end(void) {
  if (!sgemm) return;
  atomic_store(&fork_deadline, microseconds() + 1000000);
  atomic_fetch_add(&forks, 1);
  while (waits_for(&products)) usleep(50);
}

/* What the dynamic linker said of each name that was tried. */
static char reasons[768];

static void *open_one(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library) return library;
  const char *reason = dlerror();
  const size_t length = strlen(reasons);
  snprintf(reasons + length, sizeof reasons - length, "%s%s", length ? "; " : "", reason ? reason : name);
  return NULL;
}

static void *open_named(void) {
  const char *named = getenv("ARMS_OPENBLAS");
  if (named && *named) return open_one(named);
  /* The first is that of the Python package scipy-openblas32, which our wheel depends on and looks for beside itself;
   * elsewhere it is hardly in the search path. */
  static const char *const names[] = {"libscipy_openblas.so", "libopenblas.so.0", "libopenblas.so"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = open_one(names[i]);
    if (library) return library;
  }
  return NULL;
}

#if defined(__x86_64__)
/* OpenBLAS knows processors by their names, and takes one that is newer than itself for a lesser one: before 0.3.24 an
 * AMD processor with AVX-512 for one without, at half the speed, and that of Debian 12 Intel's Emerald Rapids for a
 * Prescott, at a fifth of a product's. It can be told by one environment variable alone, read while it is loaded, and
 * setenv() is no function for a library: other threads may be reading. So `environ` points to a copy with that variable
 * in front meanwhile, which is never freed: a thread may hold it still. What another thread changes meanwhile stays.
 * A load that is tried again takes the same memory, if it suffices. */
static char variable[] = "OPENBLAS_CORETYPE=SkylakeX";

/* Takes the variable out of an environment that setenv() has made of ours. */
static void take_out(char **environment) {
  while (*environment && *environment != variable) environment++;
  for (; *environment; environment++) *environment = environment[1];
}

static void *open_for_avx512(void) {
  static char **with;
  static size_t capacity;
  char **before = environ;
  size_t count = 0;
  while (before && before[count]) count++;
  if (count + 2 > capacity) {
    char **larger = malloc((count + 2) * sizeof *larger);
    if (!larger) return open_named();
    with = larger, capacity = count + 2;
  }
  with[0] = variable;
  for (size_t i = 0; i < count; i++) with[i + 1] = before[i];
  with[count + 1] = NULL;
  environ = with;
  void *library = open_named();
  if (environ != with) {
    take_out(environ);
  } else {
    /* Variables were replaced or removed in the copy, if at all. */
    size_t left = 0;
    while (with[1 + left]) left++;
    if (before) memcpy(before, with + 1, (left + 1) * sizeof *before);
    environ = before;
  }
  return library;
}

static void *open_library(void) {
  int has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl");
  return has_avx512 && !getenv("OPENBLAS_CORETYPE") ? open_for_avx512() : open_named();
}
#else
static void *open_library(void) { return open_named(); }
#endif

static void prepare(void) {
  make_room();
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* Finds the functions, or says in `failure` why not. */
static void load(void) {
  *reasons = '\0';
  begin_product();
  void *library = open_library();
  end_product();
  if (!library) {
    snprintf(failure, sizeof failure,
             "OpenBLAS, which float weights and training need, could not be loaded (%s): install libopenblas0 or name "
             "the library in ARMS_OPENBLAS, or use an int8 model file",
             reasons);
    return;
  }
  /* scipy-openblas32 carries a prefix on every symbol. */
  sgemm_function found = (sgemm_function)dlsym(library, "cblas_sgemm");
  set_threads_function set_threads = (set_threads_function)dlsym(library, "openblas_set_num_threads");
  if (!found) {
    found = (sgemm_function)dlsym(library, "scipy_cblas_sgemm");
    set_threads = (set_threads_function)dlsym(library, "scipy_openblas_set_num_threads");
  }
  if (!found || !set_threads) {
    snprintf(failure, sizeof failure,
             "the BLAS library found is not OpenBLAS (no cblas_sgemm and openblas_set_num_threads): install "
             "libopenblas0 or name it in ARMS_OPENBLAS");
    dlclose(library);
    return;
  }
  set_threads(1);
  sgemm = found;
}

const char *blas_load(void) {
  pthread_once(&once, prepare);
  pthread_mutex_lock(&loading);
  if (!sgemm) load();
  const int is_loaded = sgemm != NULL;
  pthread_mutex_unlock(&loading);
  return is_loaded ? NULL : failure;
}

void blas_sgemm(int transpose_a, int transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
                int ldb, float beta, float *c, int ldc) {
  begin_product();
  sgemm(ROW_MAJOR, transpose_a ? TRANS : NO_TRANS, transpose_b ? TRANS : NO_TRANS, m, n, k, 1, a, lda, b, ldb,
        beta, c, ldc);
  end_product();
}
