/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), by the CPU's instruction where it has one. */
#ifndef EDGEAI_CRC32C_H
#define EDGEAI_CRC32C_H
#include <stdint.h>
#include <stddef.h>

/* Continues a checksum: start with 0; ep_crc32c(ep_crc32c(0, a), b) is the checksum of a followed by b. */
uint32_t ep_crc32c(uint32_t crc, const void *data, size_t size);
#endif
