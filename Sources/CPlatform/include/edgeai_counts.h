/* Differing bits of half bytes, looked up for Swift, which cannot name the address of a constant table. */
#ifndef EDGEAI_COUNTS_H
#define EDGEAI_COUNTS_H
#if defined(__AVX2__) && !defined(__AVX512F__)
#include <immintrin.h>
#include <stdint.h>

#define EC_BYTE(p, i) __builtin_popcount(((p) & 15) ^ (i)) + 16 * __builtin_popcount(((p) >> 4) ^ (i))
#define EC_ROW(p) EC_BYTE(p, 0), EC_BYTE(p, 1), EC_BYTE(p, 2), EC_BYTE(p, 3), EC_BYTE(p, 4), EC_BYTE(p, 5), EC_BYTE(p, 6), \
  EC_BYTE(p, 7), EC_BYTE(p, 8), EC_BYTE(p, 9), EC_BYTE(p, 10), EC_BYTE(p, 11), EC_BYTE(p, 12), EC_BYTE(p, 13), EC_BYTE(p, 14), \
  EC_BYTE(p, 15)
#define EC_ROWS(b) EC_ROW(16 * b), EC_ROW(16 * b + 1), EC_ROW(16 * b + 2), EC_ROW(16 * b + 3), EC_ROW(16 * b + 4), \
  EC_ROW(16 * b + 5), EC_ROW(16 * b + 6), EC_ROW(16 * b + 7), EC_ROW(16 * b + 8), EC_ROW(16 * b + 9), EC_ROW(16 * b + 10), \
  EC_ROW(16 * b + 11), EC_ROW(16 * b + 12), EC_ROW(16 * b + 13), EC_ROW(16 * b + 14), EC_ROW(16 * b + 15)

/* Row a + 16 b: for each half byte, in how many bits it differs from a, and 16 times in how many from b. */
static const uint8_t ec_counts[4096] __attribute__((aligned(64))) = {
  EC_ROWS(0), EC_ROWS(1), EC_ROWS(2), EC_ROWS(3), EC_ROWS(4), EC_ROWS(5), EC_ROWS(6), EC_ROWS(7),
  EC_ROWS(8), EC_ROWS(9), EC_ROWS(10), EC_ROWS(11), EC_ROWS(12), EC_ROWS(13), EC_ROWS(14), EC_ROWS(15)};

/* The row that begins at the offset in the two bytes at p, in both halves of a register. */
static inline __attribute__((always_inline)) __m256i ec_row(const void *p) {
  return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(ec_counts + *(const uint16_t *)p)));
}
#endif
#endif
