/* Wrong use of edgeai_compress.h: a typed error, out-parameters left alone, nothing lost (run it under valgrind).
 *     compress_misuse MODEL OTHER
 * MODEL: one float32 input, a symbolic batch, float. OTHER: a model with another input shape. */
#include "check.h"
#include <edgeai.h>
#include <edgeai_compress.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static edgeai_error error;
static edgeai_calibration *const untouched_calibration = (edgeai_calibration *)(uintptr_t)0x5A5A5A50;
static edgeai_model *const untouched_model = (edgeai_model *)(uintptr_t)0x5A5A5A50;
static edgeai_report *const untouched_report = (edgeai_report *)(uintptr_t)0x5A5A5A50;
static float *sample;
static size_t sample_bytes;

/* Cancels when the stage `context` names is `left` steps in; NULL: at once. */
static int left;
static char stages[256];
static int32_t cancels_in(void *context, const char *stage, uint64_t done, uint64_t total) {
  CHECK(stage != NULL && done <= total);
  if (!strstr(stages, stage) && strlen(stages) + strlen(stage) + 2 < sizeof stages) strcat(strcat(stages, stage), ",");
  if (context && strcmp((const char *)context, stage) != 0) return 0;
  return left-- <= 0;
}

static edgeai_status create(const edgeai_model *model, const edgeai_quantize_options *options, edgeai_calibration **calibration) {
  return edgeai_calibration_create(model, options, calibration, &error);
}

static void options_are_checked(const edgeai_model *model) {
  static const char *const no_name[1] = {NULL};
  static const char *const unknown[1] = {"no such operator"};
  edgeai_quantize_options options;
  struct { edgeai_quantize_options options; uint64_t more; } newer;
  edgeai_calibration *calibration = untouched_calibration;
  memset(&options, 0xFF, sizeof options);
  edgeai_quantize_options_init(NULL, sizeof options);
  edgeai_quantize_options_init(&options, sizeof options - 1); /* does nothing */
  CHECK(options.struct_size == 0xFFFFFFFFu);
  CHECK_STATUS(create(model, &options, &calibration), EDGEAI_ERROR_ABI_MISMATCH);
  edgeai_quantize_options_init(&options, sizeof options);
  options.struct_size = 8;
  CHECK_STATUS(create(model, &options, &calibration), EDGEAI_ERROR_ABI_MISMATCH);
  edgeai_quantize_options_init(&newer.options, sizeof newer);
  newer.more = 1;
  CHECK_STATUS(create(model, &newer.options, &calibration), EDGEAI_ERROR_ABI_MISMATCH);
  CHECK_STATUS(create(NULL, NULL, &calibration), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(create(model, NULL, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
#define REFUSED(change)                                                              \
  do {                                                                               \
    edgeai_quantize_options_init(&options, sizeof options);                          \
    change;                                                                          \
    CHECK_STATUS(create(model, &options, &calibration), EDGEAI_ERROR_INVALID_ARGUMENT); \
  } while (0)
  REFUSED(options.calibrator = -1);
  REFUSED(options.calibrator = 5);
  REFUSED(options.calibrator = 256);
  REFUSED(options.threads = 0);
  REFUSED(options.threads = 257);
  REFUSED(options.report_samples = -1);
  REFUSED(options.percentile = 0);
  REFUSED(options.percentile = 101);
  REFUSED(options.percentile = (float)NAN);
  REFUSED(options.momentum = 1);
  REFUSED(options.momentum = -1);
  REFUSED(options.momentum = (float)NAN);
  REFUSED(options.float_name_count = 1);
  REFUSED((options.float_names = no_name, options.float_name_count = 1));
  REFUSED((options.float_types = NULL, options.float_type_count = SIZE_MAX));
  edgeai_quantize_options_init(&options, sizeof options);
  options.report_samples = INT32_MAX; /* terabytes of kept samples */
  CHECK(create(model, &options, &calibration) / 100 == 3);
  CHECK(calibration == untouched_calibration);
  edgeai_quantize_options_init(&options, sizeof options);
  options.float_names = unknown;
  options.float_name_count = 1;
  CHECK_STATUS(create(model, &options, &calibration), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(calibration == untouched_calibration && strstr(error.message, unknown[0]) != NULL);
}

static void feeding_is_checked(const edgeai_model *model, const edgeai_model *quantized) {
  edgeai_calibration *calibration = NULL;
  edgeai_calibration *second = untouched_calibration;
  edgeai_model *result = untouched_model;
  edgeai_report *report = untouched_report;
  edgeai_span spans[2];
  CHECK_STATUS(create(quantized, NULL, &second), EDGEAI_ERROR_UNSUPPORTED_FEATURE);
  CHECK(second == untouched_calibration);
  CHECK_STATUS(create(model, NULL, &calibration), EDGEAI_OK);
  if (!calibration) return;
  spans[0].data = sample;
  spans[0].bytes = sample_bytes;
  spans[1] = spans[0];
  CHECK_STATUS(edgeai_calibration_finish(calibration, &error), EDGEAI_ERROR_INVALID_ARGUMENT); /* no samples */
  CHECK_STATUS(edgeai_calibration_feed(NULL, spans, 1, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_calibration_feed(calibration, NULL, 1, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 0, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 2, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, SIZE_MAX, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  spans[0].bytes = sample_bytes - 4;
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  spans[0].bytes = sample_bytes + 4;
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  spans[0].bytes = 0;
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  spans[0].bytes = SIZE_MAX;
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  spans[0].bytes = sample_bytes;
  spans[0].data = NULL;
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  spans[0].data = (const char *)sample + 1;
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  spans[0].data = sample;
  sample[7] = (float)NAN;
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(error.tensor[0] != 0 && strstr(error.message, "element 7") != NULL);
  sample[7] = (float)-INFINITY;
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  sample[7] = 0;
  CHECK(edgeai_calibration_sample_count(calibration) == 0 && edgeai_calibration_sample_count(NULL) == 0);
  CHECK_STATUS(edgeai_quantize(calibration, &result, &report, &error), EDGEAI_ERROR_INVALID_ARGUMENT); /* not finished */
  CHECK_STATUS(edgeai_quantize(NULL, &result, &report, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(result == untouched_model && report == untouched_report);
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_calibration_finish(NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_calibration_finish(calibration, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_calibration_finish(calibration, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_calibration_feed(calibration, spans, 1, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(edgeai_calibration_sample_count(calibration) == 1);
  CHECK_STATUS(edgeai_quantize(calibration, NULL, &report, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(report == untouched_report);
  edgeai_calibration_destroy(calibration);
  edgeai_calibration_destroy(NULL);
}

static void progress_cancels(const edgeai_model *model) {
  static char ranges[] = "ranges", comparison[] = "comparison";
  edgeai_quantize_options options;
  edgeai_calibration *calibration = NULL;
  edgeai_model *result = untouched_model;
  edgeai_report *report = untouched_report;
  edgeai_span span;
  span.data = sample;
  span.bytes = sample_bytes;
  edgeai_quantize_options_init(&options, sizeof options);
  options.calibrator = EDGEAI_CALIBRATOR_ENTROPY;
  options.progress = cancels_in;
  left = 0;
  CHECK_STATUS(create(model, &options, &calibration), EDGEAI_OK);
  CHECK_STATUS(edgeai_calibration_feed(calibration, &span, 1, &error), EDGEAI_ERROR_CANCELLED);
  CHECK(edgeai_calibration_sample_count(calibration) == 0);
  left = 1000;
  CHECK_STATUS(edgeai_calibration_feed(calibration, &span, 1, &error), EDGEAI_OK);
  left = 1;
  CHECK_STATUS(edgeai_calibration_finish(calibration, &error), EDGEAI_ERROR_CANCELLED);
  left = 100000; /* cancelling is no end: it can be finished after all */
  CHECK_STATUS(edgeai_calibration_finish(calibration, &error), EDGEAI_OK);
  left = 0;
  CHECK_STATUS(edgeai_quantize(calibration, &result, &report, &error), EDGEAI_ERROR_CANCELLED);
  CHECK(result == untouched_model && report == untouched_report);
  CHECK(strstr(stages, ranges) != NULL && strstr(stages, comparison) != NULL);
  edgeai_calibration_destroy(calibration);
}

static int32_t one_sample(void *context, uint64_t index, edgeai_span *inputs, size_t count) {
  const size_t *bytes = (const size_t *)context;
  CHECK(count == 1);
  if (index > 1) return 0;
  inputs[0].data = sample;
  inputs[0].bytes = *bytes;
  return 1;
}
static int32_t nothing(void *context, uint64_t index, edgeai_span *inputs, size_t count) {
  (void)context; (void)index; (void)inputs; (void)count;
  return 0;
}
static int32_t forgets_to_fill(void *context, uint64_t index, edgeai_span *inputs, size_t count) {
  (void)context; (void)index; (void)inputs; (void)count;
  return 1;
}
static int32_t gives_up(void *context, uint64_t index, edgeai_span *inputs, size_t count) {
  return index == 1 ? -1 : one_sample(context, index, inputs, count);
}

static void comparing_is_checked(const edgeai_model *model, const edgeai_model *other, const edgeai_model *quantized) {
  edgeai_report *report = untouched_report;
  edgeai_report_info info;
  edgeai_layer_info layer;
  size_t bytes = sample_bytes, wrong = sample_bytes - 4, length = 0;
  char text[16];
#define COMPARE(a, b, data, context) edgeai_compare(a, b, data, context, &report, &error)
  CHECK_STATUS(COMPARE(NULL, quantized, one_sample, &bytes), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(COMPARE(model, NULL, one_sample, &bytes), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(COMPARE(model, quantized, NULL, &bytes), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_compare(model, quantized, one_sample, &bytes, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(COMPARE(model, other, one_sample, &bytes), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(COMPARE(model, quantized, nothing, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(COMPARE(model, quantized, forgets_to_fill, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(COMPARE(model, quantized, one_sample, &wrong), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(COMPARE(model, quantized, gives_up, &bytes), EDGEAI_ERROR_CANCELLED);
  sample[0] = (float)NAN;
  CHECK_STATUS(COMPARE(model, quantized, one_sample, &bytes), EDGEAI_ERROR_INVALID_ARGUMENT);
  sample[0] = 0;
  CHECK(report == untouched_report);
  CHECK_STATUS(COMPARE(model, quantized, one_sample, &bytes), EDGEAI_OK);
  memset(&info, 0, sizeof info);
  CHECK_STATUS(edgeai_report_describe(report, &info, &error), EDGEAI_ERROR_ABI_MISMATCH);
  info.struct_size = sizeof info;
  CHECK_STATUS(edgeai_report_describe(NULL, &info, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_report_describe(report, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_report_describe(report, &info, &error), EDGEAI_OK);
  CHECK(info.samples == 2 && info.layer_count == edgeai_report_layer_count(report));
  CHECK(edgeai_report_layer_count(NULL) == 0);
  layer.struct_size = sizeof layer;
  CHECK_STATUS(edgeai_report_layer(report, (size_t)info.layer_count, &layer, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_report_layer(report, SIZE_MAX, &layer, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_report_layer(report, 0, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_report_layer(NULL, 0, &layer, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_report_write_json(report, NULL, 10, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_report_write_json(NULL, NULL, 0, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_report_write_json(report, NULL, 0, NULL, &error), EDGEAI_OK);
  memset(text, 'x', sizeof text);
  CHECK_STATUS(edgeai_report_write_json(report, text, 8, &length, &error), EDGEAI_OK);
  CHECK(length > 8 && strlen(text) == 7 && text[8] == 'x');
  edgeai_report_destroy(report);
  edgeai_report_destroy(NULL);
}

static int32_t no_rows(void *context, const edgeai_sensitivity_row *row) {
  CHECK(row->layer != NULL && row->kept <= row->weights && row->samples == 2);
  return context != NULL;
}

static void pruning_is_checked(const edgeai_model *model, const edgeai_model *quantized) {
  static const char *const unknown[1] = {"no such layer"};
  static const edgeai_layer_value no_name[1] = {{NULL, 0.5}};
  edgeai_prune_options options;
  edgeai_factorize_options factors;
  edgeai_model *result = untouched_model;
  edgeai_report *report = untouched_report;
  size_t bytes = sample_bytes, wrong = sample_bytes - 4;
  double share = 0.5, too_much = 1.5;
#define PRUNE(model, options, data, context) edgeai_prune(model, options, data, context, &result, &report, &error)
#define PRUNE_REFUSED(change)                                                                     \
  do {                                                                                            \
    edgeai_prune_options_init(&options, sizeof options);                                          \
    change;                                                                                       \
    CHECK_STATUS(PRUNE(model, &options, NULL, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);              \
  } while (0)
  CHECK_STATUS(PRUNE(NULL, NULL, NULL, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_prune(model, NULL, NULL, NULL, NULL, &report, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  edgeai_prune_options_init(&options, sizeof options);
  options.struct_size = 8;
  CHECK_STATUS(PRUNE(model, &options, NULL, NULL), EDGEAI_ERROR_ABI_MISMATCH);
  PRUNE_REFUSED(options.method = -1);
  PRUNE_REFUSED(options.method = 4);
  PRUNE_REFUSED(options.method = 256);
  PRUNE_REFUSED(options.repair = 3);
  PRUNE_REFUSED(options.amount = NAN);
  PRUNE_REFUSED(options.amount = -1);
  PRUNE_REFUSED(options.block_rows = INT32_MIN);
  PRUNE_REFUSED(options.norm = 0);
  PRUNE_REFUSED((options.method = EDGEAI_PRUNE_PATTERN, options.pattern_kept = INT32_MAX));
  PRUNE_REFUSED(options.threads = 257);
  PRUNE_REFUSED(options.report_samples = -1);
  PRUNE_REFUSED(options.name_count = 1);
  PRUNE_REFUSED((options.names = unknown, options.name_count = 1));
  PRUNE_REFUSED(options.layer_count = 1);
  PRUNE_REFUSED(options.layer_count = SIZE_MAX);
  PRUNE_REFUSED((options.layers = no_name, options.layer_count = 1));
  PRUNE_REFUSED(options.sensitivity_count = 1);
  PRUNE_REFUSED(options.sensitivity_count = SIZE_MAX);
  edgeai_prune_options_init(&options, sizeof options);
  CHECK_STATUS(PRUNE(model, NULL, nothing, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(PRUNE(model, NULL, forgets_to_fill, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(PRUNE(model, NULL, one_sample, &wrong), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(PRUNE(model, NULL, gives_up, &bytes), EDGEAI_ERROR_CANCELLED);
  sample[0] = (float)NAN;
  CHECK_STATUS(PRUNE(model, NULL, one_sample, &bytes), EDGEAI_ERROR_INVALID_ARGUMENT);
  sample[0] = 0;
  left = 1;
  options.progress = cancels_in;
  CHECK_STATUS(PRUNE(model, &options, one_sample, &bytes), EDGEAI_ERROR_CANCELLED);
#define SCAN(fractions, count, data, row, row_context) \
  edgeai_sensitivity(model, NULL, fractions, count, data, &bytes, row, row_context, &error)
  CHECK_STATUS(SCAN(NULL, 1, one_sample, no_rows, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(SCAN(&share, 0, one_sample, no_rows, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(SCAN(&share, SIZE_MAX, one_sample, no_rows, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(SCAN(&too_much, 1, one_sample, no_rows, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(SCAN(&share, 1, NULL, no_rows, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(SCAN(&share, 1, one_sample, NULL, NULL), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(SCAN(&share, 1, one_sample, no_rows, &bytes), EDGEAI_ERROR_CANCELLED);
  CHECK_STATUS(SCAN(&share, 1, one_sample, no_rows, NULL), EDGEAI_OK);
#define FACTORIZE_REFUSED(change)                                                                                        \
  do {                                                                                                                   \
    edgeai_factorize_options_init(&factors, sizeof factors);                                                             \
    change;                                                                                                              \
    CHECK_STATUS(edgeai_factorize(model, &factors, NULL, NULL, &result, &report, &error), EDGEAI_ERROR_INVALID_ARGUMENT); \
  } while (0)
  FACTORIZE_REFUSED(factors.rank = 3);
  FACTORIZE_REFUSED(factors.amount = NAN);
  FACTORIZE_REFUSED((factors.rank = EDGEAI_RANK_COUNT, factors.amount = 0));
  FACTORIZE_REFUSED((factors.rank = EDGEAI_RANK_COUNT, factors.amount = 1e300));
  FACTORIZE_REFUSED(factors.windows = 0);
  FACTORIZE_REFUSED(factors.threads = 0);
  FACTORIZE_REFUSED((factors.names = unknown, factors.name_count = 1));
  CHECK_STATUS(edgeai_factorize(model, NULL, gives_up, &bytes, &result, &report, &error), EDGEAI_ERROR_CANCELLED);
  /* A model without float32 weights has nothing to prune. */
  CHECK_STATUS(PRUNE(quantized, NULL, NULL, NULL), EDGEAI_ERROR_UNSUPPORTED_FEATURE);
  CHECK(result == untouched_model && report == untouched_report);
  CHECK_STATUS(PRUNE(model, NULL, one_sample, &bytes), EDGEAI_OK);
  edgeai_model_destroy(result);
  edgeai_report_destroy(report);
  CHECK_STATUS(edgeai_factorize(model, NULL, one_sample, &bytes, &result, &report, &error), EDGEAI_OK);
  edgeai_model_destroy(result);
  edgeai_report_destroy(report);
  CHECK(edgeai_prune_schedule(0, 0.8, UINT64_MAX, UINT64_MAX) == 0.8);
}

/* What was made from a handle outlives it, whatever the order. */
static edgeai_model *any_order_of_destruction(const char *path) {
  edgeai_model *model = NULL, *quantized = NULL;
  edgeai_calibration *calibration = NULL;
  edgeai_report *report = NULL;
  edgeai_report_info info;
  edgeai_span span;
  span.data = sample;
  span.bytes = sample_bytes;
  info.struct_size = sizeof info;
  CHECK_STATUS(edgeai_model_open_file(path, NULL, &model, &error), EDGEAI_OK);
  CHECK_STATUS(create(model, NULL, &calibration), EDGEAI_OK);
  edgeai_model_destroy(model);
  CHECK_STATUS(edgeai_calibration_feed(calibration, &span, 1, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_calibration_finish(calibration, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_quantize(calibration, &quantized, &report, &error), EDGEAI_OK);
  edgeai_calibration_destroy(calibration);
  CHECK_STATUS(edgeai_report_describe(report, &info, &error), EDGEAI_OK);
  CHECK(info.samples == 1 && info.bytes_after < info.bytes_before);
  edgeai_report_destroy(report);
  return quantized;
}

int main(int argc, char **argv) {
  edgeai_model *model = NULL, *other = NULL, *quantized;
  edgeai_tensor_info info;
  size_t i;
  if (argc != 3) return 2;
  edgeai_error_init(&error, sizeof error);
  info.struct_size = sizeof info;
  CHECK_STATUS(edgeai_model_open_file(argv[1], NULL, &model, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_open_file(argv[2], NULL, &other, &error), EDGEAI_OK);
  if (!model || !other) return check_result("compress_misuse");
  CHECK_STATUS(edgeai_model_input_info(model, 0, &info, &error), EDGEAI_OK);
  sample_bytes = (size_t)info.bytes;
  sample = (float *)malloc(sample_bytes + 8);
  if (!sample) return 1;
  for (i = 0; i < sample_bytes / sizeof(float) + 2; i++) sample[i] = (float)(i % 17) / 8.0f - 1.0f;
  quantized = any_order_of_destruction(argv[1]);
  options_are_checked(model);
  feeding_is_checked(model, quantized);
  progress_cancels(model);
  comparing_is_checked(model, other, quantized);
  pruning_is_checked(model, quantized);
  edgeai_model_destroy(other);
  edgeai_model_destroy(quantized);
  edgeai_model_destroy(model);
  free(sample);
  return check_result("compress_misuse");
}
