#ifndef EDGEAI_COMPRESS_H
#define EDGEAI_COMPRESS_H
#include "edgeai.h"
#endif
