#ifndef EDGEAI_H
#define EDGEAI_H
#include <stdint.h>
const char *edgeai_version_string(void);
#endif
