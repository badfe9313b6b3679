/* Processes that fork while OpenBLAS is loaded, or end amid products.
 *
 * usage: openblas   built with Sources/CBLAS/blas.c, which is all of the library that is tested here */
#define _GNU_SOURCE
#include "blas.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
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
  if (blas_load()) _exit(3);
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

int main(void) {
  int passed = 0, failed = 0;
  void (*const hosts[])(unsigned) = {end_amid_products, fork_amid_loading};
  for (unsigned i = 0; i < 2 * tries; i++) {
    const pid_t child = fork();
    if (child == 0) hosts[i % 2](500 + 400 * (i / 2));
    if (ends_well(child)) {
      passed++;
    } else {
      failed++;
      printf("openblas: %s: it does not end well\n", i % 2 ? "a fork amid loading" : "an end amid products");
    }
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
