/* Routes a question about an image and prints the candidates, best first.
 *
 *   cc -std=c99 route.c -o route $(pkg-config --cflags --libs arms)
 *   ./route MODEL IMAGE QUESTION */
#include <arms.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program with the error's line when a call has failed. */
static void check(arms_status status, arms_error *error) {
  if (status == ARMS_OK) return;
  fprintf(stderr, "route: %s\n", arms_error_message(error));
  arms_error_free(error);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: route MODEL IMAGE QUESTION\n");
    return 2;
  }
  arms_error *error = NULL;
  arms_status status;
  arms_router *router = NULL;
  status = arms_router_open(argv[1], NULL, &router, &error);
  check(status, error);

  arms_image_input image = {0};
  image.struct_size = sizeof image;
  image.format = ARMS_IMAGE_PATH;
  image.data = argv[2];
  image.size = ARMS_NUL_TERMINATED;
  arms_query query = {0};
  query.struct_size = sizeof query;
  query.text = argv[3];
  query.text_length = ARMS_NUL_TERMINATED;
  query.images = &image;
  query.image_count = 1;

  /* Room for every candidate. */
  arms_router_info info = {0};
  info.struct_size = sizeof info;
  status = arms_router_describe(router, &info, &error);
  check(status, error);
  size_t count = (size_t)info.candidate_count;
  arms_ranked *ranked = calloc(count + 1, sizeof *ranked);
  const char **names = calloc(count + 1, sizeof *names);
  float *logits = calloc(count + 1, sizeof *logits);
  if (ranked == NULL || names == NULL || logits == NULL) {
    fprintf(stderr, "route: out of memory\n");
    return 1;
  }

  arms_decision decision = {0};
  decision.struct_size = sizeof decision;
  ranked[0].struct_size = sizeof *ranked;
  status = arms_route(router, &query, NULL, &decision, ranked, count, &error);
  check(status, error);

  /* The same candidates once more, as a table of one query: a column for each. */
  size_t entries = (size_t)decision.ranked_count, columns = 0;
  for (size_t i = 0; i < entries; i++) names[i] = ranked[i].name;
  arms_score_options options = {0};
  options.struct_size = sizeof options;
  options.output = ARMS_SCORE_LOGIT;
  options.names = names;
  options.name_count = entries;
  status = arms_score(router, &query, 1, &options, logits, count, &columns, NULL, &error);
  check(status, error);

  printf("%s\n", decision.name);
  for (size_t i = 0; i < entries; i++)
    printf("%zu. %s: confidence %.4f, logit %.4f\n", i + 1, ranked[i].name, ranked[i].confidence,
           logits[i]);

  free(logits);
  free(names);
  free(ranked);
  arms_router_free(router);
  return 0;
}
