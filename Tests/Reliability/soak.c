/* What a process that must not die does for a long time, through the built library.
 *
 * usage: soak mixed MODEL OTHER THREADS SECONDS [PAUSE]   everything at once, for so long
 *        soak routes MODEL COUNT                          so many routes
 *        soak handles MODEL COUNT                         so many routers, questions and images
 *        soak kill MODEL WORK COUNT                       so many saves that are killed
 *
 * mixed: THREADS threads route and score with pauses of PAUSE microseconds while one changes candidates and
 * weights and another trains, whose result goes live. Every change is made to a second router first, which answers
 * every query alone; what the threads are told of a generation must be that, to the bit. Two trainers do the same
 * for the two routers.
 *
 * The last line says what was seen; the exit code whether it is good. */
#define _GNU_SOURCE
#include <arms.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUERIES 6
#define ANSWERS (QUERIES + 1) /* and one of a score */
#define REMEMBERED 65536      /* generations; nobody is that late */
#define SIDE 48

static uint8_t pixels[SIDE * SIDE * 3];
static const char *questions[QUERIES] = {
  "What is the highest value in the chart?", "Who?", "", "How many red cars are on the left, and why?",
  "Read the sign.", "what does the text say about the year 2019 and the second column of the table?"};

static void stop_if(arms_status status, arms_error *error, const char *what) {
  if (status == ARMS_OK) return;
  fprintf(stderr, "soak: %s: %s: %s\n", what, arms_status_name(status), arms_error_message(error));
  exit(1);
}

#define MUST(call)                        \
  do {                                    \
    arms_error *error = NULL;             \
    arms_status status = call;            \
    stop_if(status, error, #call);        \
  } while (0)

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Resident memory in KiB. */
static long resident(void) {
  long pages = 0, size = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &size, &pages) != 2) pages = -1;
  if (file != NULL) fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int descriptors(void) {
  int count = -3; /* two dots and the folder itself */
  DIR *folder = opendir("/proc/self/fd");
  while (folder != NULL && readdir(folder) != NULL) count++;
  if (folder != NULL) closedir(folder);
  return count;
}

static arms_router *opened(const char *model, uint32_t threads) {
  arms_open_options options = {.struct_size = sizeof options, .threads = threads};
  arms_router *router = NULL;
  MUST(arms_router_open(model, &options, &router, &error));
  return router;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
  return hash;
}

/* ---------------------------------------------------------------------------------------------- mixed */

static arms_router *shared;
static _Atomic uint64_t expected[REMEMBERED][ANSWERS];
static atomic_int done;
static atomic_ulong routes, scores, wrong;
static useconds_t pause_time;

#define SLICES 4096
/* Of each query, which differ in what they cost: 16 slices a factor of two, of nanoseconds. */
static atomic_ulong latencies[QUERIES][SLICES];

static void note(int query, uint64_t nanoseconds) {
  int octave = 63 - __builtin_clzll(nanoseconds | 16);
  atomic_fetch_add(&latencies[query][octave * 16 + ((nanoseconds >> (octave - 4)) & 15)], 1);
}

/* In milliseconds. */
static double quantile(int query, double share) {
  unsigned long total = 0, seen = 0;
  for (int i = 0; i < SLICES; i++) total += latencies[query][i];
  for (int i = 0; i < SLICES; i++)
    if ((seen += latencies[query][i]) >= share * (double)total)
      return (double)((16ull + (uint64_t)(i % 16) + 1) << (i / 16 - 4)) / 1e6;
  return 0;
}

static arms_query query_of(int number, arms_image_input *image) {
  arms_query query = {.struct_size = sizeof query, .text = questions[number],
                      .text_length = ARMS_NUL_TERMINATED};
  *image = (arms_image_input){.struct_size = sizeof *image, .format = ARMS_IMAGE_RGB8, .width = SIDE,
                              .height = SIDE, .data = pixels, .size = sizeof pixels};
  if (number % 2 == 1) query.images = image, query.image_count = 1;
  return query;
}

/* The answer to one query as a number, and the generation that gave it. */
static uint64_t answer(const arms_router *router, int number, uint64_t *generation) {
  arms_image_input images[QUERIES];
  if (number == QUERIES) {
    static const int asked = 3;
    arms_query queries[3];
    for (int i = 0; i < asked; i++) queries[i] = query_of(i, &images[i]);
    float values[256];
    size_t columns = 0;
    MUST(arms_score(router, queries, asked, NULL, values, 256, &columns, generation, &error));
    return mix(columns, values, asked * columns * sizeof *values);
  }
  arms_query query = query_of(number, images);
  arms_decision decision = {.struct_size = sizeof decision};
  arms_ranked ranked[32];
  ranked[0].struct_size = sizeof ranked[0];
  MUST(arms_route(router, &query, NULL, &decision, ranked, 32, &error));
  *generation = decision.generation;
  uint64_t hash = mix(decision.ranked_count, decision.name, sizeof decision.name);
  for (uint64_t i = 0; i < decision.ranked_count && i < 32; i++)
    hash = mix(hash, &ranked[i].router, sizeof ranked[i] - sizeof ranked[i].struct_size);
  return mix(hash, decision.gate, sizeof decision.gate);
}

static void *ask(void *argument) {
  uint64_t random = (uint64_t)(uintptr_t)argument * 0x9e3779b97f4a7c15u + 1, last = 0;
  while (!atomic_load(&done)) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    int number = (int)((random >> 33) % ANSWERS);
    uint64_t generation = 0, start = now();
    uint64_t got = answer(shared, number, &generation);
    if (number < QUERIES) note(number, now() - start), atomic_fetch_add(&routes, 1);
    else atomic_fetch_add(&scores, 1);
    if (got != atomic_load(&expected[generation % REMEMBERED][number]) || generation < last)
      atomic_fetch_add(&wrong, 1);
    last = generation;
    if (pause_time > 0) usleep(pause_time / 2 + (useconds_t)(random >> 40) % pause_time);
  }
  return NULL;
}

static void publish(const arms_router *mirror) {
  uint64_t answers[ANSWERS], generation = 0;
  for (int i = 0; i < ANSWERS; i++) answers[i] = answer(mirror, i, &generation);
  for (int i = 0; i < ANSWERS; i++) atomic_store(&expected[generation % REMEMBERED][i], answers[i]);
}

/* Change number `step`, the same on every router. */
static void change(arms_router *router, unsigned long step, char **models) {
  const char *names[] = {"extra"}, *given[] = {"reader"};
  arms_candidate extra = {.struct_size = sizeof extra, .name = names[0], .profile = "Reads charts.",
                          .flags = ARMS_CANDIDATE_HAS_COST, .cost = 0.01};
  arms_reload_options keep = {.struct_size = sizeof keep, .flags = ARMS_RELOAD_KEEP_CANDIDATES};
  switch (step % 8) {
  case 0: MUST(arms_candidates_add(router, &extra, 1, &error)); break;
  case 1: MUST(arms_candidates_enable(router, names, 1, 0, &error)); break;
  case 2: extra.profile = NULL, extra.bias = (float)(step % 5), extra.temperature = 2;
          MUST(arms_candidates_update(router, &extra, 1, &error)); break;
  case 3: MUST(arms_candidates_remove(router, given, 1, &error)); break;
  case 4: MUST(arms_router_reload(router, models[1], &keep, &error)); break;
  case 5: MUST(arms_candidates_remove(router, names, 1, &error)); break;
  case 6: MUST(arms_router_reload(router, models[1], NULL, &error)); break;
  case 7: MUST(arms_router_reload(router, models[0], NULL, &error)); break;
  }
}

/* Trainers of the two routers, at work beside everything else. */
static struct {
  arms_trainer *trainers[2];
  arms_dataset *dataset;
  pthread_t thread;
} learning;

static void *learn(void *unused) {
  (void)unused;
  for (int i = 0; i < 2; i++)
    MUST(arms_trainer_run(learning.trainers[i], learning.dataset, NULL, NULL, NULL, &error));
  return NULL;
}

/* Begins to train on what both routers have now. */
static void begin_learning(arms_router *mirror) {
  arms_trainer_options options = {.struct_size = sizeof options, .text_layers = 1, .batch_size = 4, .threads = 2,
                                  .learning_rate = 1e-3};
  MUST(arms_trainer_create(mirror, &options, &learning.trainers[0], &error));
  MUST(arms_trainer_create(shared, &options, &learning.trainers[1], &error));
  arms_candidate_info candidates[8];
  size_t count = 0;
  candidates[0].struct_size = sizeof candidates[0];
  MUST(arms_candidates_list(mirror, candidates, 8, &count, NULL, &error));
  MUST(arms_dataset_create(&learning.dataset, &error));
  for (int i = 0; i < QUERIES; i++) {
    arms_image_input image;
    arms_query query = query_of(i, &image);
    arms_outcome outcomes[8];
    for (size_t j = 0; j < count; j++)
      outcomes[j] = (arms_outcome){.struct_size = sizeof *outcomes, .candidate = candidates[j].name,
                                   .label = (int32_t)((unsigned)i + j) % 2};
    arms_sample sample = {.struct_size = sizeof sample, .text = query.text, .text_length = query.text_length,
                          .images = query.images, .image_count = query.image_count,
                          .outcomes = outcomes, .outcome_count = count};
    MUST(arms_dataset_add(learning.dataset, &sample, 1, &error));
  }
  if (pthread_create(&learning.thread, NULL, learn, NULL) != 0) exit(1);
}

/* Lets what was learned go live, on the mirror first. */
static void end_learning(const arms_router *mirror) {
  uint64_t generations[2];
  pthread_join(learning.thread, NULL);
  for (int i = 0; i < 2; i++) {
    MUST(arms_trainer_commit(learning.trainers[i], &generations[i], &error));
    if (i == 0) publish(mirror);
    arms_trainer_free(learning.trainers[i]);
  }
  arms_dataset_free(learning.dataset);
  if (generations[0] != generations[1]) atomic_fetch_add(&wrong, 1);
}

static int mixed(char **models, int threads, double seconds) {
  /* Not to be taken for a growth of memory: a page is there once it was written to. */
  for (int i = 0; i < REMEMBERED; i++)
    for (int j = 0; j < ANSWERS; j++) atomic_store(&expected[i][j], 1);
  arms_router *mirror = opened(models[0], 1);
  shared = opened(models[0], 0);
  publish(mirror);
  pthread_t *handles = calloc((size_t)threads, sizeof *handles);
  for (int i = 0; i < threads; i++)
    if (handles == NULL || pthread_create(&handles[i], NULL, ask, (void *)(uintptr_t)(i + 1)) != 0) return 1;
  /* Memory counts from the first minute, or the first half of a shorter run. */
  double settled = seconds < 120 ? seconds / 2 : 60;
  uint64_t start = now();
  unsigned long steps = 0, commits = 0;
  int is_learning = 0;
  long base = 0, most = 0, minute = 0;
  for (double passed = 0; passed < seconds; passed = (double)(now() - start) / 1e9) {
    /* Between a reload and the next: a trainer's weights go live in place of those that it began with. */
    if (steps % 8 == 0) begin_learning(mirror), is_learning = 1;
    if (steps % 8 == 4) end_learning(mirror), is_learning = 0, commits++;
    change(mirror, steps, models);
    publish(mirror);
    change(shared, steps++, models);
    long size = resident();
    if (passed < settled) base = size > base ? size : base;
    else most = size > most ? size : most;
    if (passed >= 60.0 * (double)minute)
      fprintf(stderr, "minute %ld: %ld KiB\n", minute++, size);
    usleep(pause_time);
  }
  if (is_learning) end_learning(mirror), commits++;
  atomic_store(&done, 1);
  for (int i = 0; i < threads; i++) pthread_join(handles[i], NULL);
  free(handles);
  arms_router_free(mirror);
  arms_router_free(shared);
  double median = 0, tail = 0, growth = 100.0 * (double)(most - base) / (double)base;
  for (int i = 0; i < QUERIES; i++)
    if (median == 0 || quantile(i, 0.99) * median > tail * quantile(i, 0.5))
      median = quantile(i, 0.5), tail = quantile(i, 0.99);
  printf("%d threads, %.0f s: %lu routes, %lu scores, %lu changes, %lu trainings, %lu wrong; the query with the longest tail: "
         "median %.3f ms, p99 %.3f ms (%.1f times); memory %ld KiB, then at most %ld KiB (%+.2f%%)\n", threads, seconds, routes, scores,
         steps, commits, wrong, median, tail, tail / median, base, most, growth);
  /* In a short run memory is still on its way to what it will be. */
  return wrong > 0 || (threads > 0 && routes == 0) || commits == 0 || (seconds >= 120 && growth > 2);
}

/* --------------------------------------------------------------------------------------------- routes */

static int many_routes(const char *model, long count) {
  arms_router *router = opened(model, 1);
  long base = 0;
  uint64_t generation = 0, start = now();
  for (long i = 0; i < count; i++) {
    answer(router, (int)(i % QUERIES), &generation);
    if (i == count / 10) base = resident();
  }
  double seconds = (double)(now() - start) / 1e9;
  long size = resident();
  arms_memory memory = {.struct_size = sizeof memory};
  MUST(arms_router_memory(router, &memory, &error));
  printf("%ld routes, %.3f ms each: memory %ld KiB after a tenth, %ld KiB at the end; scratch %llu bytes\n",
         count, seconds * 1e3 / (double)count, base, size, (unsigned long long)memory.scratch_bytes);
  arms_router_free(router);
  return size > base + base / 50;
}

/* -------------------------------------------------------------------------------------------- handles */

static int many_handles(const char *model, long count) {
  long base = 0;
  int files = 0;
  for (long i = 0; i < count; i++) {
    arms_router *router = opened(model, 2);
    arms_question *question = NULL;
    arms_image *image = NULL;
    arms_image_input input;
    query_of(1, &input);
    MUST(arms_question_encode(router, questions[0], ARMS_NUL_TERMINATED, &question, &error));
    MUST(arms_image_encode(router, &input, &image, &error));
    arms_router_free(router);
    arms_question_free(question);
    arms_image_free(image);
    if (i == count / 10) base = resident(), files = descriptors();
  }
  long size = resident();
  printf("%ld routers, questions and images: memory %ld KiB after a tenth, %ld KiB at the end; "
         "%d descriptors, then %d\n", count, base, size, files, descriptors());
  return (count >= 10000 && size > base + base / 50) || descriptors() != files;
}

/* ----------------------------------------------------------------------------------------------- kill */

/* Files of a folder. */
static int files(const char *path) {
  int count = -2; /* the folder itself and its parent */
  DIR *folder = opendir(path);
  while (folder != NULL && readdir(folder) != NULL) count++;
  if (folder != NULL) closedir(folder);
  return count;
}

static int killed_saves(const char *model, const char *work, long count) {
  char path[4096];
  snprintf(path, sizeof path, "%s/saved.gguf", work);
  arms_router *router = opened(model, 1);
  MUST(arms_router_save(router, path, &error));
  arms_router_info info = {.struct_size = sizeof info};
  MUST(arms_router_describe(router, &info, &error));
  uint64_t old = info.candidate_count, changed = 0;
  arms_router_free(router);
  srand(7);
  for (long i = 0; i < count; i++) {
    pid_t child = fork();
    if (child == 0) {
      /* Now with one candidate more, now without. */
      arms_router *own = opened(path, 1);
      const char *names[] = {"extra"};
      arms_candidate extra = {.struct_size = sizeof extra, .name = names[0], .profile = "Reads charts."};
      arms_candidates_remove(own, names, 1, NULL);
      for (;;) {
        MUST(arms_candidates_add(own, &extra, 1, &error));
        MUST(arms_router_save(own, path, &error));
        MUST(arms_candidates_remove(own, names, 1, &error));
        MUST(arms_router_save(own, path, &error));
      }
    }
    usleep((useconds_t)(1000 + rand() % 20000));
    kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) return 1;
    router = opened(path, 1);
    MUST(arms_router_describe(router, &info, &error));
    uint64_t generation = 0;
    answer(router, 1, &generation);
    arms_router_free(router);
    if (info.candidate_count != old && info.candidate_count != old + 1) return 1;
    changed += info.candidate_count != old;
  }
  int left = files(work) - 1;
  router = opened(path, 1);
  MUST(arms_router_save(router, path, &error));
  arms_router_free(router);
  int kept = files(work) - 1;
  printf("%ld saves killed: each left a whole file, %llu of them with the new candidate; "
         "%d unfinished files beside it, and %d after the next save\n", count, (unsigned long long)changed, left, kept);
  return left > 1 || kept != 0;
}

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7 + i / 120);
  if (argc >= 6 && strcmp(argv[1], "mixed") == 0) {
    pause_time = argc > 6 ? (useconds_t)atoi(argv[6]) : 0;
    return mixed(argv + 2, atoi(argv[4]), atof(argv[5]));
  }
  if (argc == 4 && strcmp(argv[1], "routes") == 0) return many_routes(argv[2], atol(argv[3]));
  if (argc == 4 && strcmp(argv[1], "handles") == 0) return many_handles(argv[2], atol(argv[3]));
  if (argc == 5 && strcmp(argv[1], "kill") == 0) return killed_saves(argv[2], argv[3], atol(argv[4]));
  fprintf(stderr, "soak: how to call it stands in the first lines of soak.c\n");
  return 2;
}
