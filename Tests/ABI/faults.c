/* Makes every memory and file operation of the library fail, one after the other, and checks that each is answered
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
#include <unistd.h>

/* ---- Faults: the program's own functions stand before the C library's, also for what libarms calls. ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* Operations until one fails; 0: none fails. The one that failed is named in `faulted`. */
static long countdown;
static const char *faulted;
static size_t image_bytes;

/* Whether this operation is to fail. */
static int fails(const char *name) {
  if (countdown == 0 || --countdown > 0) return 0;
  faulted = name;
  errno = ENOMEM;
  return 1;
}

/* Whether `address` lies in libjpeg or libpng: what else calls malloc() is Swift's runtime, which ends the process
 * when it gets no memory for its own small objects. */
static int in_codec(void *address) {
  Dl_info info;
  if (countdown == 0 || dladdr(address, &info) == 0 || info.dli_fname == NULL) return 0;
  return strstr(info.dli_fname, "libjpeg") != NULL || strstr(info.dli_fname, "libpng") != NULL;
}

void *malloc(size_t size) {
  int ours = countdown > 0 && (size == image_bytes || in_codec(__builtin_return_address(0)));
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

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
  FAIL("mmap", ENOMEM, MAP_FAILED);
  return (void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
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
  FAIL("write", ENOSPC, -1);
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

static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  if (fails("pthread_create")) return EAGAIN;
  return real_pthread_create(thread, attributes, run, argument);
}

/* ---- What is done while operations fail ---- */

static const char *model, *scratch;
static uint8_t *jpeg, *png;
static size_t jpeg_size, png_size;
static char image_path[4096], saved[4096];
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
static int everything(uint32_t flags, const char *what, long number) {
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
  return info.uordblks + info.hblkhd;
}

/* Files of the folder that is written to, a temporary that was left there as well. */
static int files(void) {
  int count = 0;
  DIR *folder = opendir(scratch);
  while (folder != NULL && readdir(folder) != NULL) count++;
  if (folder != NULL) closedir(folder);
  return count;
}

/* Lets operation 1, 2, 3... fail until all are done without. */
static void each_fails(uint32_t flags, const char *what) {
  /* What is made once and kept is made before anything is compared. */
  for (int i = 0; i < 3; i++) {
    if (!everything(flags, what, 0)) return;
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
      everything(flags, what, n);
      reached = countdown == 0;
      countdown = 0;
      if (i == 0) memory = heap();
    }
    /* Threads that were told to stop free some bytes when they come to it. */
    report(heap() <= memory + 4096, what, n, "memory is lost");
    report(everything(flags, what, n), what, n, "the next try fails as well");
    report(descriptors() == open_files, what, n, "a descriptor is left open");
    report(files() == written, what, n, "a temporary is left");
  }
  report(heap() < before + 64 * (size_t)n, what, n, "memory is lost, a little each time");
}

/* A save that finds the disk full leaves the old file, which opens. */
static void full_disk(void) {
  struct rlimit before, small = {4096, RLIM_INFINITY};
  arms_router *router = NULL;
  getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
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

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  char path[4096];
  /* C99 has no conversion from an object's pointer to a function's. */
  void *found = dlsym(RTLD_NEXT, "pthread_create");
  memcpy(&real_pthread_create, &found, sizeof found);
  scratch = argv[2];
  snprintf(path, sizeof path, "%s/models/distilbert-patches-scaled-int8.gguf", argv[1]);
  snprintf(image_path, sizeof image_path, "%s/images/jpeg_orientation_6.jpg", argv[1]);
  snprintf(saved, sizeof saved, "%s/saved.gguf", argv[2]);
  model = path;
  jpeg = content(argv[1], "images/jpeg_cmyk.jpg", &jpeg_size);
  png = content(argv[1], "images/png_rgb_8_interlaced.png", &png_size);
  free(content(argv[1], "images/jpeg_orientation_6.jpg", &image_bytes));
  each_fails(0, "mapped");
  each_fails(ARMS_OPEN_COPY, "copied");
  full_disk();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
