#define _GNU_SOURCE
#include "blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/* Every product under way holds one of OpenBLAS's work buffers, which it keeps for the next one. It has room for 128 of
 * them or so; it prints a complaint and then crashes where more are wanted, and asks the system for ever where that has
 * no memory for one. So a product begins with a buffer that is known to be there, one of `buffers`, of which `room`
 * counts those that no product has; or, one thread at a time, with a new one, of whose size there was memory just
 * before. The others wait: of so many threads most would find no core anyway. Interrupted threads hold theirs as well,
 * so that the number of cores is no bound. */
enum { least_room = 32, most_room = 64 };
static const size_t buffer_size = 128 << 20;
static unsigned most_buffers;
static atomic_uint buffers;
static sem_t room;
static pthread_mutex_t growing = PTHREAD_MUTEX_INITIALIZER;

static void make_room(void) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  most_buffers = cores < least_room ? least_room : cores > most_room ? most_room : (unsigned)cores;
  sem_init(&room, 0, 0);
}

static int has_memory(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory != MAP_FAILED && munmap(memory, size) == 0;
}

/* Whether this product makes a new buffer, and so holds `growing` to its end; else it took one from `room`. */
static int take_buffer(void) {
  if (sem_trywait(&room) == 0) return 0;
  if (pthread_mutex_trylock(&growing) == 0) {
    if (atomic_load(&buffers) < most_buffers && has_memory(buffer_size)) return 1;
    pthread_mutex_unlock(&growing);
  }
  while (sem_wait(&room) != 0) {
    /* A signal came. */
  }
  return 0;
}

static void give_buffer(int is_new) {
  if (is_new) {
    atomic_fetch_add(&buffers, 1);
    pthread_mutex_unlock(&growing);
  }
  sem_post(&room);
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
  for (;;) {
    while (waits_for(&forks)) usleep(50);
    atomic_fetch_add(&products, 1);
    if (!waits_for(&forks)) return;
    atomic_fetch_sub(&products, 1);
  }
}

static void end_product(void) { atomic_fetch_sub(&products, 1); }

static void before_fork(void) {
  if (atomic_load(&forks) == 0) atomic_store(&fork_deadline, microseconds() + 1000000);
  atomic_fetch_add(&forks, 1);
  while (waits_for(&products)) usleep(50);
}

static void after_fork_in_parent(void) { atomic_fetch_sub(&forks, 1); }

/* Buffers of products that other threads of the parent have not ended are lost: others will be made in their place. */
static void after_fork_in_child(void) {
  int left = 0;
  sem_getvalue(&room, &left);
  atomic_store(&buffers, left > 0 ? (unsigned)left : 0);
  sem_init(&room, 0, atomic_load(&buffers));
  pthread_mutex_init(&growing, NULL);
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
  const char *named = secure_getenv("ARMS_OPENBLAS");
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

/* OpenBLAS reads what follows from the environment alone, while it is loaded, and setenv() is no function for a library:
 * other threads may be reading. So `environ` points to a copy with these variables in front meanwhile, which is never
 * freed: a thread may hold it still. What another thread changes meanwhile stays. A load that is tried again takes the
 * same memory, if it suffices.
 *
 * Its own threads, which are never used, would each take a work buffer as they start.
 *
 * It knows processors by their names, and takes one that is newer than itself for a lesser one: before 0.3.24 an AMD
 * processor with AVX-512 for one without, at half the speed, and that of Debian 12 Intel's Emerald Rapids for a
 * Prescott, at a fifth of a product's. */
static char one_thread[] = "OPENBLAS_NUM_THREADS=1";
static char core_type[] = "OPENBLAS_CORETYPE=SkylakeX";
enum { most_added = 2 };

/* Copies an environment but for the variables above; `to` may be `from`. */
static void copy_without_added(char **from, char **to) {
  for (; *from; from++) {
    if (*from != one_thread && *from != core_type) *to++ = *from;
  }
  *to = NULL;
}

static int wants_core_type(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && !getenv("OPENBLAS_CORETYPE");
#else
  return 0;
#endif
}

static void *open_library(void) {
  static char **with;
  static size_t capacity;
  char **before = environ;
  size_t count = 0, added = 0;
  while (before && before[count]) count++;
  if (count + most_added + 1 > capacity) {
    char **larger = malloc((count + most_added + 1) * sizeof *larger);
    if (!larger) return open_named();
    with = larger, capacity = count + most_added + 1;
  }
  with[added++] = one_thread;
  if (wants_core_type()) with[added++] = core_type;
  for (size_t i = 0; i < count; i++) with[added + i] = before[i];
  with[added + count] = NULL;
  environ = with;
  void *library = open_named();
  if (environ != with) {
    /* setenv() has made an environment of ours. */
    copy_without_added(environ, environ);
  } else {
    /* Variables were replaced or removed in the copy, if at all. */
    if (before) copy_without_added(with, before);
    environ = before;
  }
  return library;
}

static void prepare(void) {
  make_room();
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* Finds the functions of a library, which carry a prefix in scipy-openblas32. */
static sgemm_function found_in(void *library, set_threads_function *set_threads) {
  sgemm_function found = (sgemm_function)dlsym(library, "cblas_sgemm");
  *set_threads = (set_threads_function)dlsym(library, "openblas_set_num_threads");
  if (found) return found;
  *set_threads = (set_threads_function)dlsym(library, "scipy_openblas_set_num_threads");
  return (sgemm_function)dlsym(library, "scipy_cblas_sgemm");
}

/* Lets OpenBLAS make its first buffer, by a product that is not so small as to do without. */
static int make_first_buffer(sgemm_function multiply) {
  enum { side = 128 };
  float *zeros = calloc(2 * side * side, sizeof *zeros);
  const int is_possible = zeros && has_memory(buffer_size);
  if (is_possible) {
    pthread_mutex_lock(&growing);
    begin_product();
    multiply(ROW_MAJOR, NO_TRANS, NO_TRANS, side, side, side, 1, zeros, side, zeros, side, 0, zeros + side * side,
             side);
    end_product();
    give_buffer(1);
  }
  free(zeros);
  return is_possible;
}

/* Loads the library, or says in `failure` why not. */
static enum blas_status load(void) {
  static void *library;
  if (!library) {
    *reasons = '\0';
    begin_product();
    library = open_library();
    end_product();
  }
  if (!library) {
    snprintf(failure, sizeof failure,
             "OpenBLAS, which float weights and training need, could not be loaded (%s): install libopenblas0 or name "
             "the library in ARMS_OPENBLAS, or use an int8 model file",
             reasons);
    return BLAS_MISSING;
  }
  set_threads_function set_threads;
  const sgemm_function found = found_in(library, &set_threads);
  if (!found || !set_threads) {
    snprintf(failure, sizeof failure,
             "the BLAS library found is not OpenBLAS (no cblas_sgemm and openblas_set_num_threads): install "
             "libopenblas0 or name it in ARMS_OPENBLAS");
    dlclose(library);
    library = NULL;
    return BLAS_MISSING;
  }
  set_threads(1);
  if (!make_first_buffer(found)) {
    snprintf(failure, sizeof failure, "%zu bytes that OpenBLAS works in cannot be allocated", buffer_size);
    return BLAS_OUT_OF_MEMORY;
  }
  sgemm = found;
  return BLAS_LOADED;
}

enum blas_status blas_load(const char **reason) {
  pthread_once(&once, prepare);
  pthread_mutex_lock(&loading);
  const enum blas_status status = sgemm ? BLAS_LOADED : load();
  pthread_mutex_unlock(&loading);
  *reason = failure;
  return status;
}

void blas_sgemm(int transpose_a, int transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
                int ldb, float beta, float *c, int ldc) {
  const int is_new = take_buffer();
  begin_product();
  sgemm(ROW_MAJOR, transpose_a ? TRANS : NO_TRANS, transpose_b ? TRANS : NO_TRANS, m, n, k, 1, a, lda, b, ldb,
        beta, c, ldc);
  end_product();
  give_buffer(is_new);
}
