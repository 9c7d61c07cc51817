#include "edgeai_crc32c.h"
#include <string.h>

/* Sixteen entries, a nibble at a time: small enough for a microcontroller's flash. */
static const uint32_t nibble[16] = {
  0x00000000u, 0x105ec76fu, 0x20bd8edeu, 0x30e349b1u, 0x417b1dbcu, 0x5125dad3u, 0x61c69362u, 0x7198540du,
  0x82f63b78u, 0x92a8fc17u, 0xa24bb5a6u, 0xb21572c9u, 0xc38d26c4u, 0xd3d3e1abu, 0xe330a81au, 0xf36e6f75u,
};

static uint32_t portable(uint32_t crc, const uint8_t *p, size_t n) {
  for (; n > 0; n--, p++) {
    crc ^= *p;
    crc = (crc >> 4) ^ nibble[crc & 15];
    crc = (crc >> 4) ^ nibble[crc & 15];
  }
  return crc;
}

#if defined(__x86_64__)
#include <cpuid.h>

__attribute__((target("sse4.2"))) static uint32_t hardware(uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t c = crc, word;
  for (; n >= 8; n -= 8, p += 8) {
    memcpy(&word, p, 8);
    c = __builtin_ia32_crc32di(c, word);
  }
  crc = (uint32_t)c;
  for (; n > 0; n--, p++) crc = __builtin_ia32_crc32qi(crc, *p);
  return crc;
}
static int has_hardware(void) {
  uint32_t a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#else
static uint32_t hardware(uint32_t crc, const uint8_t *p, size_t n) { return portable(crc, p, n); }
static int has_hardware(void) { return 0; }
#endif

uint32_t ep_crc32c(uint32_t crc, const void *data, size_t size) {
  crc = ~crc;
  crc = has_hardware() ? hardware(crc, data, size) : portable(crc, data, size);
  return ~crc;
}
