/* A CPU that has everything, in place of the compiler's header. */
static inline int __get_cpuid_count(unsigned leaf, unsigned subleaf, unsigned *a, unsigned *b, unsigned *c,
                                    unsigned *d) {
  (void)leaf, (void)subleaf;
  *a = *b = *c = *d = ~0u;
  return 1;
}
#define __builtin_cpu_supports(name) 1
/* Linux's leave to use the tile registers. */
#include <unistd.h>
#define syscall(...) 0
