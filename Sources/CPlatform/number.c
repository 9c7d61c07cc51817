/* Numbers as text. The C library's conversions are exact but speak the locale's language. */
#include "edgeai_platform.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ep_overflow_text(void *text, size_t capacity, const char *op, int64_t entries, int64_t bound) {
  snprintf(text, capacity, "%s: found %lld entries; there is room for %lld", op ? op : "", (long long)entries, (long long)bound);
}

void ep_lost_text(void *text, size_t capacity, size_t size) {
  snprintf(text, capacity, "no memory for a constant of %llu bytes", (unsigned long long)size);
}

void ep_number_text(double value, int32_t is_float, char *text) {
  if (!isfinite(value)) {
    strcpy(text, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    return;
  }
  int digits = 0;
  do snprintf(text, EP_NUMBER_CAPACITY, "%.*e", digits, value);
  while ((is_float ? strtof(text, NULL) != (float)value : strtod(text, NULL) != value) && ++digits < 17);
  /* With an exponent only where a plain number would be long. */
  const char *e = strchr(text, 'e');
  int exponent = e ? atoi(e + 1) : 0;
  if (exponent >= -5 && exponent < (is_float ? 8 : 16)) {
    int decimals = digits > exponent ? digits - exponent : 1;
    snprintf(text, EP_NUMBER_CAPACITY, "%.*f", decimals, value);
  }
  /* The locale's decimal mark may be several bytes: one point for them all. */
  char *end = text;
  for (const char *c = text; *c; c++) {
    int is_own = (*c >= '0' && *c <= '9') || *c == 'e' || *c == '-' || *c == '+';
    if (is_own) *end++ = *c;
    else if (end == text || end[-1] != '.') *end++ = '.';
  }
  *end = 0;
}
