#define _GNU_SOURCE
#include "threading.h"

#include <sched.h>

int ct_usable_cores(void) {
  cpu_set_t set;
  /* A machine of more cores than the set has bits is refused. */
  const long count =
      sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > CPU_SETSIZE ? CPU_SETSIZE : (int)count;
}
