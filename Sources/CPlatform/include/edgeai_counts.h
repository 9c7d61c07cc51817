/* Differing bits of two half bytes, looked up for Swift, which cannot name the address of a constant table. */
#ifndef EDGEAI_COUNTS_H
#define EDGEAI_COUNTS_H
#if defined(__AVX2__) && !defined(__AVX512F__)
#include <immintrin.h>
#include <stdint.h>

#define EC_ROW(a) EC_BIT(a, 0), EC_BIT(a, 1), EC_BIT(a, 2), EC_BIT(a, 3), EC_BIT(a, 4), EC_BIT(a, 5), EC_BIT(a, 6), EC_BIT(a, 7), \
  EC_BIT(a, 8), EC_BIT(a, 9), EC_BIT(a, 10), EC_BIT(a, 11), EC_BIT(a, 12), EC_BIT(a, 13), EC_BIT(a, 14), EC_BIT(a, 15)
#define EC_BIT(a, b) __builtin_popcount((a) ^ (b))

/* Row a: for each half byte b, in how many bits it differs from a. */
static const uint8_t ec_counts[256] __attribute__((aligned(64))) = {
  EC_ROW(0), EC_ROW(1), EC_ROW(2), EC_ROW(3), EC_ROW(4), EC_ROW(5), EC_ROW(6), EC_ROW(7),
  EC_ROW(8), EC_ROW(9), EC_ROW(10), EC_ROW(11), EC_ROW(12), EC_ROW(13), EC_ROW(14), EC_ROW(15)};

/* The row that begins at the offset in the byte at p, in both halves of a register. */
static inline __attribute__((always_inline)) __m256i ec_row(const void *p) {
  return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(ec_counts + *(const uint8_t *)p)));
}
#endif
#endif
