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

/* CHAINS independent accumulators hide the latency of the multiply-add. Each is a variable of its own: compilers
 * keep an array on the stack, and then the time measured is that of the stores. body(c) adds to one of them; the asm
 * statement in it keeps the compiler from folding the loop. */
#define ALL(body) body(c0) body(c1) body(c2) body(c3) body(c4) body(c5) body(c6) body(c7) body(c8) body(c9) body(c10) body(c11)
#define MEASURE(name, attribute, vector, lanes, body)                          \
  attribute static double name(void) {                                        \
    double best = 1e9;                                                        \
    vector a = {0}, b = {0}, c0 = {0}, c1 = {0}, c2 = {0}, c3 = {0}, c4 = {0}, c5 = {0}, c6 = {0}, c7 = {0}, c8 = {0}, \
           c9 = {0}, c10 = {0}, c11 = {0};                                    \
    KEEP(a);                                                                  \
    KEEP(b);                                                                  \
    for (int t = 0; t < TRIES; t++) {                                         \
      double start = seconds();                                               \
      for (int r = 0; r < ROUNDS; r++) { ALL(body) }                          \
      double time = seconds() - start;                                        \
      if (time < best) best = time;                                           \
    }                                                                         \
    return 2.0 * (lanes) * CHAINS * ROUNDS / best * 1e-9;                     \
  }

#if defined(__x86_64__)
#include <immintrin.h>
#define KEEP(x) __asm__ volatile("" : "+v"(x))
#define BODY_fp32_512(c) c = _mm512_fmadd_ps(a, b, c); KEEP(c);
MEASURE(fp32_512, __attribute__((target("avx512f"))), __m512, 16, BODY_fp32_512)
#define BODY_int8_512(c) c = _mm512_dpbusd_epi32(c, a, b); KEEP(c);
MEASURE(int8_512, __attribute__((target("avx512f,avx512vnni"))), __m512i, 64, BODY_int8_512)
#define BODY_fp32_256(c) c = _mm256_fmadd_ps(a, b, c); KEEP(c);
MEASURE(fp32_256, __attribute__((target("avx2,fma"))), __m256, 8, BODY_fp32_256)
#define BODY_int8_256(c) c = _mm256_add_epi32(c, _mm256_madd_epi16(a, b)); KEEP(c);
MEASURE(int8_256, __attribute__((target("avx2"))), __m256i, 16, BODY_int8_256)
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
#define BODY_fp32_neon(c) c = vfmaq_f32(c, a, b); KEEP(c);
MEASURE(fp32_neon, , float32x4_t, 4, BODY_fp32_neon)
#if defined(__ARM_FEATURE_DOTPROD)
#define BODY_int8_neon(c) c = vdotq_s32(c, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)); KEEP(c);
MEASURE(int8_neon, , int32x4_t, 16, BODY_int8_neon)
#else
#define BODY_int8_neon(c) c = vmlal_s16(c, vget_low_s16(vreinterpretq_s16_s32(a)), vget_low_s16(vreinterpretq_s16_s32(b))); KEEP(c);
MEASURE(int8_neon, , int32x4_t, 4, BODY_int8_neon)
#endif
int main(void) {
  printf("{\"isa\": \"neon\", \"fp32_gflops\": %.1f, \"int8_gops\": %.1f}\n", fp32_neon(), int8_neon());
  return 0;
}
#endif
