#define _GNU_SOURCE
#include "threading.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* The cores of the processor time that `cpu.max` of a control group grants, rounded up; INT_MAX if it grants all. */
static int cores_of_group(const char *mount, const char *group) {
  char path[PATH_MAX];
  long long quota, period;
  const int length = snprintf(path, sizeof path, "%s%s/cpu.max", mount, group);
  FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "re") : NULL;
  if (file == NULL) return INT_MAX;
  const int found = fscanf(file, "%lld %lld", &quota, &period);
  fclose(file);
  if (found != 2 || quota < 1 || quota > INT_MAX || period < 1 || period > INT_MAX) return INT_MAX;
  return (int)((quota + period - 1) / period);
}

int ct_quota_cores(const char *membership, const char *mount) {
  char group[PATH_MAX] = "";
  FILE *file = fopen(membership, "re");
  if (file == NULL) return INT_MAX;
  /* Version 2 has a single hierarchy, number 0. What lies outside a container's own is said with "..". */
  while (fgets(group, sizeof group, file) != NULL && strncmp(group, "0::/", 4) != 0) group[0] = 0;
  fclose(file);
  group[strcspn(group, "\n")] = 0;
  char *path = strstr(group, "/..") == NULL && group[0] != 0 ? group + strlen("0::") : group + strlen(group);
  int least = INT_MAX;
  for (;;) {
    const int cores = cores_of_group(mount, path);
    if (cores < least) least = cores;
    char *end = strrchr(path, '/');
    if (end == NULL) return least;
    *end = 0;
  }
}

size_t ct_stack_size(size_t bytes) {
  /* glibc's, for those who run programs with little stack; of no header. */
  size_t (*least)(const pthread_attr_t *) = NULL;
  *(void **)&least = dlsym(RTLD_DEFAULT, "__pthread_get_minstack");
  pthread_attr_t attributes;
  if (least == NULL || pthread_attr_init(&attributes) != 0) return 0;
  const size_t needed = least(&attributes);
  pthread_attr_destroy(&attributes);
  return bytes + needed;
}

int ct_usable_cores(void) {
  cpu_set_t set;
  /* A machine of more cores than the set has bits is refused. */
  const long count =
      sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  const int cores = count < 1 ? 1 : count > CPU_SETSIZE ? CPU_SETSIZE : (int)count;
  const int granted = ct_quota_cores("/proc/self/cgroup", "/sys/fs/cgroup");
  return granted < cores ? granted : cores;
}
