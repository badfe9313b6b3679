/* A host whose thread-local variables take all of the stack that a thread of the library asks for.
 *
 * usage: thread_locals MODEL */
#include <arms.h>
#include <dirent.h>
#include <stdio.h>

static __thread char much[252 << 10];

static int threads(void) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return 0;
  for (struct dirent *task; (task = readdir(tasks)) != NULL;) count += task->d_name[0] != '.';
  closedir(tasks);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  much[0] = 1;
  arms_open_options options = {.struct_size = sizeof options, .threads = 2};
  arms_router *router = NULL;
  arms_query query = {.struct_size = sizeof query, .text = "Which bar is the highest?",
                      .text_length = ARMS_NUL_TERMINATED};
  arms_decision decision = {.struct_size = sizeof decision};
  arms_status status = arms_router_open(argv[1], &options, &router, NULL);
  for (int i = 0; i < 20 && status == ARMS_OK; i++)
    status = arms_route(router, &query, NULL, &decision, NULL, 0, NULL);
  const int good = status == ARMS_OK && threads() == 2 && much[0] == 1;
  if (!good) printf("thread_locals: %s, %d threads\n", arms_status_name(status), threads());
  arms_router_free(router);
  printf("%d passed, %d failed\n", good, !good);
  return !good;
}
