/* What the tests of the ABI share: expectations that count, and inputs that are right. */
#ifndef EXPECT_H
#define EXPECT_H

#include <arms.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUESTION "How many red cars are on the left?"
#define WIDTH 40
#define HEIGHT 36

static int passed, failed;
static char path[4096];
static uint8_t pixels[WIDTH * HEIGHT * 3];

static inline void report(int good, const char *file, int line, const char *what) {
  if (good) {
    passed++;
  } else {
    failed++;
    const char *slash = strrchr(file, '/');
    printf("%s:%d: %s\n", slash == NULL ? file : slash + 1, line, what);
  }
}

/* Whether a call returned `want` with an error that says so in one line. */
static inline void compare(arms_status got, arms_status want, arms_error *error,
                           const char *file, int line, const char *what) {
  const char *message = arms_error_message(error);
  int described = got == ARMS_OK ? error == NULL
                                 : error != NULL && arms_error_status(error) == got &&
                                     *message != 0 && strchr(message, '\n') == NULL;
  report(got == want && described, file, line, what);
  if (got != want || !described)
    printf("  got %s (%s), want %s\n", arms_status_name(got), message, arms_status_name(want));
  arms_error_free(error);
}

#define CHECK(condition) report((condition) != 0, __FILE__, __LINE__, #condition)
/* EXPECT(status, call): the call's last argument is written as &error. */
#define EXPECT(want, call)                                        \
  do {                                                            \
    arms_error *error = NULL;                                     \
    arms_status got = call;                                       \
    compare(got, ARMS_##want, error, __FILE__, __LINE__, #call);  \
  } while (0)

static inline const char *in(const char *folder, const char *file) {
  snprintf(path, sizeof path, "%s/%s", folder, file);
  return path;
}

static inline arms_candidate candidate(const char *name) {
  arms_candidate made;
  memset(&made, 0, sizeof made);
  made.struct_size = sizeof made;
  made.name = name;
  return made;
}

static inline arms_image_input raw_image(void) {
  arms_image_input made;
  memset(&made, 0, sizeof made);
  made.struct_size = sizeof made;
  made.format = ARMS_IMAGE_RGB8;
  made.width = WIDTH;
  made.height = HEIGHT;
  made.data = pixels;
  made.size = sizeof pixels;
  return made;
}

static inline arms_query text_query(const char *text) {
  arms_query made;
  memset(&made, 0, sizeof made);
  made.struct_size = sizeof made;
  made.text = text;
  made.text_length = ARMS_NUL_TERMINATED;
  return made;
}

static inline arms_router *opened(const char *fixtures) {
  arms_router *router = NULL;
  EXPECT(OK, arms_router_open(in(fixtures, "models/distilbert-patches-scaled.gguf"), NULL, &router,
                              &error));
  return router;
}

/* Pixels that are not all the same. */
static inline void fill_pixels(void) {
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7 + i / 120);
}

static inline arms_router_info described(const arms_router *router) {
  arms_router_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  EXPECT(OK, arms_router_describe(router, &info, &error));
  return info;
}

#endif /* EXPECT_H */
