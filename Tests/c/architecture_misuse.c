/* edgeai_model_create: every network runs, wrong use gives a typed error and leaves the out-parameter alone, a caller's allocator is the
 * only one that is asked, and nothing is lost (run it under valgrind).
 *     architecture_misuse */
#include "check.h"
#include "failing_allocator.h"
#include <edgeai.h>
#include <edgeai_train.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static edgeai_error error;
static edgeai_model *const untouched = (edgeai_model *)(uintptr_t)0x5A5A5A50;
static const uint32_t four[4] = {5, 4, 3, 2};
static const uint32_t zero[2] = {5, 0};
static const uint32_t wide[3] = {1, 1u << 20, 1u << 20};
static uint32_t many[257];

#define TRY(kind, change, expected)                                                   \
  do {                                                                                \
    edgeai_architecture_options options;                                              \
    edgeai_model *model = untouched;                                                  \
    edgeai_architecture_options_init(&options, sizeof options);                       \
    options.architecture = EDGEAI_ARCHITECTURE_##kind;                                \
    change;                                                                           \
    CHECK_STATUS(edgeai_model_create(&options, &model, &error), expected);            \
    CHECK(((expected) == EDGEAI_OK) == (model != untouched));                         \
    if (model != untouched) edgeai_model_destroy(model);                              \
  } while (0)
#define REFUSE(kind, change) TRY(kind, change, EDGEAI_ERROR_INVALID_ARGUMENT)
#define WIDTHS(list, count) (options.widths = (list), options.width_count = (count))

/* Small images and few classes: the reference kernels run them. */
static void runs(int32_t architecture) {
  edgeai_architecture_options options;
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  const void *logits = NULL;
  size_t bytes = 0, i;
  edgeai_architecture_options_init(&options, sizeof options);
  options.architecture = architecture;
  if (architecture == EDGEAI_ARCHITECTURE_MLP || architecture == EDGEAI_ARCHITECTURE_BINARY_MLP) WIDTHS(four, 4);
  else options.classes = 2;
  if (architecture == EDGEAI_ARCHITECTURE_MOBILENET_V1 || architecture == EDGEAI_ARCHITECTURE_SQUEEZENET_1_0 ||
      architecture == EDGEAI_ARCHITECTURE_SQUEEZENET_1_1)
    options.resolution = 32;
  CHECK_STATUS(edgeai_model_create(&options, &model, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_output_buffer(session, 0, &logits, &bytes, &error), EDGEAI_OK);
  CHECK(bytes == 2 * sizeof(float));
  for (i = 0; i < bytes / sizeof(float); i++) CHECK(isfinite(((const float *)logits)[i]));
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
}

/* The allocator runs dry at each point in turn. */
static void running_dry(void) {
  edgeai_allocator allocator;
  edgeai_architecture_options options;
  edgeai_model *model;
  edgeai_status status = EDGEAI_ERROR_OUT_OF_MEMORY;
  long blocks;
  hook_init(&allocator);
  edgeai_architecture_options_init(&options, sizeof options);
  options.architecture = EDGEAI_ARCHITECTURE_BINARY_MLP;
  WIDTHS(four, 4);
  options.allocator = &allocator;
  for (blocks = 0; status == EDGEAI_ERROR_OUT_OF_MEMORY; blocks++) {
    model = untouched;
    taken = 0;
    budget = blocks;
    status = edgeai_model_create(&options, &model, &error);
    if (status == EDGEAI_OK) break;
    CHECK(status == EDGEAI_ERROR_OUT_OF_MEMORY && model == untouched && live_blocks == 0);
  }
  CHECK(blocks > 20 && live_blocks > 0);
  CHECK_STATUS(status, EDGEAI_OK);
  edgeai_model_destroy(model);
  CHECK(live_blocks == 0);
  allocator.allocate = NULL;
  CHECK_STATUS(edgeai_model_create(&options, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
}

int main(void) {
  edgeai_architecture_options options;
  edgeai_model *model = untouched;
  int32_t kind;
  size_t i;
  for (i = 0; i < 257; i++) many[i] = 1;
  edgeai_error_init(&error, sizeof error);
  for (kind = EDGEAI_ARCHITECTURE_LENET_300_100; kind <= EDGEAI_ARCHITECTURE_BINARY_LENET_5; kind++) runs(kind);

  edgeai_architecture_options_init(NULL, sizeof options);
  memset(&options, 0x55, sizeof options);
  edgeai_architecture_options_init(&options, 8);
  CHECK(options.struct_size == 0x55555555);
  edgeai_architecture_options_init(&options, sizeof options);
  CHECK_STATUS(edgeai_model_create(NULL, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_create(&options, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_create(&options, NULL, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(model == untouched);
  TRY(LENET_5, options.struct_size = 8, EDGEAI_ERROR_ABI_MISMATCH);

  REFUSE(LENET_5, options.architecture = 11);
  REFUSE(LENET_5, options.architecture = -1);
  REFUSE(LENET_5, options.resolution = -1);
  REFUSE(LENET_5, options.resolution = 8193);
  REFUSE(LENET_5, options.channels = INT32_MAX);
  REFUSE(LENET_5, options.classes = INT32_MIN);
  REFUSE(LENET_5, options.classes = (1 << 20) + 1);
  REFUSE(MOBILENET_V1, options.width = 0);
  REFUSE(MOBILENET_V1, options.width = NAN);
  REFUSE(MOBILENET_V1, options.width = 16.5f);
  REFUSE(MOBILENET_V1, options.gamma = 0);
  REFUSE(MOBILENET_V1, options.gamma = INFINITY);
  REFUSE(MOBILENET_V1, options.gamma = NAN);
  REFUSE(MLP, (void)0);
  REFUSE(MLP, options.width_count = 4);
  REFUSE(MLP, WIDTHS(four, 1));
  REFUSE(MLP, WIDTHS(zero, 2));
  REFUSE(MLP, WIDTHS(many, 257));
  REFUSE(MLP, WIDTHS(many, (size_t)-1));
  TRY(MLP, WIDTHS(many, 256), EDGEAI_OK);
  REFUSE(BINARY_MLP, WIDTHS(four, 3));
  REFUSE(LENET_5, WIDTHS(four, 2));
  REFUSE(BINARY_LENET_5, WIDTHS(four, 4));
  TRY(BINARY_LENET_5, WIDTHS(four, 3), EDGEAI_OK);
  TRY(LENET_5, WIDTHS(wide, 3), EDGEAI_ERROR_LIMIT_EXCEEDED);
  TRY(MLP, WIDTHS(wide, 3), EDGEAI_ERROR_LIMIT_EXCEEDED);
  TRY(LENET_5, options.resolution = 15, EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK(strcmp(error.node, "pool2") == 0);
  TRY(LENET_5, options.resolution = 16, EDGEAI_OK);
  TRY(MOBILENET_V1, (options.resolution = 1, options.width = 0.01f, options.classes = 1, options.channels = 1), EDGEAI_OK);
  TRY(SQUEEZENET_1_0, options.resolution = 16, EDGEAI_ERROR_SHAPE_MISMATCH);

  /* Options of other networks. */
  REFUSE(LENET_300_100, options.resolution = 28);
  REFUSE(LENET_300_100, options.channels = 1);
  REFUSE(LENET_300_100, options.gamma = 0.5f);
  REFUSE(LENET_5, options.width = 0.5f);
  REFUSE(LENET_5, options.batch_norm = 1);
  REFUSE(LENET_5, options.bypass = 1);
  REFUSE(RESNET_8, WIDTHS(four, 3));
  REFUSE(BINARY_LENET_5, options.width = 0.5f);
  REFUSE(DS_CNN, options.resolution = 49);
  REFUSE(SQUEEZENET_1_1, options.gamma = 0.5f);
  REFUSE(MLP, (WIDTHS(four, 4), options.classes = 2));
  REFUSE(MLP, (WIDTHS(four, 4), options.gamma = 0.5f));
  TRY(MLP, (WIDTHS(four, 4), options.gamma = 0.5f, options.batch_norm = 1), EDGEAI_OK);
  REFUSE(BINARY_MLP, (WIDTHS(four, 4), options.batch_norm = 1));

  running_dry();
  return check_result("architecture_misuse");
}
