/* What keeps the sums of the tiles of bytes and words in registers, of which they leave none to spare. */
#ifndef EDGEAI_AVX2_H
#define EDGEAI_AVX2_H
#if defined(__AVX2__) && !defined(__AVX512F__)
#include <immintrin.h>
#include <stdint.h>

static const int16_t ea_ones[16] __attribute__((aligned(32))) = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* The sums of neighbouring words. Left to itself the compiler keeps the ones in a register. */
static inline __attribute__((always_inline)) __m256i ea_add_pairs(__m256i words) {
  __m256i sums;
  __asm__("vpmaddwd %2, %1, %0" : "=x"(sums) : "x"(words), "m"(ea_ones));
  return sums;
}
/* No load passes it. */
static inline __attribute__((always_inline)) void ea_loads_end(void) { __asm__ volatile("" ::: "memory"); }
#endif
#endif
