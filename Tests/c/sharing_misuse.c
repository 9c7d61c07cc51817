/* Wrong use of edgeai_share, edgeai_binarize and edgeai_quantize_weights: a typed error, out-parameters left alone, nothing lost
 * (run it under valgrind).
 *     sharing_misuse MODEL
 * MODEL: one float32 input, a symbolic batch, float. */
#include "check.h"
#include <edgeai.h>
#include <edgeai_compress.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static edgeai_error error;
static edgeai_model *const untouched_model = (edgeai_model *)(uintptr_t)0x5A5A5A50;
static edgeai_report *const untouched_report = (edgeai_report *)(uintptr_t)0x5A5A5A50;
static float *sample;
static size_t sample_bytes;

/* Gives one sample; context: what it answers afterwards. */
static int32_t one_sample(void *context, uint64_t index, edgeai_span *inputs, size_t input_count) {
  CHECK(input_count == 1);
  if (index > 0) return context ? *(int32_t *)context : 0;
  inputs[0].data = sample;
  inputs[0].bytes = sample_bytes;
  return 1;
}

static int32_t no_samples(void *context, uint64_t index, edgeai_span *inputs, size_t input_count) {
  (void)context, (void)index, (void)inputs, (void)input_count;
  return 0;
}

/* Cancels when the stage that `context` names begins. */
static int32_t cancels_in(void *context, const char *stage, uint64_t done, uint64_t total) {
  CHECK(done <= total);
  return strcmp((const char *)context, stage) == 0;
}

/* The three functions differ in their options only. */
#define TRY(name, model, change, data, context, expected)                                                        \
  do {                                                                                                          \
    edgeai_##name##_options options;                                                                             \
    edgeai_model *made = untouched_model;                                                                        \
    edgeai_report *report = untouched_report;                                                                    \
    edgeai_##name##_options_init(&options, sizeof options);                                                      \
    change;                                                                                                     \
    CHECK_STATUS(edgeai_##name(model, &options, data, context, &made, &report, &error), expected);                \
    CHECK((expected) == EDGEAI_OK || (made == untouched_model && report == untouched_report));                    \
    if (made != untouched_model) edgeai_model_destroy(made);                                                     \
    if (report != untouched_report) edgeai_report_destroy(report);                                               \
  } while (0)

#define COMMON(name)                                                                                            \
  do {                                                                                                          \
    static const char *const unknown[1] = {"no such layer"};                                                     \
    int32_t cancel = -1;                                                                                        \
    size_t whole = sample_bytes;                                                                                 \
    TRY(name, model, (void)0, NULL, NULL, EDGEAI_OK);                                                            \
    TRY(name, model, (void)0, one_sample, NULL, EDGEAI_OK);                                                      \
    TRY(name, NULL, (void)0, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);                                          \
    TRY(name, model, options.struct_size = 4, NULL, NULL, EDGEAI_ERROR_ABI_MISMATCH);                             \
    TRY(name, model, options.threads = 0, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);                             \
    TRY(name, model, options.threads = 257, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);                           \
    TRY(name, model, options.windows = 0, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);                             \
    TRY(name, model, options.report_samples = -1, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);                     \
    TRY(name, model, options.name_count = 1, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);                          \
    TRY(name, model, (options.names = unknown, options.name_count = 1), NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT); \
    TRY(name, model, (void)0, no_samples, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);                                   \
    TRY(name, model, (void)0, one_sample, &cancel, EDGEAI_ERROR_CANCELLED);                                       \
    sample_bytes = whole - 4;                                                                                   \
    TRY(name, model, (void)0, one_sample, NULL, EDGEAI_ERROR_SHAPE_MISMATCH);                                     \
    sample_bytes = whole;                                                                                       \
    sample[3] = (float)NAN;                                                                                     \
    TRY(name, model, (void)0, one_sample, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);                                   \
    sample[3] = 0;                                                                                              \
    edgeai_##name##_options_init(NULL, 8);                                                                       \
    CHECK_STATUS(edgeai_##name(model, NULL, NULL, NULL, NULL, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);       \
  } while (0)

int main(int argc, char **argv) {
  edgeai_model *model = NULL;
  edgeai_tensor_info info = {.struct_size = sizeof info};
  edgeai_layer_value many[1] = {{"no such layer", 3}};
  static char sharing[] = "sharing", binarizing[] = "binarizing", statistics[] = "statistics", rounding[] = "rounding";
  CHECK(argc == 2);
  error.struct_size = sizeof error;
  CHECK_STATUS(edgeai_model_open_file(argv[1], NULL, &model, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_input_info(model, 0, &info, &error), EDGEAI_OK);
  sample_bytes = (size_t)info.bytes;
  sample = calloc(1, sample_bytes);
  COMMON(share);
  COMMON(binarize);
  COMMON(quantize_weights);
  TRY(share, model, options.bits = 0, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(share, model, options.bits = 9, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(share, model, options.start = 3, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(share, model, options.start = -1, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(share, model, options.iterations = -1, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(share, model, (options.layers = many, options.layer_count = 1), NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(share, model, (options.progress = cancels_in, options.progress_context = sharing), NULL, NULL, EDGEAI_ERROR_CANCELLED);
  TRY(binarize, model, options.values = 2, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(binarize, model, options.threshold = -1, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(binarize, model, options.threshold = INFINITY, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(binarize, model, (options.progress = cancels_in, options.progress_context = binarizing), NULL, NULL, EDGEAI_ERROR_CANCELLED);
  TRY(quantize_weights, model, options.goal = 3, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(quantize_weights, model, options.goal = EDGEAI_GOAL_NOISE, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(quantize_weights, model, options.amount = 0, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(quantize_weights, model, options.amount = NAN, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(quantize_weights, model, options.damping = 0, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(quantize_weights, model, options.sensitivity_samples = -1, NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(quantize_weights, model, (options.layers = many, options.layer_count = 1), NULL, NULL, EDGEAI_ERROR_INVALID_ARGUMENT);
  TRY(quantize_weights, model, (options.progress = cancels_in, options.progress_context = statistics), one_sample, NULL,
      EDGEAI_ERROR_CANCELLED);
  TRY(quantize_weights, model, (options.progress = cancels_in, options.progress_context = rounding), one_sample, NULL,
      EDGEAI_ERROR_CANCELLED);
  edgeai_model_destroy(model);
  free(sample);
  return check_result("sharing_misuse");
}
