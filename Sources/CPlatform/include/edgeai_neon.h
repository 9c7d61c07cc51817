/* AArch64 vector instructions that Swift cannot name: intrinsics that are macros, and short idioms of several. */
#ifndef EDGEAI_NEON_H
#define EDGEAI_NEON_H
#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#include <stdint.h>
#define EN_INLINE static inline __attribute__((always_inline))

/* sum + a0 * panel[0...3] + a1 * panel[4...7], where element repeats the pair a0, a1. */
EN_INLINE int32x4_t en_multiply_pair(int32x4_t sum, int16x8_t element, int16x8_t panel) {
  sum = vmlal_lane_s16(sum, vget_low_s16(panel), vget_low_s16(element), 0);
  return vmlal_lane_s16(sum, vget_high_s16(panel), vget_low_s16(element), 1);
}

#if defined(__ARM_FEATURE_DOTPROD)
/* Four signed products in each lane; element has its top bits flipped, which makes uint8 x - 128. */
EN_INLINE int32x4_t en_multiply_four(int32x4_t sum, int32x4_t element, int32x4_t panel) {
  return vdotq_s32(sum, vreinterpretq_s8_s32(element), vreinterpretq_s8_s32(panel));
}
EN_INLINE int32x4_t en_flipped(int32x4_t v) {
  return veorq_s32(v, vreinterpretq_s32_u8(vdupq_n_u8(0x80)));
}
#endif

/* low, high += the eight channels x times the eight weights at w. */
EN_INLINE int32x4_t en_add_low(int32x4_t sum, uint8x8_t x, const int16_t *w) {
  return vmlal_s16(sum, vreinterpret_s16_u16(vget_low_u16(vmovl_u8(x))), vld1_s16(w));
}
EN_INLINE int32x4_t en_add_high(int32x4_t sum, uint8x8_t x, const int16_t *w) {
  return vmlal_s16(sum, vreinterpret_s16_u16(vget_high_u16(vmovl_u8(x))), vld1_s16(w + 4));
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
/* Sixteen bytes to Int16. */
EN_INLINE void en_widen_sixteen(int16_t *to, const uint8_t *from) {
  uint8x16_t bytes = vld1q_u8(from);
  vst1q_s16(to, vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes))));
  vst1q_s16(to + 8, vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(bytes))));
}
/* Half to even. */
#endif
#endif
