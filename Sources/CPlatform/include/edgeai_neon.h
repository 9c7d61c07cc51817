/* AArch64 vector instructions that Swift cannot name: intrinsics that are macros, and short idioms of several. */
#ifndef EDGEAI_NEON_H
#define EDGEAI_NEON_H
#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#include <stdint.h>
#define EN_INLINE static inline __attribute__((always_inline))
#pragma clang assume_nonnull begin /* Swift need not ask whether an address is one */

/* The eight bytes at p, of any alignment, twice: the row elements of two steps of a tile. */
EN_INLINE int32x4_t en_pair(const void *p) {
  int64_t bytes;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  return vreinterpretq_s32_s64(vdupq_n_s64(bytes));
}

/* 24 sums, the panel's four vectors and the elements of two rows are 30 of 32 registers. Left to itself the compiler loads more
 * rows ahead, and then moves sums to memory and back; and it computes a row's address in each step instead of keeping it. So
 * the order of a tile is fixed: a row's sums are settled before those of the next, no load passes en_loads_end, and what an
 * address comes from is hidden. */
EN_INLINE void en_settle(int32x4_t *a, int32x4_t *b) { __asm__ volatile("" : "+w"(*a), "+w"(*b)); }
EN_INLINE void en_settle_floats(float32x4_t *a, float32x4_t *b) { __asm__ volatile("" : "+w"(*a), "+w"(*b)); }
EN_INLINE void en_loads_end(void) { __asm__ volatile("" ::: "memory"); }
EN_INLINE const void *en_address(const void *p) {
  __asm__("" : "+r"(p));
  return p;
}

/* sum + the first or second float of the pair * panel. */
EN_INLINE float32x4_t en_multiply_first(float32x4_t sum, float32x4_t pair, float32x4_t panel) {
  return vfmaq_laneq_f32(sum, panel, pair, 0);
}
EN_INLINE float32x4_t en_multiply_second(float32x4_t sum, float32x4_t pair, float32x4_t panel) {
  return vfmaq_laneq_f32(sum, panel, pair, 1);
}

/* sum + a0 * panel[0...3] + a1 * panel[4...7], where a0 and a1 are the first or second two Int16 of the pair. */
EN_INLINE int32x4_t en_words_first(int32x4_t sum, int16x8_t pair, int16x8_t panel) {
  return vmlal_high_laneq_s16(vmlal_laneq_s16(sum, vget_low_s16(panel), pair, 0), panel, pair, 1);
}
EN_INLINE int32x4_t en_words_second(int32x4_t sum, int16x8_t pair, int16x8_t panel) {
  return vmlal_high_laneq_s16(vmlal_laneq_s16(sum, vget_low_s16(panel), pair, 2), panel, pair, 3);
}

#if defined(__ARM_FEATURE_DOTPROD)
/* Adds to each lane its four products of unsigned bytes with the first or second four bytes of the pair. */
EN_INLINE int32x4_t en_dot_first(int32x4_t sum, int32x4_t pair, int32x4_t panel) {
  return vreinterpretq_s32_u32(
      vdotq_laneq_u32(vreinterpretq_u32_s32(sum), vreinterpretq_u8_s32(panel), vreinterpretq_u8_s32(pair), 0));
}
EN_INLINE int32x4_t en_dot_second(int32x4_t sum, int32x4_t pair, int32x4_t panel) {
  return vreinterpretq_s32_u32(
      vdotq_laneq_u32(vreinterpretq_u32_s32(sum), vreinterpretq_u8_s32(panel), vreinterpretq_u8_s32(pair), 1));
}
/* The low or high halves of two registers, a byte or two bytes of each in turn. */
EN_INLINE uint8x16_t en_zip_bytes_low(uint8x16_t a, uint8x16_t b) { return vzip1q_u8(a, b); }
EN_INLINE uint8x16_t en_zip_bytes_high(uint8x16_t a, uint8x16_t b) { return vzip2q_u8(a, b); }
EN_INLINE uint8x16_t en_zip_words_low(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vzip1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
EN_INLINE uint8x16_t en_zip_words_high(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_u8_u16(vzip2q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}
/* Adds to each lane its four products of x - 128 with the signed bytes at w. */
EN_INLINE int32x4_t en_dot_flipped(int32x4_t sum, uint8x16_t x, const int8_t *w) {
  return vdotq_s32(sum, vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(0x80))), vld1q_s8(w));
}
/* Sixteen bytes less 128, and what such are multiplied with. */
EN_INLINE uint8x16_t en_load_flipped(const uint8_t *p) { return veorq_u8(vld1q_u8(p), vdupq_n_u8(0x80)); }
EN_INLINE int32x4_t en_dot_signed(int32x4_t sum, uint8x16_t x, int32x4_t w) {
  return vdotq_s32(sum, vreinterpretq_s8_u8(x), vreinterpretq_s8_s32(w));
}
/* Adds sixteen bytes to the lanes. */
EN_INLINE int32x4_t en_add_bytes(int32x4_t sum, const uint8_t *p) {
  return vreinterpretq_s32_u32(vdotq_u32(vreinterpretq_u32_s32(sum), vld1q_u8(p), vdupq_n_u8(1)));
}
#endif

/* low, high += eight Int16 times eight Int16. */
EN_INLINE void en_add_words(int32x4_t *low, int32x4_t *high, int32x4_t x, int32x4_t w) {
  int16x8_t words = vreinterpretq_s16_s32(x), weights = vreinterpretq_s16_s32(w);
  *low = vmlal_s16(*low, vget_low_s16(words), vget_low_s16(weights));
  *high = vmlal_high_s16(*high, words, weights);
}
/* Eight bytes as Int16. */
EN_INLINE int32x4_t en_widen_eight(const uint8_t *p) { return vreinterpretq_s32_u16(vmovl_u8(vld1_u8(p))); }
/* low, high += the eight channels x times the eight weights at w. */
EN_INLINE void en_add_tap(int32x4_t *low, int32x4_t *high, uint8x8_t x, const int16_t *w) {
  en_add_words(low, high, vreinterpretq_s32_u16(vmovl_u8(x)), vreinterpretq_s32_s16(vld1q_s16(w)));
}

EN_INLINE int32x4_t en_widen(uint32_t bytes) {
  uint16x8_t words = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words)));
}
/* Lanes in 0...255: v in the low four bytes, w in the high ones. */
EN_INLINE uint64_t en_narrow(int32x4_t v, int32x4_t w) {
  int16x8_t words = vcombine_s16(vmovn_s32(v), vmovn_s32(w));
  return vget_lane_u64(vreinterpret_u64_s8(vmovn_s16(words)), 0);
}
/* Scaled numbers, none of them NaN, to bytes: rounded half to even, `zero` added, limited by `low` and `high`. Every step
 * saturates, at limits that are wider than those of bytes, so the result is that of limiting the numbers first. */
EN_INLINE int16x8_t en_round(float32x4_t a, float32x4_t b, int16x8_t zero) {
  return vqaddq_s16(vqmovn_high_s32(vqmovn_s32(vcvtnq_s32_f32(a)), vcvtnq_s32_f32(b)), zero);
}
EN_INLINE uint64_t en_eight_bytes(float32x4_t a, float32x4_t b, int16x8_t zero, uint8x16_t low, uint8x16_t high) {
  uint8x8_t bytes = vqmovun_s16(en_round(a, b, zero));
  return vget_lane_u64(vreinterpret_u64_u8(vmin_u8(vmax_u8(bytes, vget_low_u8(low)), vget_low_u8(high))), 0);
}
EN_INLINE uint8x16_t en_sixteen_bytes(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d, int16x8_t zero, uint8x16_t low, uint8x16_t high) {
  uint8x16_t bytes = vqmovun_high_s16(vqmovun_s16(en_round(a, b, zero)), en_round(c, d, zero));
  return vminq_u8(vmaxq_u8(bytes, low), high);
}
/* The low and high eight of sixteen bytes to two places. */
EN_INLINE void en_store_halves(uint8_t *first, uint8_t *second, uint8x16_t bytes) {
  vst1_u8(first, vget_low_u8(bytes));
  vst1q_lane_u64((uint64_t *)(void *)second, vreinterpretq_u64_u8(bytes), 1);
}
/* Sixteen bytes to Int16. */
EN_INLINE void en_widen_sixteen(int16_t *to, const uint8_t *from) {
  uint8x16_t bytes = vld1q_u8(from);
  vst1q_s16(to, vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))));
  vst1q_s16(to + 8, vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(bytes))));
}
#pragma clang assume_nonnull end
#endif
#endif
