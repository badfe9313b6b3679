/* What hosts do to the libraries that they load, and what must not matter to this one.
 *
 * usage: hosts LIBRARY MODEL
 *
 * The library is loaded with dlopen(), as a plug-in's host would. Closing line: "N passed, M failed". */
#define _GNU_SOURCE
#include <arms.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int passed, failed;
static const char *library, *model;

static void check(int good, const char *what) {
  if (good) {
    passed++;
  } else {
    failed++;
    printf("hosts: %s\n", what);
  }
}

/* The functions of one copy of the library. */
struct copy {
  void *handle;
  __typeof__(&arms_router_open) open;
  __typeof__(&arms_router_free) free;
  __typeof__(&arms_router_save) save;
  __typeof__(&arms_router_reload) reload;
  __typeof__(&arms_route) route;
  __typeof__(&arms_candidates_add) add;
  __typeof__(&arms_candidates_remove) remove;
  __typeof__(&arms_dataset_create) create_dataset;
  __typeof__(&arms_dataset_free) free_dataset;
  __typeof__(&arms_log_set) set_log;
};

static struct copy loaded(const char *path) {
  struct copy copy = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
  if (copy.handle == NULL) fprintf(stderr, "hosts: %s\n", dlerror()), exit(1);
  copy.open = dlsym(copy.handle, "arms_router_open");
  copy.free = dlsym(copy.handle, "arms_router_free");
  copy.save = dlsym(copy.handle, "arms_router_save");
  copy.reload = dlsym(copy.handle, "arms_router_reload");
  copy.route = dlsym(copy.handle, "arms_route");
  copy.add = dlsym(copy.handle, "arms_candidates_add");
  copy.remove = dlsym(copy.handle, "arms_candidates_remove");
  copy.create_dataset = dlsym(copy.handle, "arms_dataset_create");
  copy.free_dataset = dlsym(copy.handle, "arms_dataset_free");
  copy.set_log = dlsym(copy.handle, "arms_log_set");
  return copy;
}

static arms_router *opened(const struct copy *copy, uint32_t threads) {
  arms_open_options options = {.struct_size = sizeof options, .threads = threads};
  arms_router *router = NULL;
  copy->open(model, &options, &router, NULL);
  return router;
}

static uint8_t pixels[48 * 48 * 3];

/* Routes with an image; whether it went well, and the confidence. */
static int routed(const struct copy *copy, const arms_router *router, float *confidence) {
  arms_image_input image = {.struct_size = sizeof image, .format = ARMS_IMAGE_RGB8, .width = 48,
                            .height = 48, .data = pixels, .size = sizeof pixels};
  arms_query query = {.struct_size = sizeof query, .image_count = 1, .images = &image,
                      .text = "WHICH TITLE IS IN THE IMAGE? \xc4\xb0\xc4\xb1", .text_length = ARMS_NUL_TERMINATED};
  arms_decision decision = {.struct_size = sizeof decision};
  arms_status status = copy->route(router, &query, NULL, &decision, NULL, 0, NULL);
  *confidence = decision.confidence;
  return status == ARMS_OK;
}

/* ------------------------------------------------------------------------------------------- signals */

static atomic_ulong alarms;
static void on_alarm(int number) {
  (void)number;
  int kept = errno;
  atomic_fetch_add(&alarms, 1);
  errno = kept;
}

/* A handler without SA_RESTART every millisecond: system calls are interrupted, and begun anew. */
static void signals(void) {
  struct copy copy = loaded(library);
  arms_router *router = opened(&copy, 0);
  float expected = 0, got = 0;
  check(routed(&copy, router, &expected), "the first route fails");
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &every, NULL);
  char path[64];
  snprintf(path, sizeof path, "/tmp/arms-hosts-%d.gguf", (int)getpid());
  int good = 1;
  for (int i = 0; i < 300 || atomic_load(&alarms) < 100; i++)
    good &= routed(&copy, router, &got) && got == expected;
  for (int i = 0; i < 20; i++) {
    good &= copy.save(router, path, NULL) == ARMS_OK && copy.reload(router, path, NULL, NULL) == ARMS_OK;
    arms_router *other = NULL;
    arms_open_options copied = {.struct_size = sizeof copied, .flags = ARMS_OPEN_COPY};
    good &= copy.open(path, &copied, &other, NULL) == ARMS_OK && routed(&copy, other, &got);
    copy.free(other);
  }
  setitimer(ITIMER_REAL, &never, NULL);
  check(good && got == expected, "calls fail or differ while a signal comes every millisecond");
  check(atomic_load(&alarms) >= 100, "no signal came");
  struct sigaction after;
  sigaction(SIGALRM, NULL, &after);
  check(after.sa_handler == on_alarm, "the handler was replaced");
  unlink(path);
  copy.free(router);
}

/* ------------------------------------------------------------------------------- threads with small stacks */

struct visit {
  const struct copy *copy;
  arms_router *router;
  int good;
};

static void *visit(void *argument) {
  struct visit *visit = argument;
  float confidence = 0;
  const char *names[] = {"visitor"};
  arms_candidate visitor = {.struct_size = sizeof visitor, .name = names[0], .profile = "Reads charts."};
  visit->good = routed(visit->copy, visit->router, &confidence);
  visit->good &= visit->copy->add(visit->router, &visitor, 1, NULL) == ARMS_OK;
  visit->good &= routed(visit->copy, visit->router, &confidence);
  visit->good &= visit->copy->remove(visit->router, names, 1, NULL) == ARMS_OK;
  visit->good &= visit->copy->reload(visit->router, model, NULL, NULL) == ARMS_OK;
  arms_router *own = opened(visit->copy, 2);
  visit->good &= own != NULL && routed(visit->copy, own, &confidence);
  /* A message has to be put together as well. */
  visit->good &= visit->copy->reload(visit->router, "/absent.gguf", NULL, NULL) == ARMS_ERROR_IO;
  visit->copy->free(own);
  return NULL;
}

static void small_stacks(void) {
  struct copy copy = loaded(library);
  size_t sizes[] = {64 << 10, 128 << 10};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct visit own = {&copy, opened(&copy, 2), 0};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, sizes[i]);
    pthread_t thread;
    check(pthread_create(&thread, &attributes, visit, &own) == 0, "there is no thread of that stack");
    pthread_join(thread, NULL);
    check(own.good, "calls fail on a small stack");
    copy.free(own.router);
  }
}

/* ------------------------------------------------------------------------------------------ cancellation */

static void *reload_on(void *argument) {
  struct visit *visit = argument;
  for (;;) {
    visit->copy->reload(visit->router, model, NULL, NULL);
    pthread_testcancel();
  }
  return NULL;
}

/* A thread that is cancelled in a call, which opens files, finishes it. */
static void cancelled(void) {
  struct copy copy = loaded(library);
  struct visit own = {&copy, opened(&copy, 2), 0};
  signal(SIGALRM, SIG_DFL);
  alarm(60);
  for (unsigned i = 0; i < 5; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, reload_on, &own);
    usleep(1000 + 700 * i);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
  }
  visit(&own);
  alarm(0);
  check(own.good, "a router cannot be used after a thread was cancelled in a call");
  copy.free(own.router);
}

static void *create_and_free_on(void *argument) {
  const struct copy *copy = argument;
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  for (;;) {
    arms_dataset *dataset = NULL;
    copy->create_dataset(&dataset, NULL);
    copy->free_dataset(dataset);
    copy->set_log(NULL, NULL);
  }
  return NULL;
}

/* Nor is one that may be cancelled anywhere cancelled amid a free, which has no status. */
static void cancelled_anywhere(void) {
  struct copy copy = loaded(library);
  int good = 1;
  for (int i = 0; i < 2000; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, create_and_free_on, &copy);
    usleep(100 + i % 300);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    alarm(20);
    arms_dataset *dataset = NULL;
    good &= copy.create_dataset(&dataset, NULL) == ARMS_OK;
    copy.free_dataset(dataset);
    copy.set_log(NULL, NULL);
    alarm(0);
  }
  check(good, "a handle cannot be made after a thread was cancelled");
}

/* ------------------------------------------------------------------------------- locale, time zone, environment */

static atomic_int done;
static void *restless(void *unused) {
  char value[32];
  const char *zones[] = {"Asia/Tokyo", "America/St_Johns", "UTC", "Europe/Istanbul"};
  for (unsigned i = 0; !atomic_load(&done); i++) {
    snprintf(value, sizeof value, "%u", i);
    setenv("ARMS_ISA", i % 2 ? "scalar" : "avx2", 1);
    setenv("LD_LIBRARY_PATH", value, 1);
    setenv(value, value, 1);
    unsetenv(value);
    setenv("TZ", zones[i % 4], 1);
    tzset();
    setenv("LC_ALL", i % 2 ? "C" : "tr_TR.UTF-8", 1);
    setlocale(LC_ALL, "");
    usleep(50);
  }
  return unused;
}

static void environment(void) {
  struct copy copy = loaded(library);
  arms_router *router = opened(&copy, 0);
  float expected = 0, got = 0;
  routed(&copy, router, &expected);
  check(setlocale(LC_ALL, "tr_TR.UTF-8") != NULL, "there is no Turkish locale (run.sh makes it)");
  check(routed(&copy, router, &got) && got == expected, "the locale changes a decision");
  arms_router *other = opened(&copy, 1);
  check(other != NULL && routed(&copy, other, &got) && got == expected, "the locale changes a model");
  setlocale(LC_ALL, "C");
  pthread_t thread;
  pthread_create(&thread, NULL, restless, NULL);
  int good = 1;
  for (int i = 0; i < 300; i++) {
    good &= routed(&copy, router, &got) && got == expected;
    if (i % 20 == 0) good &= copy.reload(router, model, NULL, NULL) == ARMS_OK;
  }
  atomic_store(&done, 1);
  pthread_join(thread, NULL);
  /* A copy that is loaded later reads it. */
  unsetenv("ARMS_ISA");
  check(good, "the environment in flight changes a decision");
  copy.free(other);
  copy.free(router);
}

/* --------------------------------------------------------------------------- dlclose, and two copies at once */

static void reopened(void) {
  int good = 1;
  for (int i = 0; i < 50; i++) {
    struct copy copy = loaded(library);
    arms_router *router = opened(&copy, 2);
    float confidence = 0;
    good &= routed(&copy, router, &confidence);
    /* Every other router is left open: its threads go on in code that must stay. */
    if (i % 2 == 0) copy.free(router);
    dlclose(copy.handle);
  }
  check(good, "a route after dlclose() and dlopen() fails");
}

static void two_copies(void) {
  char other[64], command[2 * PATH_MAX];
  snprintf(other, sizeof other, "/tmp/arms-hosts-%d.so", (int)getpid());
  snprintf(command, sizeof command, "cp '%s' '%s'", library, other);
  check(system(command) == 0, "the library cannot be copied");
  struct copy first = loaded(library), second = loaded(other);
  check((void *)first.open != (void *)second.open, "there is only one copy");
  arms_router *one = opened(&first, 0), *two = opened(&second, 0);
  float left = 0, right = 1;
  for (int i = 0; i < 50; i++)
    if (!routed(&first, one, &left) || !routed(&second, two, &right) || left != right) {
      check(0, "two copies differ");
      break;
    }
  first.free(one);
  check(routed(&second, two, &right) && left == right, "one copy needs the other");
  second.free(two);
  dlclose(first.handle);
  dlclose(second.handle);
  unlink(other);
}

/* ---------------------------------------------------------------------------------------------------- fork */

static atomic_int stop;
static void *route_on(void *argument) {
  struct visit *visit = argument;
  float confidence = 0;
  while (!atomic_load(&stop)) routed(visit->copy, visit->router, &confidence);
  return NULL;
}

/* The child of a parent all of whose threads are amid routes. */
static void forks(void) {
  struct copy copy = loaded(library);
  struct visit own = {&copy, opened(&copy, 0), 0};
  float expected = 0, got = 0;
  routed(&copy, own.router, &expected);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, route_on, &own);
  for (int i = 0; i < 40; i++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(20);
      signal(SIGALRM, SIG_DFL);
      int good = routed(&copy, own.router, &got) && got == expected;
      visit(&own);
      copy.free(own.router);
      _exit(good && own.good ? 0 : 1);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      printf("hosts: child %d ends with status %d\n", i, status);
      check(0, "a forked child cannot route, change or reload");
      break;
    }
  }
  atomic_store(&stop, 1);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  check(routed(&copy, own.router, &got) && got == expected, "the parent cannot go on after its forks");
  copy.free(own.router);
}

/* ------------------------------------------------------------------- forks, and a lock of the host's own */

static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int locks_forks;
static void lock_host(void) {
  if (atomic_load(&locks_forks)) pthread_mutex_lock(&host_lock);
}
static void unlock_host(void) {
  if (atomic_load(&locks_forks)) pthread_mutex_unlock(&host_lock);
}

static void *route_locked(void *argument) {
  const struct visit *visit = argument;
  float confidence = 0;
  while (!atomic_load(&stop)) {
    pthread_mutex_lock(&host_lock);
    routed(visit->copy, visit->router, &confidence);
    pthread_mutex_unlock(&host_lock);
  }
  return NULL;
}

/* The host holds a lock around its calls, and takes it before every fork(), after the library was told of the fork: the
 * call that has the lock must not wait for the end of a fork() that waits for the lock. */
static void forks_with_a_lock(void) {
  struct copy copy = loaded(library);
  struct visit visit = {&copy, opened(&copy, 1), 0};
  pthread_t thread;
  atomic_store(&locks_forks, 1);
  atomic_store(&stop, 0);
  pthread_create(&thread, NULL, route_locked, &visit);
  signal(SIGALRM, SIG_DFL);
  alarm(60);
  int good = 1, status = 0;
  for (int i = 0; i < 5; i++) {
    usleep(2000);
    const pid_t child = fork();
    if (child == 0) _exit(7);
    good &= waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  alarm(0);
  atomic_store(&stop, 1);
  pthread_join(thread, NULL);
  atomic_store(&locks_forks, 0);
  check(good, "a child of a host with a lock of its own ends otherwise");
  copy.free(visit.router);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  library = argv[1], model = argv[2];
  /* Of the handlers before a fork() those that were registered last run first: the library's before these. */
  pthread_atfork(lock_host, unlock_host, unlock_host);
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7 + i / 120);
  signals();
  small_stacks();
  cancelled();
  cancelled_anywhere();
  environment();
  reopened();
  two_copies();
  forks();
  forks_with_a_lock();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
