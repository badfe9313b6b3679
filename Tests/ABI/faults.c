/* Makes every memory and file operation of the library fail, one after the other: of opening, routing and saving, of
 * changes of a live router, and of data sets, training, checkpoints and adapters. Checks that each is answered
 * with an error, that nothing leaks, that a file that was to be replaced is whole, and that the next call works.
 *
 * usage: faults FIXTURES SCRATCH   the folder of the fixtures, and one to write to */
#define _GNU_SOURCE
#include <arms.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Faults: the program's own functions stand before the C library's, also for what libarms calls. ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* Operations until one fails; 0: none fails. The one that failed is named in `faulted`. */
static long countdown;
static const char *faulted;
/* Blocks that the library itself takes by malloc(): a file's bytes, the pixels of an interlaced PNG, and an error. */
static size_t image_bytes, png_bytes, error_bytes;
/* Writes until one counts as an operation. The hundreds of a file are all alike: each fails where a router is saved,
 * and one in 32 of the files of a training. */
static long write_step = 1, writes;
/* What the library has mapped, on whichever thread, and how many files. */
static long mapped, files_mapped;

/* Whether this operation is to fail. */
static int fails(const char *name) {
  if (countdown == 0 || --countdown > 0) return 0;
  faulted = name;
  errno = ENOMEM;
  return 1;
}

/* Whether `address` lies in the library of that name. */
static int lies_in(void *address, const char *name) {
  Dl_info info;
  return dladdr(address, &info) != 0 && info.dli_fname != NULL && strstr(info.dli_fname, name) != NULL;
}

/* What else calls malloc() is Swift's runtime, which ends the process when it gets no memory for its own small
 * objects. */
void *malloc(size_t size) {
  void *caller = __builtin_return_address(0);
  int ours = countdown > 0 && (size == image_bytes || size == png_bytes || size == error_bytes ||
                               lies_in(caller, "libjpeg") || lies_in(caller, "libpng"));
  return ours && fails("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) { return fails("calloc") ? NULL : __libc_calloc(count, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  /* Of the library's own. Swift's runtime asks for 16. */
  if (alignment == 64 && fails("posix_memalign")) return ENOMEM;
  *memory = __libc_memalign(alignment, size);
  return *memory == NULL ? ENOMEM : 0;
}

#define FAIL(name, error, result) \
  do { \
    if (fails(name)) { \
      errno = error; \
      return result; \
    } \
  } while (0)

/* OpenBLAS has mappings of its own, and nothing to say when it gets none. */
void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
  int ours = lies_in(__builtin_return_address(0), "libarms");
  if (ours) FAIL("mmap", ENOMEM, MAP_FAILED);
  void *memory = (void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
  if (ours && memory != MAP_FAILED) {
    __atomic_fetch_add(&mapped, (long)size, __ATOMIC_RELAXED);
    if (descriptor >= 0) __atomic_fetch_add(&files_mapped, 1, __ATOMIC_RELAXED);
  }
  return memory;
}

int munmap(void *address, size_t size) {
  if (lies_in(__builtin_return_address(0), "libarms")) __atomic_fetch_sub(&mapped, (long)size, __ATOMIC_RELAXED);
  return (int)syscall(SYS_munmap, address, size);
}

int open(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  int mode = flags & O_CREAT ? va_arg(list, int) : 0;
  va_end(list);
  FAIL("open", EMFILE, -1);
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int fstat(int descriptor, struct stat *status) {
  FAIL("fstat", EIO, -1);
  return (int)syscall(SYS_fstat, descriptor, status);
}

/* Every other byte count is cut in two, as a signal may do. */
ssize_t read(int descriptor, void *bytes, size_t count) {
  FAIL("read", EIO, -1);
  return syscall(SYS_read, descriptor, bytes, countdown % 2 && count > 1 ? count / 2 : count);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  if (writes++ % write_step == 0) FAIL("write", ENOSPC, -1);
  return syscall(SYS_write, descriptor, bytes, countdown % 2 && count > 1 ? count / 2 : count);
}

int fsync(int descriptor) {
  FAIL("fsync", EIO, -1);
  return (int)syscall(SYS_fsync, descriptor);
}

int fchmod(int descriptor, mode_t mode) {
  FAIL("fchmod", EPERM, -1);
  return (int)syscall(SYS_fchmod, descriptor, mode);
}

int flock(int descriptor, int operation) {
  FAIL("flock", ENOLCK, -1);
  return (int)syscall(SYS_flock, descriptor, operation);
}

int rename(const char *from, const char *to) {
  FAIL("rename", EXDEV, -1);
  return (int)syscall(SYS_rename, from, to);
}

/* Whether no thread can be had, and how many were started. */
static int lacks_threads, threads_started;
static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  if (fails("pthread_create") || lacks_threads) return EAGAIN;
  __atomic_fetch_add(&threads_started, 1, __ATOMIC_RELAXED);
  return real_pthread_create(thread, attributes, run, argument);
}

/* ---- What is done while operations fail ---- */

static const char *model, *other, *scratch;
static arms_candidate_info candidates[8];
static uint8_t *jpeg, *png;
static size_t jpeg_size, png_size;
static char image_path[4096], saved[4096], checkpoint[4096], adapter[4096];
static int passed, failed;

static void report(int good, const char *what, long number, const char *detail) {
  if (good) {
    passed++;
    return;
  }
  failed++;
  printf("%s, operation %ld (%s): %s\n", what, number, faulted ? faulted : "none", detail);
}

/* Whether a call succeeded. A failure must say what it is: no memory, or a file. */
static int worked(arms_status status, arms_error **error, const char *what, long number) {
  if (status == ARMS_OK) return 1;
  report(*error != NULL && (status == ARMS_ERROR_OUT_OF_MEMORY || status == ARMS_ERROR_IO), what, number,
         *error != NULL ? arms_error_message(*error) : "an error without a message");
  arms_error_free(*error);
  *error = NULL;
  return 0;
}

static int route_image(const arms_router *router, uint32_t format, const void *data, size_t size, const char *what,
                       long number) {
  arms_image_input image;
  arms_query query;
  arms_decision decision;
  arms_error *error = NULL;
  memset(&image, 0, sizeof image);
  memset(&query, 0, sizeof query);
  memset(&decision, 0, sizeof decision);
  image.struct_size = sizeof image;
  image.format = format;
  image.data = data;
  image.size = size;
  query.struct_size = sizeof query;
  query.text = "What is the highest value?";
  query.text_length = ARMS_NUL_TERMINATED;
  query.images = &image;
  query.image_count = 1;
  decision.struct_size = sizeof decision;
  return worked(arms_route(router, &query, NULL, &decision, NULL, 0, &error), &error, what, number);
}

/* Opens, routes and saves. Returns whether all of it worked. */
static int use(uint32_t flags, const char *what, long number) {
  arms_open_options options;
  arms_router *router = NULL;
  arms_error *error = NULL;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.flags = flags;
  options.threads = 2;
  if (!worked(arms_router_open(model, &options, &router, &error), &error, what, number)) return 0;
  int good = route_image(router, ARMS_IMAGE_ENCODED, jpeg, jpeg_size, what, number) &&
             route_image(router, ARMS_IMAGE_ENCODED, png, png_size, what, number) &&
             route_image(router, ARMS_IMAGE_PATH, image_path, ARMS_NUL_TERMINATED, what, number);
  if (good) {
    good = worked(arms_router_save(router, saved, &error), &error, what, number);
  }
  arms_router_free(router);
  return good;
}

static int use_mapped(const char *what, long number) { return use(0, what, number); }
static int use_copied(const char *what, long number) { return use(ARMS_OPEN_COPY, what, number); }

#define WORKS(call)                                        \
  do {                                                     \
    arms_error *error = NULL;                              \
    good = good && worked(call, &error, what, number);     \
  } while (0)

/* Opens the model, without a fault. */
static arms_router *opened_with(uint32_t flags) {
  arms_open_options options;
  arms_router *router = NULL;
  long rest = countdown;
  countdown = 0;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.flags = flags;
  options.threads = 2;
  if (arms_router_open(model, &options, &router, NULL) != ARMS_OK) exit(2);
  countdown = rest;
  return router;
}

static arms_router *opened(void) { return opened_with(0); }

/* Changes a router while it is open. */
static int change(const char *what, long number) {
  arms_router *router = opened();
  arms_reload_options keep;
  arms_candidate added;
  const char *names[] = {"extra"};
  arms_question *question = NULL;
  arms_image *encoded = NULL;
  arms_image_input image;
  int good = 1;
  memset(&keep, 0, sizeof keep);
  memset(&added, 0, sizeof added);
  memset(&image, 0, sizeof image);
  keep.struct_size = sizeof keep;
  keep.flags = ARMS_RELOAD_KEEP_CANDIDATES;
  added.struct_size = sizeof added;
  added.name = names[0];
  added.profile = "Reads charts.";
  image.struct_size = sizeof image;
  image.data = jpeg;
  image.size = jpeg_size;
  WORKS(arms_candidates_add(router, &added, 1, &error));
  WORKS(arms_router_reload(router, model, &keep, &error));
  WORKS(arms_candidates_enable(router, names, 1, 0, &error));
  WORKS(arms_candidates_remove(router, names, 1, &error));
  WORKS(arms_router_reload(router, model, NULL, &error));
  WORKS(arms_question_encode(router, "Who?", ARMS_NUL_TERMINATED, &question, &error));
  WORKS(arms_image_encode(router, &image, &encoded, &error));
  /* Whatever failed, it goes on with the weights that it had or with the new ones. */
  long rest = countdown;
  countdown = 0;
  report(route_image(router, ARMS_IMAGE_ENCODED, png, png_size, what, number), what, number, "the router is broken");
  countdown = rest;
  arms_question_free(question);
  arms_image_free(encoded);
  arms_router_free(router);
  return good;
}

/* Two questions, one of them with images of every kind, and outcomes of both candidates. */
static int fill(arms_dataset *dataset, const char *what, long number) {
  static uint8_t pixels[8 * 8 * 3];
  arms_image_input images[3];
  arms_outcome outcomes[2];
  arms_sample samples[2];
  int good = 1;
  memset(images, 0, sizeof images);
  memset(outcomes, 0, sizeof outcomes);
  memset(samples, 0, sizeof samples);
  for (int i = 0; i < 3; i++) images[i].struct_size = sizeof *images;
  images[0].data = jpeg, images[0].size = jpeg_size;
  images[1].format = ARMS_IMAGE_PATH, images[1].data = image_path, images[1].size = ARMS_NUL_TERMINATED;
  images[2].format = ARMS_IMAGE_RGB8, images[2].data = pixels, images[2].size = sizeof pixels;
  images[2].width = images[2].height = 8;
  for (int i = 0; i < 2; i++) {
    outcomes[i].struct_size = sizeof *outcomes;
    outcomes[i].candidate = candidates[i].name;
    outcomes[i].label = i;
    samples[i].struct_size = sizeof *samples;
    samples[i].text = i == 0 ? "Who?" : "Which bar is the highest?";
    samples[i].text_length = ARMS_NUL_TERMINATED;
    samples[i].outcomes = outcomes;
    samples[i].outcome_count = 2;
  }
  samples[1].images = images, samples[1].image_count = 3;
  WORKS(arms_dataset_add(dataset, samples, 2, &error));
  return good;
}

/* Trains a router, with checkpoints, measures, goes on from the checkpoint, and lets what was learned go live. */
static int train_router(arms_router *router, const char *what, long number) {
  arms_dataset *dataset = NULL;
  arms_trainer *trainer = NULL;
  arms_trainer_options options;
  arms_run_options run;
  arms_metrics metrics;
  size_t query = 1;
  int good = 1;
  memset(&options, 0, sizeof options);
  memset(&run, 0, sizeof run);
  memset(&metrics, 0, sizeof metrics);
  options.struct_size = sizeof options;
  options.text_layers = options.image_layers = 1;
  options.epochs = 1;
  options.threads = 1;
  run.struct_size = sizeof run;
  run.checkpoint_path = checkpoint;
  metrics.struct_size = sizeof metrics;
  WORKS(arms_dataset_create(&dataset, &error));
  good = good && fill(dataset, what, number);
  run.validation = dataset;
  WORKS(arms_trainer_create(router, &options, &trainer, &error));
  WORKS(arms_trainer_run(trainer, dataset, &run, NULL, NULL, &error));
  WORKS(arms_trainer_resume(trainer, checkpoint, &error));
  WORKS(arms_trainer_evaluate(trainer, dataset, &metrics, &error));
  WORKS(arms_trainer_compute_gradients(trainer, dataset, &query, 1, NULL, &error));
  WORKS(arms_trainer_apply_gradients(trainer, 1e-4, &error));
  WORKS(arms_trainer_checkpoint(trainer, checkpoint, &error));
  WORKS(arms_trainer_save(trainer, saved, ARMS_WEIGHT_INT8, &error));
  WORKS(arms_trainer_commit(trainer, NULL, &error));
  arms_trainer_free(trainer);
  arms_dataset_free(dataset);
  arms_router_free(router);
  return good;
}

static int train(const char *what, long number) { return train_router(opened(), what, number); }

/* Trains adapters, and applies them to a router of the same weights. */
static int train_adapters(const char *what, long number) {
  arms_router *router = opened(), *base = opened();
  arms_dataset *dataset = NULL;
  arms_trainer *trainer = NULL;
  arms_trainer_options options;
  int good = 1;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.text_layers = options.image_layers = 1;
  options.epochs = 1;
  options.threads = 1;
  options.lora_rank = 2;
  options.teacher_weight = 0.5;
  WORKS(arms_dataset_create(&dataset, &error));
  good = good && fill(dataset, what, number);
  WORKS(arms_trainer_create(router, &options, &trainer, &error));
  WORKS(arms_trainer_run(trainer, dataset, NULL, NULL, NULL, &error));
  WORKS(arms_trainer_save_adapter(trainer, adapter, &error));
  WORKS(arms_router_apply_adapter(base, adapter, NULL, &error));
  long rest = countdown;
  countdown = 0;
  /* What failed has left the file of the time before, or this one's, and the weights that it is of. */
  report(good || number == 0 || arms_router_apply_adapter(base, adapter, NULL, NULL) == ARMS_OK, what, number,
         "the adapter's file or its base is broken");
  report(route_image(base, ARMS_IMAGE_ENCODED, png, png_size, what, number), what, number, "the router is broken");
  countdown = rest;
  arms_trainer_free(trainer);
  arms_dataset_free(dataset);
  arms_router_free(base);
  arms_router_free(router);
  return good;
}

/* Learns what is new in a live router, and joins it with another. */
static int adapt(const char *what, long number) {
  arms_router *router = opened();
  arms_router *second = NULL;
  arms_dataset *dataset = NULL;
  arms_trainer_options training;
  arms_extension_options options;
  const char *names[] = {candidates[1].name};
  int good = 1;
  memset(&training, 0, sizeof training);
  memset(&options, 0, sizeof options);
  training.struct_size = sizeof training;
  training.epochs = 1;
  training.threads = 1;
  options.struct_size = sizeof options;
  options.training = &training;
  options.distillation = 0.5;
  WORKS(arms_dataset_create(&dataset, &error));
  good = good && fill(dataset, what, number);
  options.held_out = dataset;
  WORKS(arms_router_calibrate(router, dataset, 0, NULL, &error));
  WORKS(arms_candidates_fit(router, names, 1, dataset, 0, NULL, &error));
  WORKS(arms_router_extend(router, names, 1, dataset, &options, NULL, NULL, NULL, &error));
  WORKS(arms_router_open(other, NULL, &second, &error));
  WORKS(arms_router_join(router, second, saved, 0, &error));
  arms_dataset_free(dataset);
  arms_router_free(second);
  arms_router_free(router);
  return good;
}

/* Open descriptors of this process. */
static int descriptors(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/fd");
  while (folder != NULL && readdir(folder) != NULL) count++;
  if (folder != NULL) closedir(folder);
  return count;
}

static size_t heap(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd + (size_t)__atomic_load_n(&mapped, __ATOMIC_RELAXED);
}

/* Files of the folder that is written to, a temporary that was left there as well. */
static int files(void) {
  int count = 0;
  DIR *folder = opendir(scratch);
  while (folder != NULL && readdir(folder) != NULL) count++;
  if (folder != NULL) closedir(folder);
  return count;
}

/* Lets operation 1, 2, 3... of something fail until all are done without. */
static void each_fails(int (*something)(const char *, long), const char *what) {
  /* What is made once and kept is made before anything is compared; and malloc() counts what its threads keep of freed
   * blocks as in use, which takes some rounds to come to its end. */
  faulted = NULL;
  for (int i = 0; i < 20; i++) {
    if (something(what, 0)) continue;
    report(0, what, 0, "it fails without a fault");
    return;
  }
  int open_files = descriptors(), written = files();
  int reached = 1;
  long n = 1;
  size_t before = heap();
  for (; reached && n < 10000; n++) {
    faulted = NULL;
    /* Twice: what is made once at a first failure and kept, a table of messages say, is no leak. */
    size_t memory = 0;
    for (int i = 0; i < 2; i++) {
      countdown = n;
      writes = 0;
      something(what, n);
      reached = countdown == 0;
      countdown = 0;
      if (i == 0) memory = heap();
    }
    /* Threads that were told to stop free some bytes when they come to it. */
    report(heap() <= memory + 4096, what, n, "memory is lost");
    report(something(what, n), what, n, "the next try fails as well");
    report(descriptors() == open_files, what, n, "a descriptor is left open");
    report(files() == written, what, n, "a temporary is left");
  }
  report(heap() < before + 64 * (size_t)n, what, n, "memory is lost, a little each time");
  report(n > 10 && !reached, what, n, "not every operation has failed");
}

/* A save that finds the disk full leaves the old file, which opens. */
static void full_disk(void) {
  struct rlimit before, small = {4096, RLIM_INFINITY};
  arms_router *router = NULL;
  getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  report(arms_router_open(model, NULL, &router, NULL) == ARMS_OK, "full disk", 0, "the model does not open");
  setrlimit(RLIMIT_FSIZE, &small);
  arms_error *error = NULL;
  arms_status status = arms_router_save(router, saved, &error);
  setrlimit(RLIMIT_FSIZE, &before);
  report(status == ARMS_ERROR_IO, "full disk", 0, "the save is no IO error");
  arms_error_free(error);
  arms_router_free(router);
  router = NULL;
  report(arms_router_open(saved, NULL, &router, NULL) == ARMS_OK, "full disk", 0, "the old file is broken");
  error = NULL;
  report(arms_router_save(router, "/proc/self/model.gguf", &error) == ARMS_ERROR_IO, "a folder that takes no file",
         0, "the save is no IO error");
  arms_error_free(error);
  arms_router_free(router);
}

/* An error for which there is no memory leaves its status alone. */
static void no_error(void) {
  arms_error *error = NULL;
  arms_router *router = NULL;
  report(arms_router_open("absent", NULL, &router, &error) == ARMS_ERROR_IO && error != NULL, "no error", 0,
         "an absent file opens");
  /* Status, text and NUL. */
  error_bytes = sizeof(int32_t) + (error == NULL ? 0 : strlen(arms_error_message(error))) + 1;
  arms_error_free(error);
  error = NULL;
  /* The operation after open(). */
  countdown = 2;
  arms_status status = arms_router_open("absent", NULL, &router, &error);
  report(countdown == 0 && faulted != NULL && strcmp(faulted, "malloc") == 0, "no error", 2, "no malloc() failed");
  report(status == ARMS_ERROR_IO && error == NULL && router == NULL, "no error", 2, "the status is another");
  countdown = 0;
  error_bytes = 0;
}

/* Where files are copied, because others may truncate them, a checkpoint is as well. */
static void copies_alone(void) {
  const long before = files_mapped;
  report(train_router(opened_with(ARMS_OPEN_COPY), "copies alone", 0), "copies alone", 0, "it fails without a fault");
  report(files_mapped == before, "copies alone", 0, "a file is mapped");
  report(train("copies alone", 0) && files_mapped > before, "copies alone", 0, "no mapping is counted");
}

/* A router whose threads could not be had has them once they can be. */
static void threads_come_later(void) {
  arms_router *router = opened();
  lacks_threads = 1;
  int good = route_image(router, ARMS_IMAGE_ENCODED, jpeg, jpeg_size, "threads that come later", 0);
  lacks_threads = 0;
  const int before = threads_started;
  for (int i = 0; i < 1000 && threads_started == before; i++) {
    good &= route_image(router, ARMS_IMAGE_ENCODED, jpeg, jpeg_size, "threads that come later", i);
  }
  report(good && threads_started == before + 1, "threads that come later", 0, "the worker is not started");
  arms_router_free(router);
}

/* Without OpenBLAS float weights and training are refused, and int8 weights route. In a process of its own, which
 * has not loaded it. */
static void no_openblas(void) {
  pid_t child = fork();
  if (child == 0) {
    arms_router *router = NULL;
    arms_trainer *trainer = NULL;
    setenv("ARMS_OPENBLAS", "absent.so", 1);
    if (arms_router_open(other, NULL, &router, NULL) != ARMS_ERROR_UNSUPPORTED || router != NULL) _exit(1);
    router = opened();
    if (!route_image(router, ARMS_IMAGE_ENCODED, jpeg, jpeg_size, "no OpenBLAS", 0)) _exit(2);
    if (arms_trainer_create(router, NULL, &trainer, NULL) != ARMS_ERROR_UNSUPPORTED || trainer != NULL) _exit(3);
    arms_router_free(router);
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  report(status == 0, "no OpenBLAS", 0, "float weights, int8 weights or a trainer");
}

static uint8_t *content(const char *folder, const char *name, size_t *size) {
  char path[4096];
  struct stat status;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL || fstat(fileno(file), &status) != 0) exit(2);
  uint8_t *bytes = malloc((size_t)status.st_size);
  *size = (size_t)status.st_size;
  if (fread(bytes, 1, *size, file) != *size) exit(2);
  fclose(file);
  return bytes;
}

/* The fixtures, and what is known of them. */
static void prepare(const char *fixtures) {
  static char paths[2][4096];
  size_t count = 0;
  snprintf(paths[0], sizeof paths[0], "%s/models/distilbert-patches-scaled-int8.gguf", fixtures);
  snprintf(paths[1], sizeof paths[1], "%s/models/bert-concat-paper.gguf", fixtures);
  snprintf(image_path, sizeof image_path, "%s/images/jpeg_orientation_6.jpg", fixtures);
  snprintf(saved, sizeof saved, "%s/saved.gguf", scratch);
  snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint.gguf", scratch);
  snprintf(adapter, sizeof adapter, "%s/adapter.gguf", scratch);
  model = paths[0];
  other = paths[1];
  jpeg = content(fixtures, "images/jpeg_cmyk.jpg", &jpeg_size);
  png = content(fixtures, "images/png_rgb_8_interlaced.png", &png_size);
  free(content(fixtures, "images/jpeg_orientation_6.jpg", &image_bytes));
  /* Width and height follow the names of the file and of its first chunk. */
  png_bytes = 3 * (size_t)(png[18] << 8 | png[19]) * (size_t)(png[22] << 8 | png[23]);
  arms_router *router = opened();
  candidates[0].struct_size = sizeof *candidates;
  if (arms_candidates_list(router, candidates, 8, &count, NULL, NULL) != ARMS_OK || count < 2) exit(2);
  arms_router_free(router);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  /* C99 has no conversion from an object's pointer to a function's. */
  void *found = dlsym(RTLD_NEXT, "pthread_create");
  memcpy(&real_pthread_create, &found, sizeof found);
  setvbuf(stdout, NULL, _IOLBF, 0);
  scratch = argv[2];
  prepare(argv[1]);
  no_openblas();
  no_error();
  threads_come_later();
  copies_alone();
  each_fails(use_mapped, "mapped");
  each_fails(use_copied, "copied");
  full_disk();
  each_fails(change, "changed");
  write_step = 32;
  each_fails(train, "trained");
  each_fails(train_adapters, "trained adapters");
  each_fails(adapt, "adapted");
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
