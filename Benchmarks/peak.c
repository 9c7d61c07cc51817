/* Measures what one core can do at most: fp32 multiply-adds and int8 dot products from registers, no memory.
 * Prints JSON: {"isa": ..., "fp32_gflops": ..., "int8_gops": ...}; two operations for each multiply-add.
 * Build: cc -O2 peak.c -o peak */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { ROUNDS = 200000, TRIES = 15, CHAINS = 12 };

/* CHAINS independent accumulators hide the latency of the multiply-add; the asm statement keeps the compiler from
 * folding the loop. */
#define MEASURE(name, attribute, vector, lanes, body)                          \
  attribute static double name(void) {                                        \
    double best = 1e9;                                                        \
    vector c[CHAINS], a, b;                                                   \
    for (int i = 0; i < CHAINS; i++) c[i] = (vector){0};                      \
    a = (vector){0};                                                          \
    b = (vector){0};                                                          \
    for (int t = 0; t < TRIES; t++) {                                         \
      double start = seconds();                                               \
      for (int r = 0; r < ROUNDS; r++) {                                      \
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) { body; }   \
      }                                                                       \
      double time = seconds() - start;                                        \
      if (time < best) best = time;                                           \
    }                                                                         \
    return 2.0 * (lanes) * CHAINS * ROUNDS / best * 1e-9;                     \
  }

#if defined(__x86_64__)
#include <immintrin.h>
#define KEEP(x) __asm__ volatile("" : "+v"(x))
MEASURE(fp32_512, __attribute__((target("avx512f"))), __m512, 16, c[i] = _mm512_fmadd_ps(a, b, c[i]); KEEP(c[i]))
MEASURE(int8_512, __attribute__((target("avx512f,avx512vnni"))), __m512i, 64, c[i] = _mm512_dpbusd_epi32(c[i], a, b); KEEP(c[i]))
MEASURE(fp32_256, __attribute__((target("avx2,fma"))), __m256, 8, c[i] = _mm256_fmadd_ps(a, b, c[i]); KEEP(c[i]))
MEASURE(int8_256, __attribute__((target("avx2"))), __m256i, 16, c[i] = _mm256_add_epi32(c[i], _mm256_madd_epi16(a, b)); KEEP(c[i]))
int main(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vnni"))
    printf("{\"isa\": \"avx512vnni\", \"fp32_gflops\": %.1f, \"int8_gops\": %.1f}\n", fp32_512(), int8_512());
  else if (__builtin_cpu_supports("avx2"))
    printf("{\"isa\": \"avx2\", \"fp32_gflops\": %.1f, \"int8_gops\": %.1f}\n", fp32_256(), int8_256());
  else {
    fprintf(stderr, "peak: this CPU has neither AVX2 nor AVX-512 VNNI; nothing measured\n");
    return 1;
  }
  return 0;
}
#elif defined(__aarch64__)
#include <arm_neon.h>
#define KEEP(x) __asm__ volatile("" : "+w"(x))
MEASURE(fp32_neon, , float32x4_t, 4, c[i] = vfmaq_f32(c[i], a, b); KEEP(c[i]))
#if defined(__ARM_FEATURE_DOTPROD)
MEASURE(int8_neon, , int32x4_t, 16, c[i] = vdotq_s32(c[i], vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)); KEEP(c[i]))
#else
MEASURE(int8_neon, , int32x4_t, 4, c[i] = vmlal_s16(c[i], vget_low_s16(vreinterpretq_s16_s32(a)), vget_low_s16(vreinterpretq_s16_s32(b))); KEEP(c[i]))
#endif
int main(void) {
  printf("{\"isa\": \"neon\", \"fp32_gflops\": %.1f, \"int8_gops\": %.1f}\n", fp32_neon(), int8_neon());
  return 0;
}
#endif
