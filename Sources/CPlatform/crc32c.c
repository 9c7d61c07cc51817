#include "edgeai_crc32c.h"
#include "edgeai_platform.h"
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
/* Three checksums of `words` words each, one behind the other: the instruction takes three cycles, but one begins in each. */
__attribute__((target("sse4.2"))) static void three(uint64_t c[3], const uint8_t *p, size_t words) {
  uint64_t c0 = c[0], c1 = c[1], c2 = c[2], a, b, d;
  for (size_t i = 0; i < words; i++, p += 8) {
    memcpy(&a, p, 8);
    memcpy(&b, p + 8 * words, 8);
    memcpy(&d, p + 16 * words, 8);
    c0 = __builtin_ia32_crc32di(c0, a);
    c1 = __builtin_ia32_crc32di(c1, b);
    c2 = __builtin_ia32_crc32di(c2, d);
  }
  c[0] = c0, c[1] = c1, c[2] = c2;
}

/* a * b modulo the checksum's polynomial; bit 31 is x^0. */
static uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (; a; a <<= 1) {
    if (a >> 31) product ^= b;
    b = (b >> 1) ^ ((b & 1) ? 0x82f63b78u : 0);
  }
  return product;
}

/* x^(8 * bytes): what a checksum is multiplied with when as many zero bytes follow. */
static uint32_t power(size_t bytes) {
  uint32_t result = 0x80000000u, square = 0x00800000u;
  for (; bytes; bytes >>= 1, square = multiply(square, square))
    if (bytes & 1) result = multiply(result, square);
  return result;
}

__attribute__((target("sse4.2"))) static uint32_t hardware(uint32_t crc, const uint8_t *p, size_t n) {
  /* Joining parts costs as much as a few thousand bytes. */
  if (n >= 16384) {
    size_t words = n / 24;
    uint64_t c[3] = {crc, 0, 0};
    three(c, p, words);
    uint32_t shift = power(8 * words);
    crc = multiply(multiply((uint32_t)c[0], shift) ^ (uint32_t)c[1], shift) ^ (uint32_t)c[2];
    p += 24 * words;
    n -= 24 * words;
  }
  uint64_t c = crc, word;
  for (; n >= 8; n -= 8, p += 8) {
    memcpy(&word, p, 8);
    c = __builtin_ia32_crc32di(c, word);
  }
  crc = (uint32_t)c;
  for (; n > 0; n--, p++) crc = __builtin_ia32_crc32qi(crc, *p);
  return crc;
}
static int has_hardware(void) { return (ep_cpu_features() & EP_CPU_CRC32C) != 0; }
#else
static uint32_t hardware(uint32_t crc, const uint8_t *p, size_t n) { return portable(crc, p, n); }
static int has_hardware(void) { return 0; }
#endif

uint32_t ep_crc32c(uint32_t crc, const void *data, size_t size) {
  crc = ~crc;
  crc = has_hardware() ? hardware(crc, data, size) : portable(crc, data, size);
  return ~crc;
}
