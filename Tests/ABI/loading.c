/* What loading the library does to its host: nothing. No thread, no signal handler, no output. And what its kernels
 * leave to a host that had a small signal stack before: that stack.
 *
 * Usage: loading LIBRARY. Output of the library itself is looked for by run.sh, which expects this
 * program's one line and no other. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { old_minimum = 2048 };

static int threads(void) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return -1;
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

static void handlers(struct sigaction *actions) {
  memset(actions, 0, NSIG * sizeof *actions);
  for (int number = 1; number < NSIG; number++) sigaction(number, NULL, &actions[number]);
}

int main(int argc, char **argv) {
  static struct sigaction before[NSIG], after[NSIG];
  /* Static, so that they begin as zeros: the kernel fills the signals that it has, fewer than a set holds. */
  static sigset_t mask_before, mask_after;
  int passed = 0, failed = 0;
  if (argc != 2) return 2;

  int threads_before = threads();
  handlers(before);
  sigprocmask(SIG_BLOCK, NULL, &mask_before);
  void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  handlers(after);
  sigprocmask(SIG_BLOCK, NULL, &mask_after);

  if (threads_before == 1 && threads() == 1) passed++;
  else failed++, fprintf(stderr, "loading leaves %d threads\n", threads());
  for (int number = 1; number < NSIG; number++) {
    if (before[number].sa_handler == after[number].sa_handler &&
        before[number].sa_flags == after[number].sa_flags)
      passed++;
    else failed++, fprintf(stderr, "loading replaces the handler of signal %d\n", number);
  }
  if (memcmp(&mask_before, &mask_after, sizeof mask_before) == 0) passed++;
  else failed++, fprintf(stderr, "loading changes the signal mask\n");

  /* AMX would make signals' frames larger than this stack. */
  static char small[old_minimum];
  stack_t stack = {.ss_sp = small, .ss_size = sizeof small};
  const char *(*kernel_isa)(void);
  *(void **)&kernel_isa = dlsym(library, "arms_kernel_isa");
  if (kernel_isa != NULL && sigaltstack(&stack, NULL) == 0 && strcmp(kernel_isa(), "amx") != 0 &&
      sigaltstack(&stack, NULL) == 0)
    passed++;
  else failed++, fprintf(stderr, "a small signal stack cannot be kept\n");

  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
