/* Use and wrong use of edgeai_compress and edgeai_report_stages: a typed error, out-parameters left alone, nothing lost (run it
 * under valgrind).
 *     search_misuse MODEL
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

/* Gives two samples; context: what it answers afterwards. */
static int32_t two_samples(void *context, uint64_t index, edgeai_span *inputs, size_t input_count) {
  CHECK(input_count == 1);
  if (index > 1) return context ? *(int32_t *)context : 0;
  sample[0] = (float)index;
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

static int made_levels;

static int32_t counts_levels(void *context, const char *stage, uint64_t done, uint64_t total) {
  (void)context, (void)done, (void)total;
  made_levels += strcmp("preparing levels", stage) == 0;
  return 0;
}

/* Looks at the model it is asked about as any other; context: the answer. */
static double quality(void *context, const edgeai_model *model) {
  size_t bytes = 0;
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_ADAPTIVE, &bytes, &error), EDGEAI_OK);
  CHECK(bytes > 0);
  return *(double *)context;
}

#define TRY(model, change, data, context, expected)                                                    \
  do {                                                                                                 \
    edgeai_compress_options options;                                                                   \
    edgeai_model *made = untouched_model;                                                              \
    edgeai_report *report = untouched_report;                                                          \
    edgeai_compress_options_init(&options, sizeof options);                                            \
    options.target_bytes = 1 << 20;                                                                    \
    change;                                                                                            \
    CHECK_STATUS(edgeai_compress(model, &options, data, context, &made, &report, &error), expected);   \
    CHECK((expected) == EDGEAI_OK || (made == untouched_model && report == untouched_report));         \
    if (made != untouched_model) edgeai_model_destroy(made);                                           \
    if (report != untouched_report) edgeai_report_destroy(report);                                     \
  } while (0)

static void try_stages(const edgeai_model *model) {
  const edgeai_model *stages[2] = {model, NULL};
  const char *names[2] = {"again", NULL};
  edgeai_report *report = untouched_report;
  edgeai_stage_info stage = {.struct_size = sizeof stage};
  edgeai_stage_layer_info layer = {.struct_size = sizeof layer};
  edgeai_status bad = EDGEAI_ERROR_INVALID_ARGUMENT;
  CHECK_STATUS(edgeai_report_stages(NULL, stages, names, 1, two_samples, NULL, &report, &error), bad);
  CHECK_STATUS(edgeai_report_stages(model, NULL, names, 1, two_samples, NULL, &report, &error), bad);
  CHECK_STATUS(edgeai_report_stages(model, stages, NULL, 1, two_samples, NULL, &report, &error), bad);
  CHECK_STATUS(edgeai_report_stages(model, stages, names, 0, two_samples, NULL, &report, &error), bad);
  CHECK_STATUS(edgeai_report_stages(model, stages, names, 2, two_samples, NULL, &report, &error), bad);
  CHECK_STATUS(edgeai_report_stages(model, stages, names, 1, NULL, NULL, &report, &error), bad);
  CHECK_STATUS(edgeai_report_stages(model, stages, names, 1, no_samples, NULL, &report, &error), bad);
  CHECK_STATUS(edgeai_report_stages(model, stages, names, 1, two_samples, NULL, NULL, &error), bad);
  CHECK(report == untouched_report);
  CHECK_STATUS(edgeai_report_stages(model, stages, names, 1, two_samples, NULL, &report, &error), EDGEAI_OK);
  CHECK(edgeai_report_stage_count(report) == 2);
  CHECK(edgeai_report_stage_layer_count(report) > 0);
  CHECK_STATUS(edgeai_report_stage(report, 1, &stage, &error), EDGEAI_OK);
  CHECK(strcmp(stage.name, "again") == 0 && stage.file_bytes > 0);
  CHECK_STATUS(edgeai_report_stage(report, 2, &stage, &error), bad);
  CHECK_STATUS(edgeai_report_stage_layer(report, 1, 0, &layer, &error), EDGEAI_OK);
  CHECK(layer.weights > 0 && layer.kept <= layer.weights && layer.measured == 1 && isinf(layer.sqnr_db));
  CHECK_STATUS(edgeai_report_stage_layer(report, 1, edgeai_report_stage_layer_count(report), &layer, &error), bad);
  CHECK_STATUS(edgeai_report_stage_layer(report, 2, 0, &layer, &error), bad);
  layer.struct_size = 4;
  CHECK_STATUS(edgeai_report_stage_layer(report, 1, 0, &layer, &error), EDGEAI_ERROR_ABI_MISMATCH);
  CHECK(edgeai_report_stage_count(NULL) == 0 && edgeai_report_stage_layer_count(NULL) == 0);
  edgeai_report_destroy(report);
}

int main(int argc, char **argv) {
  edgeai_model *model = NULL;
  edgeai_tensor_info info = {.struct_size = sizeof info};
  edgeai_compress_options defaults;
  size_t state_bytes = 0;
  int32_t cancel = -1;
  double one = 1, none = NAN;
  edgeai_status bad = EDGEAI_ERROR_INVALID_ARGUMENT;
  static char levels[] = "preparing levels", layers[] = "measuring layers", searching[] = "searching", stages[] = "measuring stages";
  CHECK(argc == 2);
  error.struct_size = sizeof error;
  CHECK_STATUS(edgeai_model_open_file(argv[1], NULL, &model, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_input_info(model, 0, &info, &error), EDGEAI_OK);
  sample_bytes = (size_t)info.bytes;
  sample = calloc(1, sample_bytes);

  TRY(model, (void)0, two_samples, NULL, EDGEAI_OK);
  TRY(model, (options.target_bytes = 0, options.max_drop = 0, options.quality = quality, options.quality_context = &one), two_samples,
      NULL, EDGEAI_OK);
  TRY(model, (options.target_bytes = 0, options.max_drop = 0, options.quality = quality, options.quality_context = &none), two_samples,
      NULL, EDGEAI_ERROR_CANCELLED);
  TRY(NULL, (void)0, two_samples, NULL, bad);
  TRY(model, (void)0, NULL, NULL, bad);
  TRY(model, (void)0, no_samples, NULL, bad);
  TRY(model, (void)0, two_samples, &cancel, EDGEAI_ERROR_CANCELLED);
  TRY(model, options.struct_size = 4, two_samples, NULL, EDGEAI_ERROR_ABI_MISMATCH);
  TRY(model, options.method = 2, two_samples, NULL, bad);
  TRY(model, options.block_rows = 0, two_samples, NULL, bad);
  TRY(model, options.block_columns = 2000, two_samples, NULL, bad);
  TRY(model, options.scan_samples = 0, two_samples, NULL, bad);
  TRY(model, options.threads = 0, two_samples, NULL, bad);
  TRY(model, options.target_bytes = 0, two_samples, NULL, bad);
  TRY(model, options.max_drop = 1, two_samples, NULL, bad);
  TRY(model, (options.target_bytes = 0, options.max_drop = NAN), two_samples, NULL, bad);
  TRY(model, options.target_bytes = 10, two_samples, NULL, EDGEAI_ERROR_LIMIT_EXCEEDED);
  TRY(model, (options.target_bytes = 0, options.target_nanoseconds = 1, options.method = EDGEAI_COMPRESS_BLOCKS), two_samples, NULL,
      EDGEAI_ERROR_LIMIT_EXCEEDED);
  TRY(model, (options.progress = cancels_in, options.progress_context = levels), two_samples, NULL, EDGEAI_ERROR_CANCELLED);
  TRY(model, (options.progress = cancels_in, options.progress_context = layers), two_samples, NULL, EDGEAI_ERROR_CANCELLED);
  TRY(model, (options.progress = cancels_in, options.progress_context = searching), two_samples, NULL, EDGEAI_ERROR_CANCELLED);
  TRY(model, (options.progress = cancels_in, options.progress_context = stages), two_samples, NULL, EDGEAI_ERROR_CANCELLED);

  edgeai_compress_options_init(&defaults, sizeof defaults);
  CHECK_STATUS(edgeai_compress_state_bytes(model, &defaults, &state_bytes, &error), EDGEAI_OK);
  CHECK(state_bytes > 8);
  CHECK_STATUS(edgeai_compress_state_bytes(NULL, &defaults, &state_bytes, &error), bad);
  CHECK_STATUS(edgeai_compress_state_bytes(model, &defaults, NULL, &error), bad);
  char *state = calloc(1, state_bytes), *kept = calloc(1, state_bytes);
  TRY(model, (options.state = state, options.state_bytes = state_bytes - 1), two_samples, NULL, bad);
  /* Stopped, and gone on. */
  TRY(model, (options.state = state, options.state_bytes = state_bytes, options.progress = cancels_in, options.progress_context = layers),
      two_samples, NULL, EDGEAI_ERROR_CANCELLED);
  CHECK(memcmp(state, kept, state_bytes) != 0);
  made_levels = 0;
  TRY(model, (options.state = state, options.state_bytes = state_bytes, options.progress = counts_levels), two_samples, NULL, EDGEAI_OK);
  CHECK(made_levels == 0);
  TRY(model, (options.state = state, options.state_bytes = state_bytes), two_samples, NULL, EDGEAI_OK);
  TRY(model, (options.progress = counts_levels), two_samples, NULL, EDGEAI_OK);
  CHECK(made_levels > 0);
  memcpy(kept, state, state_bytes);
  TRY(model, (options.state = state, options.state_bytes = state_bytes, options.scan_samples = 3), two_samples, NULL, bad);
  for (size_t place = 1; place < 60; place += 3) {
    state[place] ^= 1;
    TRY(model, (options.state = state, options.state_bytes = state_bytes), two_samples, NULL, bad);
    state[place] ^= 1;
  }
  CHECK(memcmp(state, kept, state_bytes) == 0);
  free(kept);
  free(state);
  edgeai_compress_options_init(NULL, 8);
  try_stages(model);

  edgeai_model_destroy(model);
  free(sample);
  return check_result("search_misuse");
}
