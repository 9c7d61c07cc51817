/* edgeai_compress.h - make a network small: int8 quantization after training, pruning, sharing, factorizing and binarizing
 * of weights, searches within a budget, and reports on what it cost.
 *
 *     edgeai_quantize_options options;
 *     edgeai_quantize_options_init(&options, sizeof options);
 *     edgeai_calibration_create(model, &options, &calibration, &error);
 *     for (each batch of typical input) edgeai_calibration_feed(calibration, &span, 1, &error);
 *     edgeai_calibration_finish(calibration, &error);
 *     edgeai_quantize(calibration, &quantized, &report, &error);
 *     edgeai_model_save_file(quantized, "net.edgeai", &error);
 *
 * The rules at the top of edgeai.h hold. Everything here is deterministic: the same model, options and data give
 * the same bytes, with any number of threads.
 */
#ifndef EDGEAI_COMPRESS_H
#define EDGEAI_COMPRESS_H

#include "edgeai.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Told now and then during long work; a result other than 0 stops it with EDGEAI_ERROR_CANCELLED.
 * stage: what is going on, for people; done of total. Called by the thread that called the library, which must
 * not be entered again from it. */
typedef int32_t (*edgeai_progress_fn)(void *context, const char *stage, uint64_t done, uint64_t total);

/* Bytes that belong to the caller. */
typedef struct edgeai_span {
  const void *data;
  size_t bytes;
} edgeai_span;

/* ---- Calibration --------------------------------------------------------------------------------------- */

/* How the range of an activation follows from the values seen. All work on a stream in fixed memory. */
#define EDGEAI_CALIBRATOR_MIN_MAX 0         /* least and greatest value */
#define EDGEAI_CALIBRATOR_MOVING_AVERAGE 1  /* of each sample's least and greatest value */
#define EDGEAI_CALIBRATOR_PERCENTILE 2      /* leaves out the rarest values */
#define EDGEAI_CALIBRATOR_ENTROPY 3         /* least Kullback-Leibler divergence */
#define EDGEAI_CALIBRATOR_MSE 4             /* least mean squared error */

typedef struct edgeai_quantize_options {
  uint32_t struct_size;
  int32_t calibrator;         /* EDGEAI_CALIBRATOR_*; default MIN_MAX */
  int32_t per_channel;        /* 1 (default): weights have a scale for each output channel; 0: one scale */
  int32_t strict;             /* 1: an operator that would stay in float without being listed below is an error */
  int32_t threads;            /* for running the model; default 1 */
  int32_t report_samples;     /* the first samples, of which inputs are kept to measure every layer on; default 8;
                               * 0 measures nothing */
  float percentile;           /* PERCENTILE: share of the values inside the range, in percent; default 99.99 */
  float momentum;             /* MOVING_AVERAGE: weight of the past, 0 up to 1; default 0.9 */
  const char *const *float_names;  /* names of operators that stay in float; copied by edgeai_calibration_create */
  size_t float_name_count;
  const char *const *float_types;  /* the same by operator type, such as "Softmax" */
  size_t float_type_count;
  edgeai_progress_fn progress;     /* optional */
  void *progress_context;
} edgeai_quantize_options;

/* Defaults: edgeai_quantize_options_init(&options, sizeof options). Does nothing for NULL or a size that is too
 * small. Since 0.1. */
EDGEAI_API void edgeai_quantize_options_init(edgeai_quantize_options *options, size_t struct_size);

/* What has been learnt about the activations of a model. */
typedef struct edgeai_calibration edgeai_calibration;

/* options: optional. Memory: a session of batch 1 whose results all stay readable, and the statistics.
 * Errors: INVALID_ARGUMENT (an option, or a name in float_names that the model does not have), UNSUPPORTED_FEATURE
 * (the model is quantized already), OUT_OF_MEMORY. Since 0.1. */
EDGEAI_API edgeai_status edgeai_calibration_create(const edgeai_model *model, const edgeai_quantize_options *options,
                                                   edgeai_calibration **calibration, edgeai_error *error);

/* Runs the model on samples. inputs: one span for each input of the model, in order, each holding the same whole
 * number of samples (a sample: what the input's info gives as `bytes`, in its element type).
 * Errors: SHAPE_MISMATCH (count or sizes), INVALID_ARGUMENT (a value that is not finite; after finish), CANCELLED.
 * An error leaves earlier samples counted. Since 0.1. */
EDGEAI_API edgeai_status edgeai_calibration_feed(edgeai_calibration *calibration, const edgeai_span *inputs, size_t input_count,
                                                 edgeai_error *error);

/* Samples fed so far. Since 0.1. */
EDGEAI_API uint64_t edgeai_calibration_sample_count(const edgeai_calibration *calibration);

/* Fixes the ranges. INVALID_ARGUMENT without samples, or a second time. Since 0.1. */
EDGEAI_API edgeai_status edgeai_calibration_finish(edgeai_calibration *calibration, edgeai_error *error);

EDGEAI_API void edgeai_calibration_destroy(edgeai_calibration *calibration);

/* ---- Quantization -------------------------------------------------------------------------------------- */

/* What a compression did to every layer, or how far two models are apart. */
typedef struct edgeai_report edgeai_report;

/* Makes the int8 model of a finished calibration: uint8 activations, int8 weights, int32 biases; inputs and
 * outputs keep their element types. The new model does not depend on the old one. report: optional.
 * Memory: the new model, the report, and while it works sessions of both models.
 * Errors: INVALID_ARGUMENT (not finished), UNSUPPORTED_OPERATOR (strict), CANCELLED, OUT_OF_MEMORY. Since 0.1. */
EDGEAI_API edgeai_status edgeai_quantize(const edgeai_calibration *calibration, edgeai_model **quantized, edgeai_report **report,
                                         edgeai_error *error);

/* Gives the next samples: fills `inputs` (one span for each input, as for edgeai_calibration_feed; the memory
 * stays valid until the next call) and returns 1; 0 when there are no more; a negative number cancels.
 * index: 0, 1, 2, ... */
typedef int32_t (*edgeai_data_fn)(void *context, uint64_t index, edgeai_span *inputs, size_t input_count);

/* Runs two models with the same inputs and outputs side by side and measures, for every result they have in
 * common by name and for the outputs, how far `other` is from `model`. Each runs with its deployed kernels.
 * Memory: the report, and while it works sessions of both.
 * Errors: SHAPE_MISMATCH (the models do not match, or a span does not), INVALID_ARGUMENT (no data), CANCELLED.
 * Since 0.1. */
EDGEAI_API edgeai_status edgeai_compare(const edgeai_model *model, const edgeai_model *other, edgeai_data_fn data, void *context,
                                        edgeai_report **report, edgeai_error *error);

/* ---- Compression within a budget ----------------------------------------------------------------------- */

/* What a search may do to the weights of a layer. */
#define EDGEAI_COMPRESS_GRID 0    /* coarser numbers, as edgeai_quantize_weights: small files */
#define EDGEAI_COMPRESS_BLOCKS 1  /* fewer blocks of numbers, as edgeai_prune: files, and time where sparse kernels are faster */

/* How good a model is, in a unit of the caller's: larger is better. model is the library's and lives during the call. NaN
 * cancels. Called by the thread that called the library. */
typedef double (*edgeai_quality_fn)(void *context, const edgeai_model *model);

typedef struct edgeai_compress_options {
  uint32_t struct_size;
  int32_t method;                /* EDGEAI_COMPRESS_*; default GRID */
  uint64_t target_bytes;         /* the coded file has at most so many bytes; 0: no such target */
  uint64_t target_nanoseconds;   /* a run of one sample takes at most so long, on this machine, now; 0: no such target */
  double max_drop;               /* quality falls by at most so much; negative (default): no such target */
  edgeai_quality_fn quality;     /* optional. Without it: percent of the samples for which the greatest element of the first
                                  * vector output stays the same; where there is no such output, 100 (1 - error power / power) */
  void *quality_context;
  int32_t block_rows;            /* BLOCKS: output channels of a block; default 16 */
  int32_t block_columns;         /* BLOCKS: input channels of a block; default 1 */
  int32_t scan_samples;          /* so many of the first samples measure the noise of single layers; default 8 */
  int32_t threads;               /* for running models; default 1 */
  void *state;                   /* optional: state_bytes of memory, zeroed before the first call. Holds what was measured, also
                                  * after an error: the same call with it goes on from there */
  size_t state_bytes;            /* as edgeai_compress_state_bytes says */
  edgeai_progress_fn progress;   /* optional */
  void *progress_context;
} edgeai_compress_options;

/* Defaults: edgeai_compress_options_init(&options, sizeof options). Does nothing for NULL or a size that is too small.
 * Since 0.1. */
EDGEAI_API void edgeai_compress_options_init(edgeai_compress_options *options, size_t struct_size);

/* How much memory the state of a search takes. Errors: INVALID_ARGUMENT (an option). Since 0.1. */
EDGEAI_API edgeai_status edgeai_compress_state_bytes(const edgeai_model *model, const edgeai_compress_options *options, size_t *bytes,
                                                     edgeai_error *error);

/* Compresses every layer as hard as a budget asks and its part in the result allows. Exactly one target must be set:
 * bytes and nanoseconds are reached with the least noise in the outputs, max_drop with the smallest file (GRID) or the shortest
 * run (BLOCKS). The noise of each layer at each level is measured alone, on the samples; one price for noise then decides for all
 * layers (Shoham and Gersho 1988), and whole models are judged as they are: real bytes, measured time, quality on all samples.
 * The result does not depend on the old model. report: optional; its stages are the original and the result.
 * With target_nanoseconds, or BLOCKS, results depend on measured times; else the same call gives the same bytes.
 * Memory: a model for each level (9 with GRID, 7 with BLOCKS), the samples, a session of both.
 * Errors: INVALID_ARGUMENT (an option, no data, a state of another search), SHAPE_MISMATCH, LIMIT_EXCEEDED (the target cannot be
 * reached; the message says what can), CANCELLED, OUT_OF_MEMORY. Since 0.1. */
EDGEAI_API edgeai_status edgeai_compress(const edgeai_model *model, const edgeai_compress_options *options, edgeai_data_fn data,
                                         void *context, edgeai_model **compressed, edgeai_report **report, edgeai_error *error);

/* ---- Report -------------------------------------------------------------------------------------------- */

typedef struct edgeai_report_info {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t layer_count;
  uint64_t float_layer_count;   /* layers with a reason for staying in float */
  uint64_t samples;             /* measured on */
  uint64_t bytes_before;        /* of the `.edgeai` file of each model */
  uint64_t bytes_after;
  double output_sqnr_db;        /* the worst output; NaN when nothing was measured */
  double output_cosine;
} edgeai_report_info;

EDGEAI_API edgeai_status edgeai_report_describe(const edgeai_report *report, edgeai_report_info *info, edgeai_error *error);

typedef struct edgeai_layer_info {
  uint32_t struct_size;
  int32_t dtype;                  /* it computes in: EDGEAI_DTYPE_* of the result */
  const char *name;               /* of the operator */
  const char *op;                 /* its type */
  const char *tensor;             /* the result measured */
  const char *reason;             /* why it stayed in float, or "" */
  int64_t dims[EDGEAI_MAX_RANK];  /* shape of the result */
  int32_t rank;
  int32_t measured;               /* 1: sqnr_db and cosine hold figures */
  uint64_t bytes_before;          /* of its constants */
  uint64_t bytes_after;
  double sqnr_db;                 /* 10 log10(sum x^2 / sum (x - y)^2); +inf when equal, NaN when not measured */
  double cosine;                  /* sum xy / sqrt(sum x^2 sum y^2); NaN when not measured */
} edgeai_layer_info;

/* Layers in the order of the model. */
EDGEAI_API size_t edgeai_report_layer_count(const edgeai_report *report);
EDGEAI_API edgeai_status edgeai_report_layer(const edgeai_report *report, size_t index, edgeai_layer_info *info,
                                             edgeai_error *error);

/* The whole report as one JSON object. Writes at most `capacity` bytes, the last one zero (buffer may be NULL when
 * capacity is 0); length: optional, bytes of the whole text without the zero. Figures that are not finite are null.
 * Memory: the text, during the call. Since 0.1. */
EDGEAI_API edgeai_status edgeai_report_write_json(const edgeai_report *report, char *buffer, size_t capacity, size_t *length,
                                                  edgeai_error *error);

EDGEAI_API void edgeai_report_destroy(edgeai_report *report);

/* ---- Stages of a report -------------------------------------------------------------------------------- */

/* Follows a model through stages of compression, each made from the one before by one of the functions above. The report compares
 * the last stage with the original, layer by layer, and holds what every stage left of each layer with weights.
 * models, names: stage_count of each, at least one. data: samples that errors are measured on.
 * Errors: those of edgeai_compare. Since 0.1. */
EDGEAI_API edgeai_status edgeai_report_stages(const edgeai_model *original, const edgeai_model *const *models, const char *const *names,
                                              size_t stage_count, edgeai_data_fn data, void *context, edgeai_report **report,
                                              edgeai_error *error);

typedef struct edgeai_stage_info {
  uint32_t struct_size;
  uint32_t reserved;
  const char *name;           /* stage 0 is "original" */
  uint64_t file_bytes;        /* of the file with adaptive coding */
  uint64_t nanoseconds;       /* the least time of a run of one sample, measured here; 0 in a build without a clock */
} edgeai_stage_info;

/* 0 for a report without stages. */
EDGEAI_API size_t edgeai_report_stage_count(const edgeai_report *report);
EDGEAI_API edgeai_status edgeai_report_stage(const edgeai_report *report, size_t stage, edgeai_stage_info *info, edgeai_error *error);

typedef struct edgeai_stage_layer_info {
  uint32_t struct_size;
  uint32_t measured;          /* 1: sqnr_db holds a figure */
  const char *name;           /* of the operator in the original */
  uint64_t weights;
  uint64_t kept;              /* weights that are not 0 */
  uint64_t bits;              /* that tell the weights' values apart: 0 to 12, or 32 for more than 4096 values */
  uint64_t bytes;             /* the weights' part of the coded file */
  uint64_t nanoseconds;
  double sqnr_db;             /* of its result against the original's */
} edgeai_stage_layer_info;

/* Layers with float weights of the original, in its order. */
EDGEAI_API size_t edgeai_report_stage_layer_count(const edgeai_report *report);
EDGEAI_API edgeai_status edgeai_report_stage_layer(const edgeai_report *report, size_t stage, size_t layer,
                                                   edgeai_stage_layer_info *info, edgeai_error *error);

#ifdef __cplusplus
}
#endif
#endif
