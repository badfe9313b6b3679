/* The peak rate of 8-bit dot products, counted on independent accumulators that never leave their registers.
 * Inline assembly, so that the compiler can neither fold nor spill them. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "cbenchmark.h"

/* Instructions in flight: more than latency (4 to 5 cycles) times the instructions that start in a cycle (2). */
#define ACCUMULATORS 16
#define TURNS 20000
#define THREAD_LIMIT 64

typedef struct instruction {
  /* Kernels that are made of it. */
  const char *isa;
  const char *name;
  /* Multiply-accumulates of one instruction. */
  unsigned lanes;
  /* Runs ACCUMULATORS * turns instructions. */
  void (*run)(long turns);
} instruction;

#if defined(__x86_64__)

/* op(n) for the accumulators 0 to 15; the operands are registers 16 and 17, or memory-free constants. */
#define EACH(op)                                                                                              \
  op("0") op("1") op("2") op("3") op("4") op("5") op("6") op("7")                                             \
  op("8") op("9") op("10") op("11") op("12") op("13") op("14") op("15")

#define CLEAR_512(n) "vpxorq %%zmm" n ",%%zmm" n ",%%zmm" n "\n\t"
#define DOT_512(n) "vpdpbusd %%zmm30,%%zmm31,%%zmm" n "\n\t"

static void avx512_vnni(long turns) {
  __asm__ volatile(
      EACH(CLEAR_512) CLEAR_512("30") CLEAR_512("31")
      ".p2align 5\n"
      "1:\n\t" EACH(DOT_512)
      "dec %0\n\t"
      "jnz 1b\n\t"
      "vzeroupper\n\t"
      : "+r"(turns)
      :
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "xmm12", "xmm13", "xmm14", "xmm15", "xmm30", "xmm31");
}

/* Without AVX-512 there are 16 registers: 14 accumulators would change the count, so 8 are used twice. */
#define EACH_8(op) op("0") op("1") op("2") op("3") op("4") op("5") op("6") op("7")
#define CLEAR_256(n) "vpxor %%ymm" n ",%%ymm" n ",%%ymm" n "\n\t"
#define DOT_256(n) "%{vex%} vpdpbusd %%ymm14,%%ymm15,%%ymm" n "\n\t"
/* The fastest form that is exact on any u8 and s8, Winograd's inner product of words: 16 products of 16 bits, each
 * of which stands for two (see Sources/CKernels/Linear/linear_avx2.c). vpmaddubsw, which saturates, is
 * slower on Zen 3. */
#define MADD_256(n)                                                                                           \
  "vpaddw %%ymm14,%%ymm15,%%ymm12\n\tvpaddw %%ymm14,%%ymm15,%%ymm13\n\t"                                      \
  "vpmaddwd %%ymm12,%%ymm13,%%ymm13\n\tvpaddd %%ymm13,%%ymm" n ",%%ymm" n "\n\t"

#define LOOP_256(name, op)                                                                                    \
  static void name(long turns) {                                                                              \
    __asm__ volatile(EACH_8(CLEAR_256) CLEAR_256("14") CLEAR_256("15")                                        \
                     ".p2align 5\n"                                                                           \
                     "1:\n\t" EACH_8(op) EACH_8(op)                                                           \
                     "dec %0\n\t"                                                                             \
                     "jnz 1b\n\t"                                                                             \
                     "vzeroupper\n\t"                                                                         \
                     : "+r"(turns)                                                                            \
                     :                                                                                        \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm12",         \
                       "xmm13", "xmm14", "xmm15");                                                            \
  }
LOOP_256(avx_vnni, DOT_256)
LOOP_256(avx2, MADD_256)

/* Four tiles of sums, as many as a kernel has beside its operands; the engine has asked Linux for the tiles. */
static void amx(long turns) {
  struct {
    unsigned char palette, start_row, reserved[14];
    unsigned short row_bytes[16];
    unsigned char rows[16];
  } shapes = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) shapes.row_bytes[tile] = 64, shapes.rows[tile] = 16;
#define DOT_TILES                                                                                             \
  "tdpbusd %%tmm6,%%tmm4,%%tmm0\n\ttdpbusd %%tmm7,%%tmm4,%%tmm1\n\t"                                          \
  "tdpbusd %%tmm6,%%tmm5,%%tmm2\n\ttdpbusd %%tmm7,%%tmm5,%%tmm3\n\t"
  __asm__ volatile(
      "ldtilecfg %1\n"
      ".p2align 5\n"
      "1:\n\t" DOT_TILES DOT_TILES DOT_TILES DOT_TILES
      "dec %0\n\t"
      "jnz 1b\n\t"
      "tilerelease\n\t"
      : "+r"(turns)
      : "m"(shapes)
      : "cc");
}

static const instruction known[] = {{"amx", "tdpbusd", 16 * 16 * 64, amx},
                                    {"avx512bf16", "vpdpbusd zmm", 64, avx512_vnni},
                                    {"avx512vnni", "vpdpbusd zmm", 64, avx512_vnni},
                                    {"avxvnni", "vpdpbusd ymm", 32, avx_vnni},
                                    {"avx2", "vpaddw, vpmaddwd ymm", 32, avx2}};

#elif defined(__aarch64__)
#define EACH(op)                                                                                              \
  op("0") op("1") op("2") op("3") op("4") op("5") op("6") op("7")                                             \
  op("16") op("17") op("18") op("19") op("20") op("21") op("22") op("23")
#define CLEAR(n) "movi v" n ".4s, #0\n\t"
#define DOT(n) "sdot v" n ".4s, v30.16b, v31.16b\n\t"

static void neon_dot(long turns) {
  __asm__ volatile(
      ".arch_extension dotprod\n\t" EACH(CLEAR) CLEAR("30") CLEAR("31")
      "1:\n\t" EACH(DOT)
      "subs %0, %0, #1\n\t"
      "b.ne 1b\n\t"
      : "+r"(turns)
      :
      : "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22",
        "v23", "v30", "v31");
}

static const instruction known[] = {{"neon", "sdot", 16, neon_dot}};

#else

static const instruction known[] = {{"", "", 0, NULL}};

#endif

static const instruction *instruction_of(const char *isa) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].isa, isa) == 0) return &known[i];
  return NULL;
}

const char *cb_int8_instruction(const char *isa) {
  const instruction *chosen = instruction_of(isa);
  return chosen == NULL ? "" : chosen->name;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

typedef struct measurement {
  const instruction *instruction;
  pthread_barrier_t *start;
  double seconds;
  double rate;
} measurement;

/* The best of many short slices: what the core does while nobody else has it. */
static void *measure(void *argument) {
  measurement *one = argument;
  pthread_barrier_wait(one->start);
  double until = now() + one->seconds;
  do {
    double begin = now();
    one->instruction->run(TURNS);
    double rate = (double)TURNS * ACCUMULATORS * one->instruction->lanes / (now() - begin);
    if (rate > one->rate) one->rate = rate;
  } while (now() < until);
  return NULL;
}

double cb_int8_peak(const char *isa, unsigned threads, double seconds) {
  const instruction *chosen = instruction_of(isa);
  if (chosen == NULL || threads < 1 || threads > THREAD_LIMIT) return 0;
  pthread_barrier_t start;
  if (pthread_barrier_init(&start, NULL, threads) != 0) return 0;
  pthread_t handles[THREAD_LIMIT];
  measurement each[THREAD_LIMIT];
  for (unsigned i = 0; i < threads; i++) {
    each[i] = (measurement){.instruction = chosen, .start = &start, .seconds = seconds, .rate = 0};
    /* The others wait at the barrier for ever without this one; a benchmark may end here. */
    if (pthread_create(&handles[i], NULL, measure, &each[i]) != 0) return 0;
  }
  double total = 0;
  for (unsigned i = 0; i < threads; i++) {
    pthread_join(handles[i], NULL);
    total += each[i].rate;
  }
  pthread_barrier_destroy(&start);
  return total;
}
