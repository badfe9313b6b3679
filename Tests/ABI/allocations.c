/* Once warm, a route takes no memory from the heap: it works in what the router kept of the calls before.
 *
 * usage: allocations MODEL...   the model files to route with */
#define _GNU_SOURCE
#include <arms.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUESTION "How many red cars are on the left of the unbelievably tall building?"
#define WARM_UPS 20
#define CALLS 100
#define QUERIES 8
#define SIDE 64
#define FLOATS 65536
#define CANDIDATES 64
#define ADDED 40

/* The program's own functions stand before the C library's, also for what libarms calls. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static int counting;
static long allocations;

static void note(void) {
  if (__atomic_load_n(&counting, __ATOMIC_RELAXED)) {
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
  }
}

void *malloc(size_t size) {
  note();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note();
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  note();
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
  *memory = memalign(alignment, size);
  return *memory == NULL ? ENOMEM : 0;
}

/* Large buffers come from the system. */
void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) {
  note();
  return (void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
}

static int passed, failed;
static float pixels[FLOATS], scores[FLOATS];
static uint8_t raw[SIDE * SIDE * 3];

static void report(int good, const char *where, const char *what, long count) {
  if (good) {
    passed++;
    return;
  }
  failed++;
  printf("%s: %s: %ld allocations in %d calls\n", where, what, count, CALLS);
}

/* Ends the program with the error's message: what follows could not be measured. */
static void must(arms_status status, arms_error *error) {
  if (status == ARMS_OK) return;
  printf("%s\n0 passed, 1 failed\n", arms_error_message(error));
  exit(1);
}

/* What is routed: a router, one query of a kind, and options. */
typedef struct {
  const char *model;
  const arms_router *router;
  arms_query query;
  arms_route_options options;
} route;

static void route_once(const route *given, const char *what) {
  arms_decision decision;
  arms_ranked ranked[CANDIDATES];
  arms_error *error = NULL;
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  ranked[0].struct_size = sizeof *ranked;
  arms_status status = arms_route(given->router, &given->query, &given->options, &decision, ranked,
                                  CANDIDATES, &error);
  if (status != ARMS_OK) printf("%s: %s: ", given->model, what);
  must(status, error);
}

static void score_once(const route *given, int named) {
  arms_query queries[QUERIES];
  arms_score_options options;
  arms_error *error = NULL;
  size_t columns = 0;
  for (int i = 0; i < QUERIES; i++) queries[i] = given->query;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  if (named) {
    options.names = given->options.allowed;
    options.name_count = given->options.allowed_count;
  }
  must(arms_score(given->router, queries, QUERIES, &options, scores, FLOATS, &columns, NULL, &error),
       error);
}

static void begin(void) {
  allocations = 0;
  __atomic_store_n(&counting, 1, __ATOMIC_SEQ_CST);
}

static long end(void) {
  __atomic_store_n(&counting, 0, __ATOMIC_SEQ_CST);
  return allocations;
}

static void check_route(const route *given, const char *what) {
  for (int i = 0; i < WARM_UPS; i++) route_once(given, what);
  begin();
  for (int i = 0; i < CALLS; i++) route_once(given, what);
  long count = end();
  report(count == 0, given->model, what, count);
}

static void check_score(const route *given, int named, const char *what) {
  for (int i = 0; i < WARM_UPS; i++) score_once(given, named);
  begin();
  for (int i = 0; i < CALLS; i++) score_once(given, named);
  long count = end();
  report(count == 0, given->model, what, count);
}

static arms_image_input image_input(uint32_t format, const void *data, size_t size) {
  arms_image_input made;
  memset(&made, 0, sizeof made);
  made.struct_size = sizeof made;
  made.format = format;
  made.data = data;
  made.size = size;
  return made;
}

/* Adds candidates, with names too long to be kept inside a value. */
static void add_candidates(arms_router *router) {
  static char names[ADDED][48];
  arms_candidate added[ADDED];
  arms_error *error = NULL;
  memset(added, 0, sizeof added);
  for (int i = 0; i < ADDED; i++) {
    snprintf(names[i], sizeof names[i], "a candidate with a long name, number %d", i);
    added[i].struct_size = sizeof *added;
    added[i].name = added[i].profile = names[i];
  }
  must(arms_candidates_add(router, added, ADDED, &error), error);
}

/* Every way to give the question and the images. */
static void check_queries(const route *given) {
  arms_error *error = NULL;
  size_t floats = 0, count = 0;
  int32_t ids[512];
  arms_question *question = NULL;
  arms_image *image = NULL;
  arms_image_input inputs[2];
  inputs[0] = image_input(ARMS_IMAGE_RGB8, raw, sizeof raw);
  inputs[0].width = inputs[0].height = SIDE;
  must(arms_image_prepare(given->router, &inputs[0], pixels, FLOATS, &floats, &error), error);
  must(arms_image_encode(given->router, &inputs[0], &image, &error), error);
  must(arms_question_encode(given->router, QUESTION, ARMS_NUL_TERMINATED, &question, &error), error);
  must(arms_text_tokenize(given->router, QUESTION, ARMS_NUL_TERMINATED, ids, 512, &count, NULL, &error),
       error);
  inputs[0] = inputs[1] = image_input(ARMS_IMAGE_PREPARED, pixels, floats * sizeof *pixels);
  const arms_image *encoded[2] = {image, image};

  route asked = *given;
  check_route(&asked, "text");
  check_score(&asked, 0, "score of texts");
  asked.query.images = inputs, asked.query.image_count = 1;
  check_route(&asked, "text and prepared image");
  check_score(&asked, 0, "score of texts and prepared images");
  asked.query.image_count = 2;
  check_route(&asked, "text and two prepared images");
  asked.query.images = NULL, asked.query.encoded_images = encoded, asked.query.image_count = 1;
  asked.query.text = NULL, asked.query.tokens = ids, asked.query.token_count = count;
  check_route(&asked, "tokens and encoded image");
  check_score(&asked, 0, "score of tokens and encoded images");
  asked.query.image_count = 2;
  asked.query.tokens = NULL, asked.query.token_count = 0, asked.query.question = question;
  check_route(&asked, "encoded question and two encoded images");
  check_score(&asked, 0, "score of encoded questions and images");

  inputs[0] = image_input(ARMS_IMAGE_RGB8, raw, sizeof raw);
  inputs[0].width = inputs[0].height = SIDE;
  asked.query.encoded_images = NULL, asked.query.images = inputs, asked.query.image_count = 1;
  check_route(&asked, "encoded question and raw image");
  arms_question_free(question);
  arms_image_free(image);
}

/* Every policy, with an allow-list and ceilings. */
static void check_policies(const route *given, const arms_router *second) {
  arms_candidate_info infos[CANDIDATES];
  arms_candidate known[CANDIDATES];
  const char *names[CANDIDATES];
  arms_error *error = NULL;
  size_t count = 0;
  infos[0].struct_size = sizeof *infos;
  must(arms_candidates_list(given->router, infos, CANDIDATES, &count, NULL, &error), error);
  memset(known, 0, sizeof known);
  for (size_t i = 0; i < count; i++) {
    names[i] = infos[i].name;
    known[i].struct_size = sizeof *known;
    known[i].name = infos[i].name;
    known[i].flags = ARMS_CANDIDATE_HAS_COST | ARMS_CANDIDATE_HAS_LATENCY;
    known[i].cost = 0.001 * (double)(i + 1);
    known[i].latency = 100;
    known[i].router = infos[i].router;
  }
  must(arms_candidates_update((arms_router *)given->router, known, count, &error), error);

  route asked = *given;
  asked.options.max_cost = 1, asked.options.max_latency = 1000;
  check_route(&asked, "ceilings");
  asked.options.policy = ARMS_POLICY_UTILITY, asked.options.lambda = 1, asked.options.mu = 0.001;
  check_route(&asked, "utility");
  asked.options.allowed = names, asked.options.allowed_count = count;
  check_route(&asked, "utility and allow-list");
  check_score(&asked, 1, "score of named candidates");
  asked.options.policy = ARMS_POLICY_CONFIDENCE;
  check_route(&asked, "allow-list");
  asked.options = given->options;
  asked.options.policy = ARMS_POLICY_CASCADE, asked.options.second = second, asked.options.theta = 1;
  check_route(&asked, "cascade over two files");
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  for (size_t i = 0; i < sizeof raw; i++) raw[i] = (uint8_t)(i * 7 + i / 120);
  for (int file = 1; file < argc; file++) {
    for (uint32_t threads = 1; threads <= 2; threads++) {
      char model[256];
      const char *slash = strrchr(argv[file], '/');
      snprintf(model, sizeof model, "%s, threads %u", slash == NULL ? argv[file] : slash + 1, threads);
      arms_router *router = NULL, *second = NULL;
      arms_error *error = NULL;
      arms_open_options options;
      memset(&options, 0, sizeof options);
      options.struct_size = sizeof options;
      options.threads = threads;
      must(arms_router_open(argv[file], &options, &router, &error), error);
      must(arms_router_open(argv[file], &options, &second, &error), error);
      add_candidates(router);
      add_candidates(second);
      route given;
      memset(&given, 0, sizeof given);
      given.model = model;
      given.router = router;
      given.query.struct_size = sizeof given.query;
      given.query.text = QUESTION;
      given.query.text_length = ARMS_NUL_TERMINATED;
      given.options.struct_size = sizeof given.options;
      check_queries(&given);
      check_policies(&given, second);
      arms_router_free(router);
      arms_router_free(second);
    }
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
