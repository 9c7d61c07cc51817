/* Numbers as text. The C library's conversions are exact but speak the locale's language. */
#include "edgeai_platform.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ep_number_text(double value, int32_t is_float, char *text) {
  if (!isfinite(value)) {
    strcpy(text, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    return;
  }
  int digits = 0;
  do snprintf(text, EP_NUMBER_CAPACITY, "%.*e", digits, value);
  while ((is_float ? strtof(text, NULL) != (float)value : strtod(text, NULL) != value) && ++digits < 17);
  /* With an exponent only where a plain number would be long. */
  int exponent = atoi(strchr(text, 'e') + 1);
  if (exponent >= -5 && exponent < (is_float ? 8 : 16)) {
    int decimals = digits > exponent ? digits - exponent : 1;
    snprintf(text, EP_NUMBER_CAPACITY, "%.*f", decimals, value);
  }
  for (char *c = text; *c; c++) {
    if ((*c < '0' || *c > '9') && *c != 'e' && *c != '-' && *c != '+') *c = '.';
  }
}
