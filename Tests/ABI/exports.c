/* Every function of arms.h but those of training, through the built library, with good and with bad
 * input.
 *
 * usage: exports FIXTURES WORK   the folder of the fixtures and one to write to */
#define _DEFAULT_SOURCE /* mmap() */
#include "expect.h"

#include <sys/mman.h>
#include <unistd.h>

#define FLOATS 65536

static float floats[FLOATS], others[FLOATS];

static void test_library(void) {
  CHECK(arms_abi_version() >= ARMS_ABI_VERSION);
  CHECK(strlen(arms_version()) > 0 && strlen(arms_kernel_isa()) > 0);
  CHECK(strcmp(arms_status_name(ARMS_OK), "ARMS_OK") == 0);
  CHECK(strcmp(arms_status_name(ARMS_ERROR_IO), "ARMS_ERROR_IO") == 0);
  CHECK(strcmp(arms_status_name(ARMS_ERROR_INTERNAL), "ARMS_ERROR_INTERNAL") == 0);
  CHECK(strcmp(arms_status_name(-1), "ARMS_ERROR_UNKNOWN") == 0);
  CHECK(strcmp(arms_status_name(INT32_MAX), "ARMS_ERROR_UNKNOWN") == 0);
  CHECK(arms_error_status(NULL) == ARMS_OK && strcmp(arms_error_message(NULL), "") == 0);
  arms_error_free(NULL);
  arms_router_free(NULL);
  arms_question_free(NULL);
  arms_image_free(NULL);
}

static void test_open(const char *fixtures, const char *work) {
  arms_router *router = NULL;
  arms_open_options options;
  memset(&options, 0, sizeof options);
  const char *model = "models/distilbert-patches-scaled.gguf";
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_open(NULL, NULL, &router, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_open(in(fixtures, model), NULL, NULL, &error));
  EXPECT(ERROR_IO, arms_router_open(in(work, "absent.gguf"), NULL, &router, &error));
  CHECK(arms_router_open(in(work, "absent.gguf"), NULL, &router, NULL) == ARMS_ERROR_IO);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_open(in(fixtures, model), &options, &router, &error));
  options.struct_size = sizeof options;
  options.flags = 1u << 31;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_open(in(fixtures, model), &options, &router, &error));
  options.flags = 0, options.reserved = 1;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_open(in(fixtures, model), &options, &router, &error));
  options.reserved = 0;
  EXPECT(ERROR_INVALID_MODEL,
         arms_router_open(in(fixtures, "images/jpeg_444.jpg"), NULL, &router, &error));
  EXPECT(ERROR_UNSUPPORTED, arms_router_open(in(fixtures, "llama.gguf"), NULL, &router, &error));
  CHECK(router == NULL);

  /* A model file cut off in its middle. */
  static char bytes[1 << 16];
  FILE *whole = fopen(in(fixtures, model), "rb");
  size_t size = whole == NULL ? 0 : fread(bytes, 1, sizeof bytes, whole);
  if (whole != NULL) fclose(whole);
  FILE *part = fopen(in(work, "part.gguf"), "wb");
  CHECK(size == sizeof bytes && part != NULL && fwrite(bytes, 1, size, part) == size);
  if (part != NULL) fclose(part);
  EXPECT(ERROR_INVALID_MODEL, arms_router_open(in(work, "part.gguf"), NULL, &router, &error));

  options.flags = ARMS_OPEN_COPY;
  options.threads = 1;
  EXPECT(OK, arms_router_open(in(fixtures, model), &options, &router, &error));
  CHECK(described(router).threads == 1);
  EXPECT(OK, arms_router_save(router, in(work, "saved.gguf"), &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_save(router, NULL, &error));
  EXPECT(ERROR_IO, arms_router_save(router, in(work, "no/such/folder.gguf"), &error));
  arms_router *saved = NULL;
  EXPECT(OK, arms_router_open(in(work, "saved.gguf"), NULL, &saved, &error));
  CHECK(described(saved).candidate_count == described(router).candidate_count);
  arms_router_free(saved);
  arms_router_free(router);
}

static void test_reload(const char *fixtures, const char *work) {
  arms_router *router = opened(fixtures);
  arms_candidate one = candidate("one");
  EXPECT(OK, arms_candidates_add(router, &one, 1, &error));
  arms_router_info before = described(router);
  arms_reload_options options;
  memset(&options, 0, sizeof options);
  const char *next = "models/bert-pooled-scaled.gguf";
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_reload(router, NULL, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_reload(router, in(fixtures, next), &options, &error));
  options.struct_size = sizeof options, options.flags = 1u << 31;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_reload(router, in(fixtures, next), &options, &error));
  EXPECT(ERROR_IO, arms_router_reload(router, in(work, "absent.gguf"), NULL, &error));
  EXPECT(ERROR_INVALID_MODEL, arms_router_reload(router, in(work, "part.gguf"), NULL, &error));
  EXPECT(ERROR_UNSUPPORTED, arms_router_reload(router, in(fixtures, "llama.gguf"), NULL, &error));
  CHECK(described(router).generation == before.generation);
  CHECK(described(router).candidate_count == before.candidate_count);

  /* A candidate that was given by its embedding has another width there. */
  options.flags = ARMS_RELOAD_KEEP_CANDIDATES;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_reload(router, in(fixtures, next), &options, &error));
  const char *given[1] = {"reader"};
  EXPECT(OK, arms_candidates_remove(router, given, 1, &error));
  EXPECT(OK, arms_router_reload(router, in(fixtures, next), &options, &error));
  CHECK(described(router).candidate_count == before.candidate_count - 1);
  CHECK(described(router).fusion == ARMS_FUSION_POOLED && before.fusion == ARMS_FUSION_PATCHES);
  arms_query query = text_query(QUESTION);
  arms_decision decision;
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  EXPECT(OK, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  CHECK(decision.generation == before.generation + 2);
  EXPECT(OK, arms_router_reload(router, in(fixtures, next), NULL, &error));
  CHECK(described(router).candidate_count == 3);
  arms_router_free(router);
}

static void test_describe(const arms_router *router) {
  arms_router_info info = described(router);
  CHECK(info.text_width > 0 && info.image_size > 0 && info.expert_count <= ARMS_EXPERT_CAPACITY);
  info.struct_size = 3;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_describe(router, &info, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_describe(router, NULL, &error));
  arms_memory memory;
  memset(&memory, 0, sizeof memory);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_memory(router, &memory, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_memory(router, NULL, &error));
  memory.struct_size = sizeof memory;
  EXPECT(OK, arms_router_memory(router, &memory, &error));
  CHECK(memory.mapped_bytes > 0);
}

static int messages;
static void count_message(int32_t level, const char *message, void *user_data) {
  CHECK((level == ARMS_LOG_ERROR || level == ARMS_LOG_INFO) && user_data == &messages &&
        strncmp(message, "arms_router_open: ", 18) == 0);
  messages++;
}

static void test_metrics(const char *fixtures, const char *work) {
  arms_log_set(count_message, &messages);
  arms_router *router = opened(fixtures);
  CHECK(messages == 1);
  arms_router *absent = NULL;
  EXPECT(ERROR_IO, arms_router_open(in(work, "absent.gguf"), NULL, &absent, &error));
  CHECK(messages == 2);
  /* By which a host asks for a size. */
  size_t size = 0;
  int32_t token = 0;
  EXPECT(ERROR_BUFFER_TOO_SMALL,
         arms_text_tokenize(router, QUESTION, ARMS_NUL_TERMINATED, &token, 1, &size, NULL, &error));
  CHECK(messages == 2);
  arms_log_set(NULL, NULL);
  EXPECT(ERROR_IO, arms_router_open(in(work, "absent.gguf"), NULL, &absent, &error));
  CHECK(messages == 2);

  arms_query query = text_query(QUESTION);
  arms_decision decision;
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  for (int i = 0; i < 3; i++) EXPECT(OK, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, NULL, NULL, &decision, NULL, 0, &error));
  query = text_query("\xff");
  EXPECT(ERROR_INVALID_TEXT, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  static arms_router_counters metrics;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_metrics(router, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_router_metrics(router, &metrics, &error));
  metrics.struct_size = sizeof metrics;
  EXPECT(OK, arms_router_metrics(router, &metrics, &error));
  CHECK(metrics.routes == 3 && metrics.scores == 0 && metrics.stage_count == ARMS_STAGE_HEAD + 1);
  CHECK(metrics.errors[ARMS_ERROR_INVALID_ARGUMENT] == 1);
  CHECK(metrics.errors[ARMS_ERROR_INVALID_TEXT] == 1);
  CHECK(metrics.stages[ARMS_STAGE_ROUTE].count == 3 && metrics.stages[ARMS_STAGE_DECODE].count == 0);
  uint64_t inside = 0;
  for (uint32_t i = 0; i < ARMS_HISTOGRAM_BUCKETS; i++) {
    inside += metrics.stages[ARMS_STAGE_TEXT].buckets[i];
    CHECK(i == 0 || arms_histogram_bound(i) > arms_histogram_bound(i - 1));
  }
  CHECK(inside == metrics.stages[ARMS_STAGE_TEXT].count);
  CHECK(arms_histogram_bound(0) == 1024);
  CHECK(arms_histogram_bound(ARMS_HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
  CHECK(arms_histogram_bound(UINT32_MAX) == UINT64_MAX);
  static arms_candidate_info list[8];
  list[0].struct_size = sizeof list[0];
  size_t count = 0;
  EXPECT(OK, arms_candidates_list(router, list, 8, &count, NULL, &error));
  for (size_t i = 0; i < count; i++)
    CHECK(list[i].chosen == (strcmp(list[i].name, decision.name) == 0 ? 3 : 0));
  arms_router_free(router);
  EXPECT(ERROR_INVALID_HANDLE, arms_router_metrics(router, &metrics, &error));
}

static void test_candidates(arms_router *router) {
  size_t before = described(router).candidate_count, width = described(router).text_width, count = 0;
  uint64_t generation = 0;
  arms_candidate two[2] = {candidate("one"), candidate("two")};
  two[0].parameters = "7B";
  two[0].flags = ARMS_CANDIDATE_HAS_COST;
  two[0].cost = 0.25;
  two[1].embedding = floats;
  two[1].embedding_count = width;
  memset(floats, 0, sizeof floats);
  floats[1] = 1;

  floats[0] = NAN;
  EXPECT(ERROR_NOT_FINITE, arms_candidates_add(router, two, 2, &error));
  floats[0] = INFINITY;
  EXPECT(ERROR_NOT_FINITE, arms_candidates_add(router, two, 2, &error));
  floats[0] = 0;
  two[1].embedding_count = width - 1;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, two, 2, &error));
  two[1].embedding_count = width;
  CHECK(described(router).candidate_count == before);

  EXPECT(OK, arms_candidates_add(router, two, 2, &error));
  EXPECT(ERROR_ALREADY_EXISTS, arms_candidates_add(router, two, 1, &error));
  arms_candidate twice[2] = {candidate("three"), candidate("three")};
  CHECK(arms_candidates_add(router, twice, 2, NULL) != ARMS_OK);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, NULL, 1, &error));
  arms_candidate bad = candidate(NULL);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, &bad, 1, &error));
  bad.name = "";
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, &bad, 1, &error));
  bad.name = "\xff\xfe";
  EXPECT(ERROR_INVALID_TEXT, arms_candidates_add(router, &bad, 1, &error));
  char lengthy[ARMS_NAME_CAPACITY + 1];
  memset(lengthy, 'x', ARMS_NAME_CAPACITY);
  lengthy[ARMS_NAME_CAPACITY] = 0;
  bad.name = lengthy;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, &bad, 1, &error));
  bad = candidate("bad");
  bad.struct_size = 8;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, &bad, 1, &error));
  bad = candidate("bad");
  bad.temperature = NAN;
  EXPECT(ERROR_NOT_FINITE, arms_candidates_add(router, &bad, 1, &error));
  bad = candidate("bad");
  bad.router = 7;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, &bad, 1, &error));

  arms_candidate update = candidate("one");
  update.bias = 0.5f;
  EXPECT(OK, arms_candidates_update(router, &update, 1, &error));
  update.profile = "another";
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_update(router, &update, 1, &error));
  update = candidate("one");
  update.flags = 2 * ARMS_CANDIDATE_KEEP_MAX_IMAGES;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_update(router, &update, 1, &error));
  update.flags = ARMS_CANDIDATE_HAS_COST | ARMS_CANDIDATE_KEEP_BIAS;
  update.cost = 0.5;
  EXPECT(OK, arms_candidates_update(router, &update, 1, &error));
  update.flags = ARMS_CANDIDATE_HAS_LATENCY | ARMS_CANDIDATE_KEEP_BIAS | ARMS_CANDIDATE_KEEP_COST;
  update.latency = 3;
  EXPECT(OK, arms_candidates_update(router, &update, 1, &error));
  arms_candidate kept = candidate("kept");
  kept.flags = ARMS_CANDIDATE_KEEP_ENABLED;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, &kept, 1, &error));
  update = candidate("absent");
  EXPECT(ERROR_NOT_FOUND, arms_candidates_update(router, &update, 1, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_update(router, NULL, 1, &error));

  static arms_candidate_info list[64];
  EXPECT(OK, arms_candidates_list(router, NULL, 0, &count, &generation, &error));
  CHECK(count == before + 2 && generation > 0);
  /* An array without room has no first element whose struct_size could be set. */
  count = 0;
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_candidates_list(router, list, 0, &count, NULL, &error));
  CHECK(count == before + 2);
  list[0].struct_size = sizeof list[0];
  count = 0;
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_candidates_list(router, list, 1, &count, NULL, &error));
  CHECK(count == before + 2 && list[0].name[0] == 0);
  EXPECT(OK, arms_candidates_list(router, list, 64, &count, NULL, &error));
  CHECK(count == before + 2 && strcmp(list[before].name, "one") == 0 && list[before].bias == 0.5f);
  CHECK(list[before].cost == 0.5 && list[before].latency == 3);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_list(router, list, 64, NULL, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_list(router, NULL, 64, &count, NULL, &error));
  for (uint32_t size = 0; size < sizeof list[0] + 8; size += size < sizeof list[0] ? sizeof list[0] / 4 : 4) {
    list[0].struct_size = size;
    if (size == sizeof list[0]) continue;
    EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_list(router, list, 64, &count, NULL, &error));
  }
  /* A program that was compiled against a later header, whose struct has 16 bytes more. */
  const size_t later = sizeof list[0] + 16;
  list[0].struct_size = (uint32_t)later;
  EXPECT(OK, arms_candidates_list(router, list, 32, &count, NULL, &error));
  arms_candidate_info *last = (arms_candidate_info *)((char *)list + before * later);
  CHECK(last->struct_size == later && strcmp(last->name, "one") == 0 && last->bias == 0.5f);
  CHECK(memcmp((char *)last + sizeof *last, (char[16]){0}, 16) == 0);
  /* Nothing is too much room. */
  list[0].struct_size = sizeof list[0];
  EXPECT(OK, arms_candidates_list(router, list, SIZE_MAX, &count, NULL, &error));

  char text[256] = "";
  EXPECT(OK, arms_candidate_profile(router, "one", NULL, 0, &count, &error));
  CHECK(count > 1);
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_candidate_profile(router, "one", text, 1, &count, &error));
  EXPECT(OK, arms_candidate_profile(router, "one", text, sizeof text, &count, &error));
  CHECK(strlen(text) + 1 == count);
  EXPECT(ERROR_NOT_FOUND, arms_candidate_profile(router, "absent", text, 9, &count, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidate_profile(router, NULL, text, 9, &count, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidate_profile(router, "one", text, 9, NULL, &error));
  EXPECT(OK, arms_candidate_embedding(router, "two", others, FLOATS, &count, &error));
  CHECK(count == width && memcmp(others, floats, width * sizeof *floats) == 0);
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_candidate_embedding(router, "two", others, 1, &count, &error));
  EXPECT(ERROR_NOT_FOUND, arms_candidate_embedding(router, "absent", others, 9, &count, &error));

  const char *names[2] = {"one", "absent"}, *none[1] = {NULL};
  EXPECT(ERROR_NOT_FOUND, arms_candidates_enable(router, names, 2, 0, &error));
  EXPECT(OK, arms_candidates_enable(router, names, 1, 0, &error));
  EXPECT(OK, arms_candidates_enable(router, names, 1, 1, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_enable(router, NULL, 1, 1, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_enable(router, none, 1, 1, &error));
  EXPECT(ERROR_NOT_FOUND, arms_candidates_remove(router, names, 2, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_remove(router, NULL, 1, &error));
  names[1] = "two";
  EXPECT(OK, arms_candidates_remove(router, names, 2, &error));
  CHECK(described(router).candidate_count == before);
}

static void test_images(const arms_router *router, const char *fixtures) {
  size_t count = 0, wanted = 3 * (size_t)described(router).image_size * described(router).image_size;
  arms_image *image = NULL;
  arms_image_input input = raw_image();
  EXPECT(OK, arms_image_prepare(router, &input, NULL, 0, &count, &error));
  CHECK(count == wanted);
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_image_prepare(router, &input, floats, 5, &count, &error));
  EXPECT(OK, arms_image_prepare(router, &input, floats, FLOATS, &count, &error));
  EXPECT(OK, arms_image_encode(router, &input, &image, &error));
  EXPECT(OK, arms_image_embedding(image, others, FLOATS, &count, &error));
  CHECK(count == described(router).image_width);
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_image_embedding(image, others, 1, &count, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_embedding(image, others, 1, NULL, &error));
  arms_image_free(image);
  EXPECT(ERROR_INVALID_HANDLE, arms_image_embedding(image, others, FLOATS, &count, &error));
  EXPECT(ERROR_INVALID_HANDLE, arms_image_embedding(NULL, others, FLOATS, &count, &error));
  arms_image_free(image);

  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, NULL, &image, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, NULL, &error));
  input.size--;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.stride = 3;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.stride = SIZE_MAX;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.reserved = 1;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.height = 0;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.format = 99;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.data = NULL;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.struct_size = 12;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.width = UINT32_MAX, input.height = UINT32_MAX;
  CHECK(arms_image_encode(router, &input, &image, NULL) != ARMS_OK);
  input = raw_image(), input.format = ARMS_IMAGE_ENCODED;
  EXPECT(ERROR_INVALID_IMAGE, arms_image_encode(router, &input, &image, &error));
  input = raw_image(), input.format = ARMS_IMAGE_PATH, input.size = ARMS_NUL_TERMINATED;
  input.data = in(fixtures, "images/absent.png");
  EXPECT(ERROR_IO, arms_image_encode(router, &input, &image, &error));
  input.data = in(fixtures, "llama.gguf");
  EXPECT(ERROR_INVALID_IMAGE, arms_image_encode(router, &input, &image, &error));
  input.data = in(fixtures, "images/refused_bomb.png");
  CHECK(arms_image_encode(router, &input, &image, NULL) != ARMS_OK);
  input.data = in(fixtures, "images/jpeg_420.jpg");
  EXPECT(OK, arms_image_encode(router, &input, &image, &error));
  arms_image_free(image);

  input = raw_image(), input.format = ARMS_IMAGE_PREPARED;
  input.data = floats, input.size = wanted * sizeof *floats;
  EXPECT(OK, arms_image_encode(router, &input, &image, &error));
  arms_image_free(image);
  floats[7] = NAN;
  EXPECT(ERROR_NOT_FINITE, arms_image_encode(router, &input, &image, &error));
  /* What fails behind the check of the room writes nothing either. */
  count = 77, others[0] = 77;
  EXPECT(ERROR_NOT_FINITE, arms_image_prepare(router, &input, others, FLOATS, &count, &error));
  CHECK(count == 77 && others[0] == 77);
  input.size--;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_image_encode(router, &input, &image, &error));
}

static void test_questions(const arms_router *router) {
  int32_t tokens[64];
  size_t count = 0, total = 0;
  arms_question *question = NULL;
  size_t whole = ARMS_NUL_TERMINATED;
  EXPECT(OK, arms_text_tokenize(router, QUESTION, whole, NULL, 0, &count, &total, &error));
  CHECK(count > 2 && total >= count);
  EXPECT(ERROR_BUFFER_TOO_SMALL,
         arms_text_tokenize(router, QUESTION, whole, tokens, 1, &count, NULL, &error));
  EXPECT(OK, arms_text_tokenize(router, QUESTION, whole, tokens, 64, &count, NULL, &error));
  EXPECT(ERROR_INVALID_TEXT, arms_text_tokenize(router, "\xc0", 1, tokens, 64, &count, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_text_tokenize(router, NULL, whole, tokens, 64, &count, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_text_tokenize(router, QUESTION, whole, tokens, 64, NULL, NULL, &error));

  EXPECT(OK, arms_question_encode(router, QUESTION, whole, &question, &error));
  EXPECT(OK, arms_question_embedding(question, others, FLOATS, &count, &error));
  CHECK(count == described(router).text_width);
  EXPECT(ERROR_BUFFER_TOO_SMALL, arms_question_embedding(question, others, 1, &count, &error));
  /* A handle of another type. */
  EXPECT(ERROR_INVALID_HANDLE,
         arms_image_embedding((const arms_image *)(const void *)question, others, 9, &count, &error));
  arms_question_free(question);
  EXPECT(ERROR_INVALID_HANDLE, arms_question_embedding(question, others, FLOATS, &count, &error));
  arms_question_free(question);
  EXPECT(ERROR_INVALID_TEXT, arms_question_encode(router, "\xed\xa0\x80", 3, &question, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_question_encode(router, NULL, 0, &question, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_question_encode(router, QUESTION, whole, NULL, &error));
}

static void test_route(const arms_router *router) {
  arms_image_input image = raw_image();
  arms_query query = text_query(QUESTION);
  query.images = &image, query.image_count = 1;
  arms_decision decision;
  memset(&decision, 0, sizeof decision);
  static arms_ranked ranked[64];
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  decision.struct_size = sizeof decision;
  EXPECT(OK, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  CHECK(decision.ranked_count == described(router).candidate_count);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, &decision, ranked, 64, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, &decision, NULL, 64, &error));
  ranked[0].struct_size = sizeof ranked[0];
  EXPECT(OK, arms_route(router, &query, NULL, &decision, ranked, 0, &error));
  CHECK(ranked[0].name[0] == 0);
  EXPECT(OK, arms_route(router, &query, NULL, &decision, ranked, 64, &error));
  CHECK(strcmp(decision.name, ranked[0].name) == 0 && ranked[0].utility >= ranked[1].utility);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, NULL, NULL, &decision, NULL, 0, &error));
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, NULL, NULL, 0, &error));

  arms_route_options options;
  memset(&options, 0, sizeof options);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, &options, &decision, NULL, 0, &error));
  options.struct_size = sizeof options;
  options.policy = 9;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, &options, &decision, NULL, 0, &error));
  options.policy = ARMS_POLICY_UTILITY;
  options.lambda = NAN;
  CHECK(arms_route(router, &query, &options, &decision, NULL, 0, NULL) != ARMS_OK);
  options.lambda = 1;
  EXPECT(ERROR_MISSING_VALUE, arms_route(router, &query, &options, &decision, NULL, 0, &error));
  options.policy = ARMS_POLICY_CONFIDENCE;
  const char *names[1] = {"absent"};
  options.allowed = names, options.allowed_count = 1;
  EXPECT(ERROR_NOT_FOUND, arms_route(router, &query, &options, &decision, NULL, 0, &error));
  options.allowed_count = 0;
  EXPECT(ERROR_NO_CANDIDATES, arms_route(router, &query, &options, &decision, NULL, 0, &error));
  options.allowed = NULL, options.abstain_below = 1;
  EXPECT(OK, arms_route(router, &query, &options, &decision, NULL, 0, &error));
  CHECK(decision.flags & ARMS_DECISION_ABSTAINED && decision.name[0] == 0);
  options.second = (const arms_router *)(uintptr_t)64;
  options.policy = ARMS_POLICY_CASCADE;
  EXPECT(ERROR_INVALID_HANDLE, arms_route(router, &query, &options, &decision, NULL, 0, &error));

  int32_t token = INT32_MAX;
  query.tokens = &token, query.token_count = 1;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  query.text = NULL;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  query = text_query("\xff");
  EXPECT(ERROR_INVALID_TEXT, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  query = text_query(NULL);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  query = text_query(QUESTION), query.image_count = 1;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
  query = text_query(QUESTION), query.struct_size = 1;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
}

static void test_score(const arms_router *router) {
  arms_query queries[2] = {text_query(QUESTION), text_query("What is it?")};
  size_t columns = 0, names_wanted = described(router).candidate_count;
  uint64_t generation = 0;
  EXPECT(OK, arms_score(router, queries, 2, NULL, NULL, 0, &columns, &generation, &error));
  CHECK(columns == names_wanted && generation > 0);
  columns = 0;
  EXPECT(ERROR_BUFFER_TOO_SMALL,
         arms_score(router, queries, 2, NULL, floats, names_wanted, &columns, NULL, &error));
  CHECK(columns == names_wanted);
  columns = 77;
  EXPECT(OK, arms_score(router, queries, 2, NULL, floats, FLOATS, &columns, NULL, &error));
  CHECK(floats[0] > 0 && floats[0] < 1);
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_score(router, NULL, 2, NULL, floats, FLOATS, &columns, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_score(router, queries, 2, NULL, floats, FLOATS, NULL, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_score(router, queries, 2, NULL, NULL, FLOATS, &columns, NULL, &error));
  arms_score_options options;
  memset(&options, 0, sizeof options);
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_score(router, queries, 2, &options, floats, FLOATS, &columns, NULL, &error));
  options.struct_size = sizeof options, options.output = 5;
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_score(router, queries, 2, &options, floats, FLOATS, &columns, NULL, &error));
  const char *names[1] = {"absent"};
  options.output = ARMS_SCORE_LOGIT, options.names = names, options.name_count = 1;
  EXPECT(ERROR_NOT_FOUND,
         arms_score(router, queries, 2, &options, floats, FLOATS, &columns, NULL, &error));
  queries[1] = text_query("\xff");
  EXPECT(ERROR_INVALID_TEXT,
         arms_score(router, queries, 2, NULL, floats, FLOATS, &columns, NULL, &error));
  CHECK(columns == names_wanted);
}

static void test_query_embedding(const arms_router *router) {
  arms_query query = text_query(QUESTION);
  const size_t width = described(router).shared_width;
  size_t required = 0;
  EXPECT(OK, arms_query_embedding(router, &query, 0, NULL, 0, &required, &error));
  CHECK(required == width);
  EXPECT(ERROR_BUFFER_TOO_SMALL,
         arms_query_embedding(router, &query, 0, floats, width - 1, &required, &error));
  EXPECT(OK, arms_query_embedding(router, &query, 0, floats, FLOATS, &required, &error));
  double length = 0;
  for (size_t i = 0; i < width; i++) length += (double)floats[i] * floats[i];
  CHECK(length > 0.999 && length < 1.001);
  EXPECT(ERROR_NOT_FOUND,
         arms_query_embedding(router, &query, 1, floats, FLOATS, &required, &error));
  EXPECT(ERROR_NOT_FOUND,
         arms_query_embedding(router, &query, UINT32_MAX, floats, FLOATS, &required, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_query_embedding(router, NULL, 0, floats, FLOATS, &required, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_query_embedding(router, &query, 0, floats, FLOATS, NULL, &error));
  EXPECT(ERROR_INVALID_ARGUMENT,
         arms_query_embedding(router, &query, 0, NULL, FLOATS, &required, &error));
  query = text_query("\xff"), required = 77;
  EXPECT(ERROR_INVALID_TEXT,
         arms_query_embedding(router, &query, 0, floats, FLOATS, &required, &error));
  CHECK(required == 77);
}

/* Structs of a later header: what this library does not know must be zero, and is set to zero. */
static void test_later_structs(const arms_router *router) {
  struct {
    arms_router_info known;
    char later[16];
  } info;
  memset(&info, 0xAA, sizeof info);
  info.known.struct_size = sizeof info;
  EXPECT(OK, arms_router_describe(router, &info.known, &error));
  CHECK(info.known.struct_size == sizeof info && info.known.text_width > 0);
  CHECK(memcmp(info.later, (char[16]){0}, sizeof info.later) == 0);

  struct {
    arms_query known;
    uint64_t later;
  } queries[2];
  memset(queries, 0, sizeof queries);
  for (int i = 0; i < 2; i++) queries[i].known = text_query(QUESTION);
  queries[0].known.struct_size = sizeof queries[0];
  size_t columns = 0;
  EXPECT(OK, arms_score(router, &queries[0].known, 2, NULL, NULL, 0, &columns, NULL, &error));
  queries[1].later = 1;
  EXPECT(ERROR_UNSUPPORTED, arms_score(router, &queries[0].known, 2, NULL, NULL, 0, &columns, NULL, &error));
  queries[0].later = 1;
  arms_decision decision;
  memset(&decision, 0, sizeof decision);
  decision.struct_size = sizeof decision;
  EXPECT(ERROR_UNSUPPORTED, arms_route(router, &queries[0].known, NULL, &decision, NULL, 0, &error));
}

/* A string that is copied has a limit; a question that is only read has none. */
static void test_long_strings(arms_router *router) {
  const size_t size = (1 << 20) + 1;
  char *text = malloc(size + 1);
  CHECK(text != NULL);
  if (text == NULL) return;
  memset(text, 'x', size);
  text[size] = 0;
  const char *names[1] = {text};
  EXPECT(ERROR_LIMIT_EXCEEDED, arms_candidates_remove(router, names, 1, &error));
  EXPECT(ERROR_LIMIT_EXCEEDED, arms_router_reload(router, text, NULL, &error));
  arms_candidate described = candidate("long");
  described.profile = text;
  EXPECT(ERROR_LIMIT_EXCEEDED, arms_candidates_add(router, &described, 1, &error));
  arms_query query = text_query(text);
  size_t columns = 0;
  EXPECT(OK, arms_score(router, &query, 1, NULL, NULL, 0, &columns, NULL, &error));
  arms_dataset *dataset = NULL;
  EXPECT(OK, arms_dataset_create(&dataset, &error));
  arms_sample sample;
  memset(&sample, 0, sizeof sample);
  sample.struct_size = sizeof sample;
  sample.text = text, sample.text_length = size;
  EXPECT(ERROR_LIMIT_EXCEEDED, arms_dataset_add(dataset, &sample, 1, &error));
  arms_dataset_free(dataset);
  free(text);
}

/* An embedding whose length is wrong is not read: a page that nobody may read lies behind it. */
static void test_short_embedding(arms_router *router) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), width = described(router).text_width;
  char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
  arms_candidate wide = candidate("wide");
  wide.embedding = (const float *)(pages + page) - width;
  wide.embedding_count = width * sizeof(float);
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, &wide, 1, &error));
  wide.embedding_count = UINT64_MAX;
  EXPECT(ERROR_INVALID_ARGUMENT, arms_candidates_add(router, &wide, 1, &error));
  munmap(pages, 2 * page);
}

/* A handle that was freed is told from the many that come after it. */
static void test_handle_reuse(void) {
  enum { rounds = 20000 };
  arms_dataset *first = NULL;
  EXPECT(OK, arms_dataset_create(&first, &error));
  arms_dataset_free(first);
  int again = 0, failures = 0;
  for (int i = 0; i < rounds; i++) {
    arms_dataset *next = NULL;
    failures += arms_dataset_create(&next, NULL) != ARMS_OK;
    again += next == first;
    /* The slot's number is in the lowest 24 bits: one that waits among others comes back seldom. */
    failures += i < 60 && ((uintptr_t)next & 0xFFFFFF) == ((uintptr_t)first & 0xFFFFFF);
    arms_dataset_free(next);
  }
  CHECK(again == 0 && failures == 0);
  size_t count = 0;
  EXPECT(ERROR_INVALID_HANDLE, arms_dataset_count(first, &count, NULL, &error));
}

/* What is freed, was never made or is no router is told from a router. */
static void test_handles(const char *fixtures) {
  arms_router *freed = opened(fixtures);
  arms_router_free(freed);
  arms_router_free(freed);
  arms_router *routers[] = {freed, NULL, (arms_router *)(uintptr_t)8, (arms_router *)UINTPTR_MAX};
  for (size_t i = 0; i < sizeof routers / sizeof *routers; i++) {
    arms_router *router = routers[i];
    arms_router_info info = {0};
    info.struct_size = sizeof info;
    arms_memory memory = {0};
    memory.struct_size = sizeof memory;
    arms_candidate one = candidate("one");
    arms_image_input input = raw_image();
    arms_query query = text_query(QUESTION);
    arms_decision decision;
    memset(&decision, 0, sizeof decision);
    decision.struct_size = sizeof decision;
    const char *names[1] = {"one"};
    size_t count = 0;
    arms_question *question = NULL;
    arms_image *image = NULL;
    EXPECT(ERROR_INVALID_HANDLE, arms_router_save(router, "never", &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_router_reload(router, "never", NULL, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_router_describe(router, &info, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_router_memory(router, &memory, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_candidates_add(router, &one, 1, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_candidates_update(router, &one, 1, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_candidates_remove(router, names, 1, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_candidates_enable(router, names, 1, 1, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_candidates_list(router, NULL, 0, &count, NULL, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_candidate_profile(router, "one", NULL, 0, &count, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_candidate_embedding(router, "one", NULL, 0, &count, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_question_encode(router, QUESTION, 3, &question, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_image_encode(router, &input, &image, &error));
    EXPECT(ERROR_INVALID_HANDLE,
           arms_text_tokenize(router, QUESTION, 3, NULL, 0, &count, NULL, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_image_prepare(router, &input, NULL, 0, &count, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_route(router, &query, NULL, &decision, NULL, 0, &error));
    EXPECT(ERROR_INVALID_HANDLE, arms_score(router, &query, 1, NULL, NULL, 0, &count, NULL, &error));
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  fill_pixels();
  test_library();
  test_open(argv[1], argv[2]);
  test_reload(argv[1], argv[2]);
  test_metrics(argv[1], argv[2]);
  arms_router *router = opened(argv[1]);
  test_describe(router);
  test_candidates(router);
  test_images(router, argv[1]);
  test_questions(router);
  test_route(router);
  test_score(router);
  test_query_embedding(router);
  test_later_structs(router);
  test_long_strings(router);
  test_short_embedding(router);
  arms_router_free(router);
  test_handles(argv[1]);
  test_handle_reuse();
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
