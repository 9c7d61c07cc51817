/* In place of Swift's Unicode tables (libswiftUnicodeDataTables.a, 40 KB): no character has a decomposition or
 * joins another. Names in a model file are byte strings, equal when their bytes are; with the tables Swift would take
 * two spellings of one accented letter for the same name, which no other reader of the file does. */
#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)
extern const uint8_t *const _swift_stdlib_nfd_decompositions;

uint16_t _swift_stdlib_getNormData(uint32_t scalar);
uint32_t _swift_stdlib_getDecompositionEntry(uint32_t scalar);
uint32_t _swift_stdlib_getComposition(uint32_t first, uint32_t second);
uint8_t _swift_stdlib_getGraphemeBreakProperty(uint32_t scalar);
bool _swift_stdlib_isExtendedPictographic(uint32_t scalar);
bool _swift_stdlib_isInCB_Consonant(uint32_t scalar);

static const uint8_t none[1];
const uint8_t *const _swift_stdlib_nfd_decompositions = none;

uint16_t _swift_stdlib_getNormData(uint32_t scalar) {
  (void)scalar;
  return 0;
}

uint32_t _swift_stdlib_getDecompositionEntry(uint32_t scalar) {
  (void)scalar;
  return 0;
}

uint32_t _swift_stdlib_getComposition(uint32_t first, uint32_t second) {
  (void)first;
  (void)second;
  return UINT32_MAX;
}

uint8_t _swift_stdlib_getGraphemeBreakProperty(uint32_t scalar) {
  (void)scalar;
  return 0;
}

bool _swift_stdlib_isExtendedPictographic(uint32_t scalar) {
  (void)scalar;
  return false;
}

bool _swift_stdlib_isInCB_Consonant(uint32_t scalar) {
  (void)scalar;
  return false;
}
#pragma GCC visibility pop
