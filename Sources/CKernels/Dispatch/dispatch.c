/* Which kernels this CPU runs. */
#include "kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

/* linear, gemm: the ISAs of the int8 and of the bfloat16 product; the other kernels are those of `isa`. */
#define CK_TABLE(name, linear, gemm, isa)                                                            \
  {                                                                                                  \
    name, ck_linear_u8s8_##linear, ck_linear_scratch_##linear, ck_quantize_rows_##isa,               \
        ck_layer_norm_##isa, ck_layer_norm_quantize_##isa, ck_attention_##isa,                       \
        ck_bias_activation_##isa, ck_softmax_##isa, ck_gemv_##isa, ck_gemv_transposed_##isa,         \
        ck_dot_##isa, ck_gemm_bf16_##gemm, ck_activation_backward_##isa,                             \
        ck_layer_norm_backward_##isa, ck_adamw_##isa, ck_resample_columns_##isa,                     \
        ck_resample_row_##isa                                                                        \
  }

/* Best first. */
static const ck_kernels tables[] = {
#if defined(__x86_64__)
    CK_TABLE("amx", amx, amx, avx512vnni),
    CK_TABLE("avx512bf16", avx512vnni, avx512bf16, avx512vnni),
    CK_TABLE("avx512vnni", avx512vnni, avx512vnni, avx512vnni),
    CK_TABLE("avxvnni", avxvnni, avx2, avx2),
    CK_TABLE("avx2", avx2, avx2, avx2),
#endif
#if defined(__aarch64__)
    CK_TABLE("neon", neon, neon, neon),
#endif
    CK_TABLE("scalar", scalar, scalar, scalar),
};
enum { table_count = sizeof tables / sizeof tables[0] };

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bits of CPUID leaf 7, subleaf 1, EAX; the compiler's own test of AVX-VNNI would link its runtime library. */
enum { cpuid_avxvnni = 4, cpuid_avx512bf16 = 5 };

static int cpu_has(int bit) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> bit & 1);
}

/* Bits of subleaf 0, EDX. */
enum { cpuid_amx_bf16 = 22, cpuid_amx_tile = 24, cpuid_amx_int8 = 25 };

/* Linux has a process ask before it uses the tile registers: they make the frame of a signal 8 KB larger, for which it
 * looks whether every thread's signal stack has room. A forked child need not ask again. */
static int cpu_gives_amx(void) {
  const unsigned wanted = 1u << cpuid_amx_bf16 | 1u << cpuid_amx_tile | 1u << cpuid_amx_int8;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & wanted) != wanted) return 0;
  enum { arch_req_xcomp_perm = 0x1023, xfeature_xtiledata = 18 };
  return syscall(SYS_arch_prctl, arch_req_xcomp_perm, xfeature_xtiledata) == 0;
}
#endif

static int cpu_runs(const char *isa) {
  if (strcmp(isa, "scalar") == 0) return 1;
#if defined(__x86_64__)
  __builtin_cpu_init();
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (strcmp(isa, "avx2") == 0) return avx2;
  if (strcmp(isa, "avxvnni") == 0) return avx2 && cpu_has(cpuid_avxvnni);
  int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
  if (strcmp(isa, "avx512vnni") == 0) return avx512;
  if (strcmp(isa, "avx512bf16") == 0) return avx512 && cpu_has(cpuid_avx512bf16);
  if (strcmp(isa, "amx") == 0) return avx512 && cpu_has(cpuid_avx512bf16) && cpu_gives_amx();
#elif defined(__aarch64__)
  if (strcmp(isa, "neon") == 0) return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
  return 0;
}

const ck_kernels *ck_kernels_named(const char *isa) {
  if (isa == NULL) return NULL;
  for (int i = 0; i < table_count; i++)
    if (strcmp(tables[i].isa, isa) == 0) return cpu_runs(isa) ? &tables[i] : NULL;
  return NULL;
}

static const ck_kernels *best;
static pthread_once_t best_once = PTHREAD_ONCE_INIT;

/* Whether an instruction set that the CPU has is faster than the one below it. Intel's processors take four times as
 * long for a product of pairs of bfloat16 as for one of floats (measured on Emerald Rapids); AMD's as long, and so half
 * for each number (Zen 4, by its peak; the kernel was not measured there). */
static int cpu_gains(const char *isa) {
#if defined(__x86_64__)
  if (strcmp(isa, "avx512bf16") == 0) return !__builtin_cpu_is("intel");
#endif
  (void)isa;
  return 1;
}

static void choose_best(void) {
  best = ck_kernels_named(getenv("ARMS_ISA"));
  for (int i = 0; best == NULL && i < table_count; i++)
    if (cpu_gains(tables[i].isa)) best = ck_kernels_named(tables[i].isa);
}

const ck_kernels *ck_kernels_best(void) {
  pthread_once(&best_once, choose_best);
  return best;
}
