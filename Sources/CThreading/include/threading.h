/* What a thread pool needs of the machine and Swift cannot say: the spin hint of the CPU and Linux's futex. */
#ifndef THREADING_H
#define THREADING_H

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Tells the CPU that this is a loop that waits for another thread: some 10 nanoseconds and more. ARM's own hint, yield,
 * takes no time on most of its cores. */
static inline void ct_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

/* The stack that a thread needs for `bytes` of its own: the C library takes the host's thread-local variables out of it,
 * which may be larger. 0 if it does not say how much; the default size has room for more. */
size_t ct_stack_size(size_t bytes);

/* A counter that threads watch and sleep on. */
typedef struct ct_bell {
  uint32_t rings;
} ct_bell;

static inline uint32_t ct_bell_rings(const ct_bell *bell) { return __atomic_load_n(&bell->rings, __ATOMIC_SEQ_CST); }

/* Counts a ring; those who watch see it. */
static inline void ct_bell_ring(ct_bell *bell) { __atomic_fetch_add(&bell->rings, 1, __ATOMIC_SEQ_CST); }

/* Sleeps until somebody is woken, unless the bell has rung since `heard`. May return early. */
static inline void ct_bell_sleep(ct_bell *bell, uint32_t heard) {
  syscall(SYS_futex, &bell->rings, FUTEX_WAIT_PRIVATE, heard, (void *)0, (void *)0, 0);
}

/* Wakes all who sleep. */
static inline void ct_bell_wake(ct_bell *bell) {
  syscall(SYS_futex, &bell->rings, FUTEX_WAKE_PRIVATE, INT_MAX, (void *)0, (void *)0, 0);
}

/* The cores that this process may use, at least 1: those of its affinity mask, or fewer if its control group grants it
 * less processor time, as a container's limit does. More threads would be held up together for the rest of a period. */
int ct_usable_cores(void);

/* The processor time that the control group (version 2) of a process and those above it grant, in cores, rounded up;
 * INT_MAX without a limit. membership: the process's /proc/.../cgroup; mount: where the groups are. */
int ct_quota_cores(const char *membership, const char *mount);

#endif
