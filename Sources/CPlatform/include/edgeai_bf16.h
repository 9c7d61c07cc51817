/* AVX-512 BF16 for Swift, which has no type for a register of bfloat16: registers pass as integers. */
#ifndef EDGEAI_BF16_H
#define EDGEAI_BF16_H
#if defined(__AVX512BF16__)
#include <immintrin.h>
#define EB_INLINE static inline __attribute__((always_inline))

/* Adds to each lane its two products, that of the upper halves first. Each product is exact, each addition rounds once. */
EB_INLINE __m512 eb_multiply_pair(__m512 sum, __m512i element, __m512i panel) {
  return _mm512_dpbf16_ps(sum, (__m512bh)element, (__m512bh)panel);
}
/* Thirty-two floats, rounded half to even, as pairs with the first element in the upper half. */
EB_INLINE __m512i eb_pairs(__m512 first, __m512 second) {
  return _mm512_rol_epi32((__m512i)_mm512_cvtne2ps_pbh(second, first), 16);
}
/* Stores the first lanes of v, two for each bit of `kept`, as such pairs. */
EB_INLINE void eb_store_pairs(float *p, __m512 v, unsigned kept) {
  _mm256_mask_storeu_epi32(p, (__mmask8)kept, _mm256_rol_epi32((__m256i)_mm512_cvtneps_pbh(v), 16));
}
/* Lanes of v in the order of `index`; 0 where a bit of `kept` is clear. */
EB_INLINE __m512 eb_permute(__m512 v, __m512i index, unsigned kept) {
  return _mm512_maskz_permutexvar_ps((__mmask16)kept, index, v);
}
#endif
#endif
