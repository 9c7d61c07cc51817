/* Wrong use of channel pruning in edgeai_compress.h: a typed error, out-parameters left alone, nothing lost (run it under
 * valgrind). And what the report says must fit the model.
 *     channels_misuse MODEL
 * MODEL: one float32 input, float, with at least two convolutions or dense layers. */
#include "check.h"
#include <edgeai.h>
#include <edgeai_compress.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static edgeai_error error;
static edgeai_model *const untouched_model = (edgeai_model *)(uintptr_t)0x5A5A5A50;
static edgeai_channel_report *const untouched_report = (edgeai_channel_report *)(uintptr_t)0x5A5A5A50;

static int32_t nothing(void *context, uint64_t index, edgeai_span *inputs, size_t count) {
  (void)context; (void)index; (void)inputs; (void)count;
  return 0;
}
static int32_t forgets_to_fill(void *context, uint64_t index, edgeai_span *inputs, size_t count) {
  (void)context; (void)index; (void)inputs; (void)count;
  return 1;
}
static int32_t gives_up(void *context, uint64_t index, edgeai_span *inputs, size_t count) {
  (void)context; (void)index; (void)inputs; (void)count;
  return -1;
}
/* One sample of zeros; context: its bytes. */
static int32_t one_sample(void *context, uint64_t index, edgeai_span *inputs, size_t count) {
  static float zeros[1 << 16];
  if (count != 1 || index > 0) return 0;
  inputs[0].data = zeros;
  inputs[0].bytes = *(size_t *)context;
  return inputs[0].bytes <= sizeof zeros ? 1 : -1;
}

static void wrong_options(const edgeai_model *model, const char *name, const char *last) {
  edgeai_model *pruned = untouched_model;
  edgeai_channel_report *report = untouched_report;
  edgeai_prune_channels_options options;
  struct { edgeai_prune_channels_options options; uint64_t more; } newer;
  edgeai_layer_fraction fraction;
  edgeai_layer_channels chosen;
  uint32_t first = 0, none = UINT32_MAX;
  memset(&fraction, 0, sizeof fraction);
  memset(&chosen, 0, sizeof chosen);
  memset(&options, 0xFF, sizeof options);
  edgeai_prune_channels_options_init(NULL, sizeof options);
  edgeai_prune_channels_options_init(&options, sizeof options - 1); /* does nothing */
  CHECK(options.struct_size == 0xFFFFFFFFu);
#define PRUNE(model, options, data, context) edgeai_prune_channels(model, options, data, context, &pruned, &report, &error)
  CHECK_STATUS(PRUNE(model, &options, NULL, NULL), EDGEAI_ERROR_ABI_MISMATCH);
  edgeai_prune_channels_options_init(&newer.options, sizeof newer);
  newer.more = 1;
  CHECK_STATUS(PRUNE(model, &newer.options, NULL, NULL), EDGEAI_ERROR_ABI_MISMATCH);
  CHECK_STATUS(PRUNE(NULL, NULL, NULL, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_prune_channels(model, NULL, NULL, NULL, NULL, &report, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
#define REFUSED(change)                                                                   \
  do {                                                                                    \
    edgeai_prune_channels_options_init(&options, sizeof options);                         \
    change;                                                                               \
    CHECK_STATUS(PRUNE(model, &options, NULL, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);      \
  } while (0)
  REFUSED(options.criterion = -1);
  REFUSED(options.criterion = 4);
  REFUSED(options.criterion = 256);
  REFUSED(options.criterion = EDGEAI_CHANNELS_ACTIVATION); /* without data */
  CHECK(strstr(error.message, "needs data") != NULL);
  REFUSED(options.fraction = 1.0f);
  REFUSED(options.fraction = -0.5f);
  REFUSED(options.fraction = (float)NAN);
  REFUSED(options.minimum = 0);
  REFUSED(options.multiple = 0);
  REFUSED(options.layer_count = 1);
  REFUSED(options.layer_count = SIZE_MAX);
  REFUSED((options.layers = &fraction, options.layer_count = 1)); /* no name */
  fraction.name = "no such layer";
  REFUSED((options.layers = &fraction, options.layer_count = 1));
  fraction.name = name;
  fraction.fraction = 2.0f;
  REFUSED((options.layers = &fraction, options.layer_count = 1));
  REFUSED(options.channels_count = 1);
  REFUSED(options.channels_count = SIZE_MAX);
  REFUSED((options.channels = &chosen, options.channels_count = 1)); /* no name */
  chosen.name = name;
  chosen.channel_count = 1;
  REFUSED((options.channels = &chosen, options.channels_count = 1)); /* no list */
  chosen.channel_count = SIZE_MAX;
  REFUSED((options.channels = &chosen, options.channels_count = 1));
  chosen.channel_count = 1;
  chosen.channels = &none;
  REFUSED((options.channels = &chosen, options.channels_count = 1));
  chosen.channels = &first;
  chosen.name = last; /* an output of the model */
  REFUSED((options.channels = &chosen, options.channels_count = 1));
  CHECK(strstr(error.message, "output of the model") != NULL && strcmp(error.node, last) == 0);
  CHECK(pruned == untouched_model && report == untouched_report);
}

static void wrong_data(const edgeai_model *model, size_t bytes) {
  edgeai_model *pruned = untouched_model;
  edgeai_channel_report *report = untouched_report;
  edgeai_prune_channels_options options;
  size_t wrong = bytes - 4;
  edgeai_prune_channels_options_init(&options, sizeof options);
  options.criterion = EDGEAI_CHANNELS_ACTIVATION;
  CHECK_STATUS(PRUNE(model, &options, nothing, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(PRUNE(model, &options, forgets_to_fill, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(PRUNE(model, &options, gives_up, NULL), EDGEAI_ERROR_CANCELLED);
  CHECK_STATUS(PRUNE(model, &options, one_sample, &wrong), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK(pruned == untouched_model && report == untouched_report);
  CHECK_STATUS(PRUNE(model, &options, one_sample, &bytes), EDGEAI_OK);
  edgeai_model_destroy(pruned);
  edgeai_channel_report_destroy(report);
}

int main(int argc, char **argv) {
  edgeai_model *model = NULL, *pruned = NULL;
  edgeai_channel_report *report = NULL;
  edgeai_tensor_info input;
  edgeai_model_info before, after;
  edgeai_channel_layer_info layer;
  char first[EDGEAI_NAME_CAPACITY] = "", last[EDGEAI_NAME_CAPACITY] = "";
  size_t i, count;
  uint32_t k, gone = 0;
  if (argc != 2) return 2;
  edgeai_error_init(&error, sizeof error);
  input.struct_size = sizeof input;
  before.struct_size = sizeof before;
  after.struct_size = sizeof after;
  CHECK_STATUS(edgeai_model_open_file(argv[1], NULL, &model, &error), EDGEAI_OK);
  if (!model) return check_result("channels_misuse");
  CHECK_STATUS(edgeai_model_input_info(model, 0, &input, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_prune_channels(model, NULL, NULL, NULL, &pruned, &report, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_describe(model, &before, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_describe(pruned, &after, &error), EDGEAI_OK);
  CHECK(after.parameters < before.parameters && after.multiply_adds < before.multiply_adds);
  count = edgeai_channel_report_layer_count(report);
  CHECK(count >= 2 && edgeai_channel_report_layer_count(NULL) == 0);
  memset(&layer, 0, sizeof layer);
  CHECK_STATUS(edgeai_channel_report_layer(report, 0, &layer, &error), EDGEAI_ERROR_ABI_MISMATCH);
  layer.struct_size = sizeof layer;
  CHECK_STATUS(edgeai_channel_report_layer(report, count, &layer, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_channel_report_layer(report, SIZE_MAX, &layer, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_channel_report_layer(report, 0, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_channel_report_layer(NULL, 0, &layer, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  for (i = 0; i < count; i++) {
    CHECK_STATUS(edgeai_channel_report_layer(report, i, &layer, &error), EDGEAI_OK);
    CHECK(layer.after >= 1 && layer.after <= layer.before && (layer.fixed == 0) == (layer.reason[0] == 0));
    for (k = 0; k < layer.after; k++) CHECK(layer.kept[k] < layer.before && (k == 0 || layer.kept[k] > layer.kept[k - 1]));
    gone += layer.before - layer.after;
    strncpy(i == 0 ? first : last, layer.name, EDGEAI_NAME_CAPACITY - 1);
  }
  CHECK(gone > 0);
  wrong_options(model, first, last);
  wrong_data(model, (size_t)input.bytes);
  /* The result outlives what it was made from, and the report is optional. */
  edgeai_channel_report_destroy(report);
  edgeai_channel_report_destroy(NULL);
  edgeai_model_destroy(pruned);
  pruned = NULL;
  CHECK_STATUS(edgeai_prune_channels(model, NULL, NULL, NULL, &pruned, NULL, &error), EDGEAI_OK);
  edgeai_model_destroy(model);
  CHECK_STATUS(edgeai_model_describe(pruned, &after, &error), EDGEAI_OK);
  edgeai_model_destroy(pruned);
  return check_result("channels_misuse");
}
