/* Data sets and trainers, through the built library, with good and with bad input.
 *
 * usage: training FIXTURES WORK   the folder of the fixtures and one to write to */
#define _POSIX_C_SOURCE 200809L
#include "expect.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUERIES 6
#define SCORES 64

static arms_outcome outcome(const char *candidate, int32_t label) {
  arms_outcome made;
  memset(&made, 0, sizeof made);
  made.struct_size = sizeof made;
  made.candidate = candidate;
  made.label = label;
  return made;
}

static arms_sample sample(const char *text, const arms_outcome *outcomes, size_t count) {
  arms_sample made;
  memset(&made, 0, sizeof made);
  made.struct_size = sizeof made;
  made.text = text;
  made.text_length = ARMS_NUL_TERMINATED;
  made.outcomes = outcomes;
  made.outcome_count = count;
  return made;
}

static size_t queries_of(const arms_dataset *dataset, size_t *outcomes) {
  size_t count = 0;
  EXPECT(OK, arms_dataset_count(dataset, &count, outcomes, &error));
  return count;
}

/* A data set copies, joins and refuses. */
static void test_dataset(const char *fixtures) {
  arms_dataset *dataset = NULL;
  size_t count = 0, outcomes = 0;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_dataset_create(NULL, &error));
  EXPECT(OK, arms_dataset_create(&dataset, &error));
  CHECK(queries_of(dataset, &outcomes) == 0 && outcomes == 0);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_dataset_count(dataset, NULL, &outcomes, &error));
  EXPECT(OK, arms_dataset_add(dataset, NULL, 0, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_dataset_add(dataset, NULL, 1, &error));

  arms_image_input images[2] = {raw_image(), raw_image()};
  images[1].format = ARMS_IMAGE_PATH, images[1].size = ARMS_NUL_TERMINATED;
  char file[64] = "absent.png";
  images[1].data = file;
  arms_outcome both[2] = {outcome("small", 1), outcome("large", 0)};
  both[1].flags = ARMS_OUTCOME_HAS_COST, both[1].cost = 0.25, both[1].weight = 2;
  char text[64] = QUESTION;
  arms_sample good[2] = {sample(text, both, 2), sample("", both, 1)};
  good[0].images = images, good[0].image_count = 2;
  EXPECT(OK, arms_dataset_add(dataset, good, 2, &error));
  CHECK(queries_of(dataset, &outcomes) == 2 && outcomes == 3);
  EXPECT(ERROR_ALREADY_EXISTS, arms_dataset_add(dataset, good, 1, &error));
  /* Another row of the first query, and a query like the second with an image. */
  arms_outcome third = outcome("third", 1);
  good[0].outcomes = &third, good[0].outcome_count = 1;
  good[1].images = images, good[1].image_count = 1;
  EXPECT(OK, arms_dataset_add(dataset, good, 2, &error));
  CHECK(queries_of(dataset, &outcomes) == 3 && outcomes == 5);
  /* What was given is copied: another question and image are another query. */
  third.candidate = "fourth";
  pixels[0]++;
  EXPECT(OK, arms_dataset_add(dataset, good, 1, &error));
  pixels[0]--;
  third.candidate = "fifth";
  text[0] = 'h';
  EXPECT(OK, arms_dataset_add(dataset, good, 1, &error));
  text[0] = 'H', file[0] = 'b';
  third.candidate = "sixth";
  EXPECT(OK, arms_dataset_add(dataset, good, 1, &error));
  CHECK(queries_of(dataset, &outcomes) == 6 && outcomes == 8);

  arms_dataset_bytes memory;
  memset(&memory, 0, sizeof memory);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_dataset_memory(dataset, &memory, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_dataset_memory(dataset, NULL, &error));
  memory.struct_size = sizeof memory;
  EXPECT(OK, arms_dataset_memory(dataset, &memory, &error));
  CHECK(memory.sample_bytes > 2 * sizeof pixels && memory.cache_bytes == 0);

  /* Each is added behind a sample that is right. */
#define REFUSED(want, change)                                                 \
  do {                                                                        \
    arms_outcome bad_outcomes[2] = {outcome("small", 1), outcome("large", 0)}; \
    arms_image_input bad_image = raw_image();                                 \
    arms_sample samples[2] = {sample("new", both, 2), sample("bad", bad_outcomes, 2)}; \
    arms_sample *bad = &samples[1];                                           \
    bad->images = &bad_image, bad->image_count = 1;                           \
    change;                                                                   \
    EXPECT(want, arms_dataset_add(dataset, samples, 2, &error));              \
    CHECK(queries_of(dataset, &outcomes) == 6 && outcomes == 8);              \
  } while (0)
  REFUSED(ERROR_INVALID_ARGUMENT, samples[0].struct_size = 0);
  REFUSED(ERROR_INVALID_ARGUMENT, samples[0].struct_size = sizeof *bad + 4);
  REFUSED(ERROR_INVALID_ARGUMENT, bad->text = NULL);
  REFUSED(ERROR_INVALID_TEXT, bad->text = "\xed\xa0\x80");
  REFUSED(ERROR_INVALID_ARGUMENT, bad->text_length = SIZE_MAX - 1);
  REFUSED(ERROR_INVALID_ARGUMENT, bad->outcomes = NULL);
  REFUSED(ERROR_INVALID_ARGUMENT, bad->outcome_count = 0);
  REFUSED(ERROR_INVALID_ARGUMENT, bad->outcome_count = SIZE_MAX);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_outcomes[0].struct_size = 5);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_outcomes[1].flags = 2);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_outcomes[1].candidate = NULL);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_outcomes[1].candidate = "");
  REFUSED(ERROR_INVALID_TEXT, bad_outcomes[1].candidate = "\xff");
  REFUSED(ERROR_ALREADY_EXISTS, bad_outcomes[1].candidate = "small");
  REFUSED(ERROR_INVALID_ARGUMENT, bad_outcomes[1].label = 2);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_outcomes[1].label = INT32_MIN);
  REFUSED(ERROR_NOT_FINITE, bad_outcomes[1].weight = NAN);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_outcomes[1].weight = -1);
  REFUSED(ERROR_NOT_FINITE, (bad_outcomes[1].cost = INFINITY, bad_outcomes[1].flags = 1));
  REFUSED(ERROR_INVALID_ARGUMENT, bad->images = NULL);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_image.struct_size = 12);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_image.data = NULL);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_image.format = 99);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_image.size--);
  REFUSED(ERROR_INVALID_ARGUMENT, bad_image.stride = SIZE_MAX);
  REFUSED(ERROR_LIMIT_EXCEEDED, bad_image.width = bad_image.height = UINT32_MAX);
  REFUSED(ERROR_INVALID_IMAGE, bad_image.format = ARMS_IMAGE_ENCODED);
  REFUSED(ERROR_INVALID_ARGUMENT,
          (bad_image.format = ARMS_IMAGE_PATH, bad_image.data = "", bad_image.size = 0));
  REFUSED(ERROR_INVALID_TEXT,
          (bad_image.format = ARMS_IMAGE_PATH, bad_image.data = "a\0b", bad_image.size = 3));
#undef REFUSED

  arms_dataset_free(dataset);
  arms_dataset_free(dataset);
  arms_router *router = opened(fixtures);
  arms_dataset *others[] = {dataset, NULL, (arms_dataset *)(uintptr_t)8, (arms_dataset *)(void *)router};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    EXPECT(ERROR_INVALID_HANDLE, arms_dataset_add(others[i], good, 1, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_dataset_count(others[i], &count, NULL, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_dataset_memory(others[i], &memory, &error));
  }
  arms_router_free(router);
}

/* Questions with and without an image, each with outcomes of two candidates. */
static arms_dataset *samples(void) {
  arms_dataset *dataset = NULL;
  EXPECT(OK, arms_dataset_create(&dataset, &error));
  arms_image_input image = raw_image();
  for (int i = 0; i < QUERIES; i++) {
    char text[32];
    snprintf(text, sizeof text, "question number %d", i);
    arms_outcome both[2] = {outcome("small", i % 2), outcome("large", (i + 1) % 2)};
    arms_sample one = sample(text, both, 2);
    if (i % 3 == 0) one.images = &image, one.image_count = 1;
    EXPECT(OK, arms_dataset_add(dataset, &one, 1, &error));
  }
  return dataset;
}

static arms_trainer_options brisk(void) {
  arms_trainer_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.epochs = 8, options.batch_size = 2, options.learning_rate = 3e-3, options.threads = 1;
  options.text_layers = 1;
  return options;
}

static arms_trainer *trainer_of(const arms_router *router) {
  arms_trainer_options options = brisk();
  arms_trainer *trainer = NULL;
  EXPECT(OK, arms_trainer_create(router, &options, &trainer, &error));
  return trainer;
}

static arms_metrics measured(arms_trainer *trainer, const arms_dataset *dataset) {
  arms_metrics metrics;
  memset(&metrics, 0, sizeof metrics);
  metrics.struct_size = sizeof metrics;
  EXPECT(OK, arms_trainer_evaluate(trainer, dataset, &metrics, &error));
  return metrics;
}

/* What the router says now, to be compared. */
static void scores_of(const arms_router *router, float *scores) {
  arms_query queries[2] = {text_query(QUESTION), text_query("question number 1")};
  size_t columns = 0;
  EXPECT(OK, arms_score(router, queries, 2, NULL, scores, SCORES, &columns, NULL, &error));
}

static int same(const float *left, const float *right, size_t count) {
  return memcmp(left, right, count * sizeof *left) == 0;
}

static void test_options(arms_router *router) {
  arms_trainer *trainer = NULL;
  EXPECT(OK, arms_trainer_create(router, NULL, &trainer, &error));
  arms_trainer_free(trainer);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_create(router, NULL, NULL, &error));
#define REFUSED(want, change)                                                \
  do {                                                                       \
    arms_trainer_options options = brisk();                                  \
    change;                                                                  \
    EXPECT(want, arms_trainer_create(router, &options, &trainer, &error));   \
  } while (0)
  REFUSED(ERROR_INVALID_ARGUMENT, options.struct_size = 0);
  REFUSED(ERROR_INVALID_ARGUMENT, options.flags = 8);
  REFUSED(ERROR_INVALID_ARGUMENT, options.reserved = 1);
  REFUSED(ERROR_INVALID_ARGUMENT, options.routing_weight = -1);
  REFUSED(ERROR_INVALID_ARGUMENT, options.routing_sharpness = NAN);
  REFUSED(ERROR_INVALID_ARGUMENT, options.teacher_weight = 1.5);
  REFUSED(ERROR_INVALID_ARGUMENT, options.teacher_ridge = -1);
  REFUSED(ERROR_INVALID_ARGUMENT, options.router = 1);
  REFUSED(ERROR_INVALID_ARGUMENT, options.router = UINT32_MAX);
  REFUSED(ERROR_INVALID_ARGUMENT, options.schedule = 2);
  REFUSED(ERROR_INVALID_ARGUMENT, options.threads = 5000);
  REFUSED(ERROR_INVALID_ARGUMENT, options.learning_rate = -1);
  REFUSED(ERROR_INVALID_ARGUMENT, options.learning_rate = NAN);
  REFUSED(ERROR_INVALID_ARGUMENT, options.weight_decay = NAN);
  REFUSED(ERROR_INVALID_ARGUMENT, options.clip = -INFINITY);
#undef REFUSED

  /* Nobody is left to be trained. */
  size_t count = 0;
  static arms_candidate_info list[SCORES];
  const char *names[SCORES];
  list[0].struct_size = sizeof list[0];
  EXPECT(OK, arms_candidates_list(router, list, SCORES, &count, NULL, &error));
  for (size_t i = 0; i < count; i++) names[i] = list[i].name;
  EXPECT(OK, arms_candidates_remove(router, names, count, &error));
  EXPECT(ERROR_NO_CANDIDATES, arms_trainer_create(router, NULL, &trainer, &error));
}

/* What a callback sees, and does. */
typedef struct {
  arms_trainer *trainer;
  const arms_dataset *dataset;
  uint64_t cancel_at;
  uint64_t steps, validations;
  int frees, in_order;
} Watch;

static void *evaluate_at_once(void *argument) {
  Watch *watch = argument;
  arms_metrics metrics;
  memset(&metrics, 0, sizeof metrics);
  metrics.struct_size = sizeof metrics;
  EXPECT(ERROR_BUSY, arms_trainer_evaluate(watch->trainer, watch->dataset, &metrics, &error));
  return NULL;
}

static int32_t watching(const arms_progress *progress, void *user_data) {
  Watch *watch = user_data;
  watch->steps++;
  watch->in_order &= progress->struct_size == sizeof *progress && progress->step == watch->steps &&
                     progress->step_count == 8 * QUERIES / 2 &&
                     progress->epoch == (watch->steps - 1) / (QUERIES / 2) && progress->loss > 0 &&
                     progress->learning_rate == 3e-3;
  if (progress->validation != NULL) {
    watch->validations++;
    watch->in_order &= progress->validation->struct_size == sizeof *progress->validation &&
                       progress->validation->query_count == QUERIES &&
                       progress->validation->outcome_count == 2 * QUERIES;
  }
  return progress->step == watch->cancel_at;
}

/* Everything that would touch the trainer is told that it is busy, whatever the thread. */
static int32_t disturbing(const arms_progress *progress, void *user_data) {
  Watch *watch = user_data;
  if (progress->step > 1) return 1;
  size_t count = 0, query = 0;
  EXPECT(ERROR_BUSY, arms_trainer_run(watch->trainer, watch->dataset, NULL, NULL, NULL, &error));
  EXPECT(ERROR_BUSY, arms_trainer_commit(watch->trainer, NULL, &error));
  EXPECT(ERROR_BUSY, arms_trainer_save(watch->trainer, "never", 0, &error));
  EXPECT(ERROR_BUSY, arms_trainer_save_adapter(watch->trainer, "never", &error));
  EXPECT(ERROR_BUSY, arms_trainer_checkpoint(watch->trainer, "never", &error));
  EXPECT(ERROR_BUSY, arms_trainer_resume(watch->trainer, "never", &error));
  EXPECT(ERROR_BUSY, arms_trainer_apply_gradients(watch->trainer, 1, &error));
  EXPECT(ERROR_BUSY, arms_trainer_compute_gradients(watch->trainer, watch->dataset, &query, 1, NULL,
                                                    &error));
  EXPECT(OK, arms_trainer_metrics(watch->trainer, NULL, 0, &count, &error));
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, evaluate_at_once, watch) == 0);
  pthread_join(thread, NULL);
  if (watch->frees) arms_trainer_free(watch->trainer);
  return 0;
}

static char said[128];
static void keep_message(int32_t level, const char *message, void *user_data) {
  if (level == ARMS_LOG_INFO && user_data == said) snprintf(said, sizeof said, "%s", message);
}

static void test_run(arms_router *router, arms_dataset *dataset) {
  arms_trainer *trainer = trainer_of(router);
  float before[SCORES], after[SCORES];
  memset(before, 0, sizeof before), memset(after, 0, sizeof after);
  scores_of(router, before);
  arms_metrics untrained = measured(trainer, dataset);
  CHECK(untrained.query_count == QUERIES && untrained.outcome_count == 2 * QUERIES);

  arms_run_options options;
  memset(&options, 0, sizeof options);
  Watch watch = {trainer, dataset, 0, 0, 0, 0, 1};
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_run(trainer, dataset, &options, NULL, NULL, &error));
  options.struct_size = sizeof options;
  options.validation = (const arms_dataset *)(const void *)router;
  EXPECT(ERROR_INVALID_HANDLE, arms_trainer_run(trainer, dataset, &options, NULL, NULL, &error));
  options.validation = dataset;
  EXPECT(OK, arms_trainer_run(trainer, dataset, &options, watching, &watch, &error));
  CHECK(watch.in_order && watch.steps == 8 * QUERIES / 2 && watch.validations == 8);
  arms_metrics trained = measured(trainer, dataset);
  CHECK(trained.loss < untrained.loss && trained.exact_match >= untrained.exact_match);

  size_t count = 0;
  arms_metrics list[8];
  memset(list, 0, sizeof list);
  EXPECT(OK, arms_trainer_metrics(trainer, NULL, 0, &count, &error));
  CHECK(count == 8);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_metrics(trainer, list, 8, &count, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_metrics(trainer, list, 8, NULL, &error));
  list[0].struct_size = sizeof list[0];
  count = 0;
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_trainer_metrics(trainer, list, 7, &count, &error));
  CHECK(count == 8);
  EXPECT(OK, arms_trainer_metrics(trainer, list, 8, &count, &error));
  CHECK(list[7].loss == trained.loss && list[7].struct_size == sizeof list[7]);
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_trainer_metrics(trainer, list, 0, &count, &error));
  arms_trainer *idle = trainer_of(router);
  EXPECT(OK, arms_trainer_metrics(idle, list, 0, &count, &error));
  CHECK(count == 0);
  arms_trainer_free(idle);

  /* The router changes by the commit alone. */
  scores_of(router, after);
  CHECK(same(before, after, SCORES));
  uint64_t old = described(router).generation, generation = 0;
  arms_log_set(keep_message, said);
  EXPECT(OK, arms_trainer_commit(trainer, &generation, &error));
  arms_log_set(NULL, NULL);
  CHECK(generation > old && described(router).generation == generation);
  char wanted[128];
  snprintf(wanted, sizeof wanted, "arms_trainer_commit: generation %llu", (unsigned long long)generation);
  CHECK(strcmp(said, wanted) == 0);
  scores_of(router, after);
  CHECK(!same(before, after, SCORES));
  arms_trainer_free(trainer);
}

/* An extension that is accepted says so, and one that is not replaces nothing. */
static void test_extension(arms_router *router, arms_dataset *dataset) {
  const char *names[1] = {"small"};
  arms_trainer_options training = brisk();
  training.epochs = 1, training.learning_rate = 1e-12;
  arms_extension_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options, options.training = &training, options.held_out = dataset;
  arms_extension_report found;
  memset(&found, 0, sizeof found);
  found.struct_size = sizeof found;
  options.reserved = 1;
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_router_extend(router, names, 1, dataset, &options, NULL, NULL, &found, &error));
  options.reserved = 0;
  said[0] = 0;
  arms_log_set(keep_message, said);
  EXPECT(OK, arms_router_extend(router, names, 1, dataset, &options, NULL, NULL, &found, &error));
  arms_log_set(NULL, NULL);
  char wanted[128];
  snprintf(wanted, sizeof wanted, "arms_router_extend: generation %llu",
           (unsigned long long)found.generation);
  CHECK(found.accepted == 1 && strcmp(said, wanted) == 0);
  CHECK(fabs(found.loss_before - found.loss_after) < 1e-6);
}

/* In a child that is forked off during another thread's call the trainer is lost, and says so. */
static void *fork_at_once(void *argument) {
  Watch *watch = argument;
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    arms_metrics metrics;
    memset(&metrics, 0, sizeof metrics);
    metrics.struct_size = sizeof metrics;
    size_t count = 0;
    _exit(arms_trainer_evaluate(watch->trainer, watch->dataset, &metrics, NULL) != ARMS_ERROR_UNSUPPORTED ||
          arms_trainer_metrics(watch->trainer, NULL, 0, &count, NULL) != ARMS_OK);
  }
  int status = 1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
  return NULL;
}

static int32_t forking(const arms_progress *progress, void *user_data) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, fork_at_once, user_data) == 0);
  pthread_join(thread, NULL);
  return progress->step > 0;
}

static void test_fork(arms_router *router, arms_dataset *dataset) {
  Watch watch = {trainer_of(router), dataset, 0, 0, 0, 0, 1};
  EXPECT(ERROR_CANCELLED, arms_trainer_run(watch.trainer, dataset, NULL, forking, &watch, &error));
  CHECK(measured(watch.trainer, dataset).query_count == QUERIES);
  arms_trainer_free(watch.trainer);
}

static int read_metrics(const arms_trainer *trainer, size_t *count) {
  arms_metrics metrics[8] = {{.struct_size = sizeof *metrics}};
  return arms_trainer_metrics(trainer, metrics, 8, count, NULL) == ARMS_OK;
}

static void *read_on(void *trainer) {
  for (size_t count = 0;;) {
    read_metrics(trainer, &count);
    pthread_testcancel();
  }
  return NULL;
}

/* A child that is forked off while another thread reads has what is read. */
static void test_fork_amid_reading(arms_router *router, arms_dataset *dataset) {
  arms_trainer *trainer = trainer_of(router);
  arms_run_options run = {.struct_size = sizeof run, .validation = dataset};
  EXPECT(OK, arms_trainer_run(trainer, dataset, &run, NULL, NULL, &error));
  size_t count = 0;
  CHECK(read_metrics(trainer, &count) && count > 0);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, read_on, trainer) == 0);
  int good = 1;
  for (int i = 0; i < 100; i++) {
    const pid_t child = fork();
    if (child == 0) {
      size_t own = 0;
      alarm(20);
      _exit(read_metrics(trainer, &own) && own == count ? 0 : 1);
    }
    int status = 0;
    good &= waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  CHECK(good);
  for (int i = 0; i < 2; i++) {
    pthread_cancel(threads[i]);
    pthread_join(threads[i], NULL);
  }
  arms_trainer_free(trainer);
}

static void test_refusals(arms_router *router, arms_dataset *dataset) {
  arms_trainer *trainer = trainer_of(router);
  arms_dataset *empty = NULL;
  EXPECT(OK, arms_dataset_create(&empty, &error));
  arms_metrics metrics;
  memset(&metrics, 0, sizeof metrics);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_evaluate(trainer, dataset, &metrics, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_evaluate(trainer, dataset, NULL, &error));
  metrics.struct_size = sizeof metrics;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_run(trainer, empty, NULL, NULL, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_evaluate(trainer, empty, &metrics, &error));
  arms_outcome unknown = outcome("who", 1);
  arms_sample row = sample(QUESTION, &unknown, 1);
  EXPECT(OK, arms_dataset_add(empty, &row, 1, &error));
  EXPECT(ERROR_NOT_FOUND, arms_trainer_run(trainer, empty, NULL, NULL, NULL, &error));
  arms_dataset_free(empty);
  EXPECT(ERROR_INVALID_HANDLE, arms_trainer_run(trainer, empty, NULL, NULL, NULL, &error));
  EXPECT(ERROR_INVALID_HANDLE, arms_trainer_evaluate(trainer, NULL, &metrics, &error));

  float before[SCORES], after[SCORES];
  memset(before, 0, sizeof before), memset(after, 0, sizeof after);
  scores_of(router, before);
  Watch watch = {trainer, dataset, 2, 0, 0, 0, 1};
  EXPECT(ERROR_CANCELLED, arms_trainer_run(trainer, dataset, NULL, watching, &watch, &error));
  CHECK(watch.steps == 2);
  scores_of(router, after);
  CHECK(same(before, after, SCORES));
  watch.steps = 0;
  EXPECT(ERROR_CANCELLED, arms_trainer_run(trainer, dataset, NULL, disturbing, &watch, &error));
  /* A freed trainer finishes its run. */
  watch.frees = 1;
  EXPECT(ERROR_CANCELLED, arms_trainer_run(trainer, dataset, NULL, disturbing, &watch, &error));
  EXPECT(ERROR_INVALID_HANDLE, arms_trainer_run(trainer, dataset, NULL, NULL, NULL, &error));
}

static void test_checkpoints(arms_router *router, arms_dataset *dataset, const char *work) {
  char file[4096];
  snprintf(file, sizeof file, "%s/checkpoint.gguf", work);
  arms_trainer *whole = trainer_of(router), *part = trainer_of(router), *rest = trainer_of(router);
  EXPECT(OK, arms_trainer_run(whole, dataset, NULL, NULL, NULL, &error));
  arms_run_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.checkpoint_path = file, options.checkpoint_interval = 5;
  Watch watch = {part, dataset, 7, 0, 0, 0, 1};
  EXPECT(ERROR_CANCELLED, arms_trainer_run(part, dataset, &options, watching, &watch, &error));
  EXPECT(OK, arms_trainer_resume(rest, file, &error));
  EXPECT(OK, arms_trainer_run(rest, dataset, NULL, NULL, NULL, &error));
  float *first = NULL, *second = NULL;
  size_t count = 0;
  EXPECT(OK, arms_trainer_parameters(whole, &first, &count, &error));
  EXPECT(OK, arms_trainer_parameters(rest, &second, &count, &error));
  CHECK(count > 0 && same(first, second, count));

  EXPECT(OK, arms_trainer_checkpoint(whole, file, &error));
  EXPECT(OK, arms_trainer_resume(rest, file, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_checkpoint(whole, NULL, &error));
  EXPECT(ERROR_IO, arms_trainer_checkpoint(whole, in(work, "absent/file"), &error));
  EXPECT(ERROR_IO, arms_trainer_resume(rest, in(work, "absent"), &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_resume(rest, NULL, &error));
  arms_trainer_options other = brisk();
  other.seed = 1;
  arms_trainer *stranger = NULL;
  EXPECT(OK, arms_trainer_create(router, &other, &stranger, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_resume(stranger, file, &error));
  arms_trainer_free(stranger);

  /* What is saved decides as what is committed. */
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_save(whole, NULL, 0, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_save(whole, file, 5, &error));
  EXPECT(ERROR_IO, arms_trainer_save(whole, in(work, "absent/file"), 0, &error));
  EXPECT(OK, arms_trainer_save(whole, file, ARMS_WEIGHT_UNCHANGED, &error));
  EXPECT(ERROR_UNSUPPORTED, arms_trainer_resume(rest, file, &error));
  EXPECT(OK, arms_trainer_commit(whole, NULL, &error));
  /* Another trainer would lose what that one learned. */
  EXPECT(ERROR_CONFLICT, arms_trainer_commit(rest, NULL, &error));
  arms_router *saved = NULL;
  EXPECT(OK, arms_router_open(file, NULL, &saved, &error));
  float here[SCORES], there[SCORES];
  memset(here, 0, sizeof here), memset(there, 0, sizeof there);
  scores_of(router, here), scores_of(saved, there);
  CHECK(same(here, there, SCORES));
  EXPECT(OK, arms_trainer_save(whole, file, ARMS_WEIGHT_INT8, &error));
  arms_router_free(saved);
  arms_trainer_free(whole), arms_trainer_free(part), arms_trainer_free(rest);
}

/* An adapter makes of its base what was trained. */
static void test_adapters(const char *fixtures, arms_dataset *dataset, const char *work) {
  char file[4096];
  snprintf(file, sizeof file, "%s/adapter.gguf", work);
  arms_router *router = opened(fixtures), *base = opened(fixtures), *wrong = NULL;
  const char *reader = "reader";
  EXPECT(OK, arms_candidates_remove(router, &reader, 1, &error));
  arms_trainer_options options = brisk();
  options.text_layers = ARMS_ALL_LAYERS, options.image_layers = 1;
  options.lora_rank = 2, options.lora_alpha = 4, options.lora_targets = ARMS_LORA_VALUE | ARMS_LORA_DOWN;
  arms_trainer *trainer = NULL, *plain = trainer_of(router);
  EXPECT(OK, arms_trainer_create(router, &options, &trainer, &error));
  EXPECT(OK, arms_trainer_run(trainer, dataset, NULL, NULL, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_save_adapter(plain, file, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_save_adapter(trainer, NULL, &error));
  EXPECT(ERROR_IO, arms_trainer_save_adapter(trainer, in(work, "absent/file"), &error));
  EXPECT(OK, arms_trainer_save_adapter(trainer, file, &error));
  EXPECT(OK, arms_trainer_commit(trainer, NULL, &error));
  EXPECT(ERROR_UNSUPPORTED, arms_router_open(file, NULL, &wrong, &error));

  arms_reload_options how;
  memset(&how, 0, sizeof how);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_apply_adapter(base, file, &how, &error));
  how.struct_size = sizeof how, how.flags = 2;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_apply_adapter(base, file, &how, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_apply_adapter(base, NULL, NULL, &error));
  EXPECT(ERROR_IO, arms_router_apply_adapter(base, in(work, "absent"), NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_apply_adapter(router, file, NULL, &error));
  EXPECT(OK, arms_router_apply_adapter(base, file, NULL, &error));
  float trained[SCORES], applied[SCORES];
  memset(trained, 0, sizeof trained), memset(applied, 0, sizeof applied);
  scores_of(router, trained), scores_of(base, applied);
  CHECK(same(trained, applied, SCORES));
  arms_router_free(base);
  EXPECT(ERROR_INVALID_HANDLE, arms_router_apply_adapter(base, file, NULL, &error));

  /* Nothing to adapt, too large a rank, layers that there are not, a scale that is none, and settings of adapters
   * without a rank. */
  arms_trainer_options bad[6] = {options, options, options, options, options, options};
  bad[0].text_layers = bad[0].image_layers = 0;
  bad[1].lora_rank = UINT32_MAX, bad[2].lora_targets = 64, bad[3].lora_alpha = NAN;
  bad[4].lora_rank = 0, bad[4].lora_targets = 0, bad[5].lora_rank = 0, bad[5].lora_alpha = 0;
  for (size_t i = 0; i < 6; i++) {
    EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_create(router, &bad[i], &plain, &error));
  }
  arms_trainer_free(trainer), arms_trainer_free(plain);
  arms_router_free(router);
}

/* Operands of 8 bits give nearly the gradients of the first four queries in float32. */
static void check_bfloat16(arms_router *router, arms_dataset *dataset, const float *expected, size_t count) {
  arms_trainer_options options = brisk();
  arms_trainer *trainer = NULL;
  options.flags = ARMS_TRAINER_BFLOAT16;
  EXPECT(OK, arms_trainer_create(router, &options, &trainer, &error));
  float *gradients = NULL;
  size_t others = 0, queries[4] = {0, 1, 2, 3};
  EXPECT(OK, arms_trainer_gradients(trainer, &gradients, &others, &error));
  CHECK(others == count);
  EXPECT(OK, arms_trainer_compute_gradients(trainer, dataset, queries, 4, NULL, &error));
  double norm = 0, difference = 0;
  for (size_t i = 0; i < count; i++) {
    norm += (double)expected[i] * expected[i];
    difference += (double)(gradients[i] - expected[i]) * (gradients[i] - expected[i]);
  }
  CHECK(difference > 1e-8 * norm && difference < 0.0025 * norm);
  arms_trainer_free(trainer);
}

/* Two halves of a batch have on average its gradients. */
static void test_gradients(arms_router *router, arms_dataset *dataset) {
  arms_trainer *trainer = trainer_of(router);
  float *values = NULL, *gradients = NULL;
  size_t count = 0, others = 0, tensors = 0, covered = 0;
  EXPECT(OK, arms_trainer_parameters(trainer, &values, &count, &error));
  EXPECT(OK, arms_trainer_gradients(trainer, &gradients, &others, &error));
  CHECK(count == others && count > 0 && values != gradients);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_parameters(trainer, NULL, &count, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_gradients(trainer, &gradients, NULL, &error));

  EXPECT(OK, arms_trainer_layout(trainer, NULL, 0, &tensors, &error));
  arms_tensor_range *ranges = calloc(tensors, sizeof *ranges);
  ranges[0].struct_size = sizeof *ranges;
  EXPECT(OK, arms_trainer_layout(trainer, ranges, tensors, &tensors, &error));
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_trainer_layout(trainer, ranges, 1, &tensors, &error));
  for (size_t i = 0; i < tensors; i++) {
    covered += ranges[i].offset >= covered && ranges[i].name[0] != 0 ? ranges[i].count : count + 1;
  }
  CHECK(covered > 0 && covered <= count);
  free(ranges);

  size_t queries[4] = {0, 1, 2, 3}, beyond = QUERIES;
  double whole = 0, left = 0, right = 0;
  float *mean = malloc(count * sizeof *mean), *saved = malloc(count * sizeof *saved);
  EXPECT(OK, arms_trainer_compute_gradients(trainer, dataset, queries, 2, &left, &error));
  memcpy(mean, gradients, count * sizeof *mean);
  EXPECT(OK, arms_trainer_compute_gradients(trainer, dataset, queries + 2, 2, &right, &error));
  for (size_t i = 0; i < count; i++) mean[i] = (mean[i] + gradients[i]) / 2;
  EXPECT(OK, arms_trainer_compute_gradients(trainer, dataset, queries, 4, &whole, &error));
  double norm = 0, difference = 0;
  for (size_t i = 0; i < count; i++) {
    norm += (double)gradients[i] * gradients[i];
    difference += (double)(mean[i] - gradients[i]) * (mean[i] - gradients[i]);
  }
  CHECK(norm > 0 && difference <= 1e-10 * norm && fabs(whole - (left + right) / 2) < 1e-6);
  EXPECT(OK, arms_trainer_compute_gradients(trainer, dataset, queries, 4, NULL, &error));
  check_bfloat16(router, dataset, gradients, count);
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_trainer_compute_gradients(trainer, dataset, &beyond, 1, NULL, &error));
  beyond = SIZE_MAX;
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_trainer_compute_gradients(trainer, dataset, &beyond, 1, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_trainer_compute_gradients(trainer, dataset, NULL, 1, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_trainer_compute_gradients(trainer, dataset, queries, 0, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_trainer_compute_gradients(trainer, dataset, queries, SIZE_MAX, NULL, &error));

  memcpy(saved, values, count * sizeof *saved);
  EXPECT(ERROR_NOT_FINITE, arms_trainer_apply_gradients(trainer, NAN, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_trainer_apply_gradients(trainer, -1, &error));
  float first = gradients[0];
  gradients[0] = INFINITY;
  EXPECT(ERROR_NOT_FINITE, arms_trainer_apply_gradients(trainer, 1e-3, &error));
  CHECK(same(values, saved, count));
  gradients[0] = first;
  EXPECT(OK, arms_trainer_apply_gradients(trainer, 1e-3, &error));
  CHECK(!same(values, saved, count));
  free(mean), free(saved);
  arms_trainer_free(trainer);
}

/* What only a run follows is refused where steps are made by hand. */
static void test_steps_by_hand(arms_router *router, arms_dataset *dataset) {
  arms_trainer_options options[2] = {brisk(), brisk()};
  options[0].flags = ARMS_TRAINER_BASE_RATES, options[1].teacher_weight = 0.5;
  for (size_t i = 0; i < 2; i++) {
    arms_trainer *trainer = NULL;
    size_t query = 0;
    EXPECT(OK, arms_trainer_create(router, &options[i], &trainer, &error));
    EXPECT(ERROR_UNSUPPORTED,
           arms_trainer_compute_gradients(trainer, dataset, &query, 1, NULL, &error));
    arms_trainer_free(trainer);
  }
}

/* What is freed, was never made or is no trainer is told from a trainer. */
static void test_trainer_handles(arms_router *router, arms_dataset *dataset) {
  arms_trainer *freed = trainer_of(router);
  arms_trainer_free(freed);
  arms_trainer_free(freed);
  arms_trainer_free(NULL);
  arms_trainer *trainers[] = {freed, NULL, (arms_trainer *)(uintptr_t)8, (arms_trainer *)(void *)router};
  for (size_t i = 0; i < sizeof trainers / sizeof *trainers; i++) {
    arms_trainer *trainer = trainers[i];
    size_t count = 0, query = 0;
    float *values = NULL;
    arms_metrics metrics = {0};
    metrics.struct_size = sizeof metrics;
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_run(trainer, dataset, NULL, NULL, NULL, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_metrics(trainer, NULL, 0, &count, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_evaluate(trainer, dataset, &metrics, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_commit(trainer, NULL, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_save(trainer, "never", 0, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_save_adapter(trainer, "never", &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_checkpoint(trainer, "never", &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_resume(trainer, "never", &error));
    EXPECT(ERROR_INVALID_HANDLE,
           arms_trainer_compute_gradients(trainer, dataset, &query, 1, NULL, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_apply_gradients(trainer, 1, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_parameters(trainer, &values, &count, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_gradients(trainer, &values, &count, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_trainer_layout(trainer, NULL, 0, &count, &error));
  }
  arms_trainer *trainer = NULL;
  EXPECT(ERROR_INVALID_HANDLE, arms_trainer_create(NULL, NULL, &trainer, &error));
  EXPECT(ERROR_INVALID_HANDLE,
         arms_trainer_create((const arms_router *)(const void *)dataset, NULL, &trainer, &error));
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  fill_pixels();
  test_dataset(argv[1]);
  arms_router *router = opened(argv[1]);
  /* Its embedding came from elsewhere: a commit adds it anew, a saved file keeps what it learned. */
  const char *reader = "reader";
  EXPECT(OK, arms_candidates_remove(router, &reader, 1, &error));
  arms_dataset *dataset = samples();
  arms_router *emptied = opened(argv[1]);
  test_options(emptied);
  arms_router_free(emptied);
  test_run(router, dataset);
  test_extension(router, dataset);
  test_fork(router, dataset);
  test_fork_amid_reading(router, dataset);
  test_refusals(router, dataset);
  test_checkpoints(router, dataset, argv[2]);
  test_adapters(argv[1], dataset, argv[2]);
  test_gradients(router, dataset);
  test_steps_by_hand(router, dataset);
  test_trainer_handles(router, dataset);
  arms_dataset_free(dataset);
  arms_router_free(router);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
