/* Processes that fork while OpenBLAS is loaded, end amid products, or lack at first what loading takes.
 *
 * usage: openblas   built with Sources/CBLAS/blas.c, which is all of the library that is tested here */
#define _GNU_SOURCE
#include "blas.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { tries = 20, callers = 6, side = 512 };

static void multiply(size_t n) {
  float *a = calloc(n * n, sizeof *a), *b = calloc(n * n, sizeof *b), *c = calloc(n * n, sizeof *c);
  if (!a || !b || !c) _exit(2);
  blas_sgemm(0, 0, (int)n, (int)n, (int)n, a, (int)n, b, (int)n, 0, c, (int)n);
  free(a), free(b), free(c);
}

static void *multiply_on(void *unused) {
  for (;;) multiply(side);
  return unused;
}

static void *load(void *unused) {
  const char *reason;
  if (blas_load(&reason) != BLAS_LOADED) _exit(3);
  return unused;
}

static int ends_well(pid_t child) {
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* An exit handler of the host's that takes longer than products are held up. */
static void linger(void) { usleep(1200000); }

/* The process ends while its threads multiply, every other time with such a handler from before. */
static void end_amid_products(unsigned delay) {
  pthread_t thread;
  if (delay / 400 % 2) atexit(linger);
  load(NULL);
  for (int i = 0; i < callers; i++) pthread_create(&thread, NULL, multiply_on, NULL);
  usleep(delay);
  exit(0);
}

/* The process forks while a thread loads OpenBLAS, and the child multiplies. */
static void fork_amid_loading(unsigned delay) {
  pthread_t thread;
  pthread_create(&thread, NULL, load, NULL);
  usleep(delay);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    load(NULL);
    multiply(64);
    _exit(0);
  }
  const int good = ends_well(child);
  pthread_join(thread, NULL);
  _exit(good ? 0 : 1);
}

/* No file can be opened at first, then the process closes others: that must not have been remembered. */
static void load_in_want_of_descriptors(unsigned unused) {
  (void)unused;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  const struct rlimit none = {.rlim_cur = 3, .rlim_max = limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const char *reason;
  if (blas_load(&reason) != BLAS_MISSING || !strstr(reason, "libopenblas.so.0: ")) _exit(4);
  setrlimit(RLIMIT_NOFILE, &limit);
  load(NULL);
  multiply(64);
  _exit(0);
}

/* Lets this process have so much more memory than it has. */
static void limit_memory(rlim_t more) {
  struct rlimit limit;
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%lu", &pages) != 1) _exit(5);
  fclose(file);
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = more == RLIM_INFINITY ? limit.rlim_max : pages * (rlim_t)sysconf(_SC_PAGESIZE) + more;
  setrlimit(RLIMIT_AS, &limit);
}

/* There is no memory to work in, at first. */
static void load_in_want_of_memory(unsigned unused) {
  (void)unused;
  const char *reason;
  limit_memory(100 << 20);
  if (blas_load(&reason) != BLAS_OUT_OF_MEMORY || !strstr(reason, "134217728 bytes")) _exit(4);
  limit_memory(RLIM_INFINITY);
  load(NULL);
  multiply(64);
  _exit(0);
}

static pthread_barrier_t begun;

static void *multiply_some(void *unused) {
  float *zeros = calloc(2 * side * side, sizeof *zeros);
  if (!zeros) _exit(2);
  /* Once with the memory of malloc() for this thread, and then with that for products limited. */
  pthread_barrier_wait(&begun);
  pthread_barrier_wait(&begun);
  for (int i = 0; i < 20; i++) {
    blas_sgemm(0, 0, side, side, side, zeros, side, zeros, side, 0, zeros + side * side, side);
  }
  free(zeros);
  return unused;
}

/* There is memory for two products, and there are more threads. */
static void multiply_in_want_of_memory(unsigned unused) {
  (void)unused;
  pthread_t threads[callers];
  alarm(60);
  load(NULL);
  pthread_barrier_init(&begun, NULL, callers + 1);
  for (int i = 0; i < callers; i++) pthread_create(&threads[i], NULL, multiply_some, NULL);
  pthread_barrier_wait(&begun);
  limit_memory(200 << 20);
  pthread_barrier_wait(&begun);
  for (int i = 0; i < callers; i++) pthread_join(threads[i], NULL);
  _exit(0);
}

static const struct {
  const char *name;
  void (*run)(unsigned delay);
} hosts[] = {
    {"an end amid products", end_amid_products},
    {"a fork amid loading", fork_amid_loading},
    {"a load in want of descriptors", load_in_want_of_descriptors},
    {"a load in want of memory", load_in_want_of_memory},
    {"products in want of memory", multiply_in_want_of_memory},
};
enum { host_count = sizeof hosts / sizeof *hosts };

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  int passed = 0, failed = 0;
  for (unsigned i = 0; i < host_count * tries; i++) {
    const pid_t child = fork();
    if (child == 0) hosts[i % host_count].run(500 + 400 * (i / host_count));
    if (ends_well(child)) {
      passed++;
    } else {
      failed++;
      printf("openblas: %s: it does not end well\n", hosts[i % host_count].name);
    }
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
