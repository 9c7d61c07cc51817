/* The C sources of this target: SwiftPM wants one, the headers are all there is. */
#include "edgeai_compress.h"
#include "edgeai_train.h"
