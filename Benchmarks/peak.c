/* Measures what one core can do at most: fp32 multiply-adds and int8 dot products from registers, no memory.
 * Prints JSON: {"isa": ..., "fp32_gflops": ..., "int8_gops": ...}; two operations for each multiply-add.
 * Build: cc -O2 peak.c -o peak
 *
 * Assembly, so that no compiler can fold, spill or reorder: twelve independent accumulators hide the latency. */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { ROUNDS = 200000, TRIES = 15, CHAINS = 12 };

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Billions of operations a second of a loop that does `macs` multiply-adds in each of its instructions. */
static double rate(void (*loop)(int64_t rounds), double macs) {
  double best = 1e9;
  for (int i = 0; i < TRIES; i++) {
    double start = seconds();
    loop(ROUNDS);
    double time = seconds() - start;
    if (time < best) best = time;
  }
  return 2 * macs * CHAINS * ROUNDS / best * 1e-9;
}

#if defined(__x86_64__)
#define CLOBBERS "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13"
#define TWELVE(op, r) \
  op(r, 0) op(r, 1) op(r, 2) op(r, 3) op(r, 4) op(r, 5) op(r, 6) op(r, 7) op(r, 8) op(r, 9) op(r, 10) op(r, 11)
#define FMA(r, i) "vfmadd231ps %%" #r "12, %%" #r "13, %%" #r #i "\n\t"
#define VNNI(r, i) "vpdpbusd %%" #r "12, %%" #r "13, %%" #r #i "\n\t"
/* Without VNNI a dot product of two is a multiply-add of int16 pairs and an addition. */
#define MADD(r, i) "vpmaddwd %%" #r "12, %%" #r "13, %%" #r "14\n\tvpaddd %%" #r "14, %%" #r #i ", %%" #r #i "\n\t"
#define LOOP(name, op, r, ...)                                                                                 \
  static void name(int64_t rounds) {                                                                           \
    __asm__ volatile("vxorps %%ymm12, %%ymm12, %%ymm12\n\tvxorps %%ymm13, %%ymm13, %%ymm13\n\t"                \
                     "1:\n\t" TWELVE(op, r) "dec %0\n\tjnz 1b\n\tvzeroupper"                                   \
                     : "+r"(rounds) : : CLOBBERS, ##__VA_ARGS__);                                              \
  }
LOOP(fp32_512, FMA, zmm)
LOOP(int8_512, VNNI, zmm)
LOOP(fp32_256, FMA, ymm)
LOOP(int8_256, MADD, ymm, "xmm14")
int main(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vnni"))
    printf("{\"isa\": \"avx512vnni\", \"fp32_gflops\": %.1f, \"int8_gops\": %.1f}\n", rate(fp32_512, 16), rate(int8_512, 64));
  else if (__builtin_cpu_supports("avx2"))
    printf("{\"isa\": \"avx2\", \"fp32_gflops\": %.1f, \"int8_gops\": %.1f}\n", rate(fp32_256, 8), rate(int8_256, 16));
  else {
    fprintf(stderr, "peak: this CPU has neither AVX2 nor AVX-512 VNNI; nothing measured\n");
    return 1;
  }
  return 0;
}
#elif defined(__aarch64__)
#define CLOBBERS "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21"
#define TWELVE(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(16) op(17) op(18) op(19)
#define FMA(i) "fmla v" #i ".4s, v20.4s, v21.4s\n\t"
#define SDOT(i) ".inst 0x4e949680 | (" #i ")\n\t" /* sdot vI.4s, v20.16b, v20.16b: no -march needed to assemble it */
#define SMLAL(i) "smlal v" #i ".4s, v20.4h, v21.4h\n\t"
#define LOOP(name, op)                                                                                          \
  static void name(int64_t rounds) {                                                                            \
    __asm__ volatile("movi v20.16b, #0\n\tmovi v21.16b, #0\n\t1:\n\t" TWELVE(op) "subs %0, %0, #1\n\tb.ne 1b"   \
                     : "+r"(rounds) : : CLOBBERS);                                                              \
  }
#include <sys/auxv.h>
LOOP(fp32, FMA)
LOOP(int8_dot, SDOT)
LOOP(int8_wide, SMLAL)
int main(void) {
  int dot = (getauxval(AT_HWCAP) & (1ul << 20)) != 0;
  printf("{\"isa\": \"%s\", \"fp32_gflops\": %.1f, \"int8_gops\": %.1f}\n", dot ? "neondot" : "neon", rate(fp32, 4),
         dot ? rate(int8_dot, 16) : rate(int8_wide, 4));
  return 0;
}
#endif
