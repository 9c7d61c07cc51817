/* edgeai_compress.h - make a network small: int8 quantization after training, fewer channels, and reports on what it
 * cost.
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

/* ---- Channel pruning ----------------------------------------------------------------------------------- */

/* What says how much a channel matters. Each is taken relative to the mean of its layer, and the mean over the layers
 * that a channel goes through. */
#define EDGEAI_CHANNELS_L1 0          /* sum of magnitudes of the weights that make it (Li et al. 2017) */
#define EDGEAI_CHANNELS_L2 1          /* root of the sum of their squares */
#define EDGEAI_CHANNELS_SCALE 2       /* magnitude of the factor of batch normalization (Liu et al. 2017) or of another
                                       * multiplication by constants of channels; L1 for channels that meet none. Reading
                                       * a model folds a batch normalization into the layer before it where it can */
#define EDGEAI_CHANNELS_ACTIVATION 3  /* mean magnitude of the channel on data (compare Hu et al. 2016) */

/* A share of the channels of one layer. */
typedef struct edgeai_layer_fraction {
  const char *name;  /* of the operator, or the beginning of names followed by '*' */
  float fraction;    /* 0 up to 1 */
  int32_t reserved;
} edgeai_layer_fraction;

/* Output channels of one layer. */
typedef struct edgeai_layer_channels {
  const char *name;          /* of the operator */
  const uint32_t *channels;  /* indices */
  size_t channel_count;
} edgeai_layer_channels;

typedef struct edgeai_prune_channels_options {
  uint32_t struct_size;
  int32_t criterion;  /* EDGEAI_CHANNELS_*; default L1 */
  int32_t global;     /* 1: `fraction` is one of all channels together, so that layers that matter less lose more;
                       * 0 (default): of each layer's */
  int32_t masked;     /* 1: the result keeps its shapes and has zeros where channels would go; default 0 */
  float fraction;     /* share of the channels that go, 0 up to 1; default 0.3 */
  uint32_t minimum;   /* no layer keeps fewer; default 1 */
  uint32_t multiple;  /* a layer keeps a multiple of this, or all: 8 or 16 keep the kernels' registers full; default 1 */
  int32_t reserved;
  const edgeai_layer_fraction *layers;    /* optional: shares of single layers instead; the first that fits holds */
  size_t layer_count;
  const edgeai_layer_channels *channels;  /* optional: exactly these channels go, with all that depend on them;
                                           * everything above but `masked` is ignored */
  size_t channels_count;
} edgeai_prune_channels_options;

/* Defaults: edgeai_prune_channels_options_init(&options, sizeof options). Does nothing for NULL or a size that is too
 * small. Since 0.1. */
EDGEAI_API void edgeai_prune_channels_options_init(edgeai_prune_channels_options *options, size_t struct_size);

/* Which channels stayed. */
typedef struct edgeai_channel_report edgeai_channel_report;

/* Makes a float model with fewer channels: they go from the layer that makes them, from everything they pass and from
 * the weights that read them. Channels that additions, products, concatenations, groups or shuffles tie together go
 * together. The result computes exactly what the old model does with zeros for the weights and biases that make those
 * channels and for constants added along them (`masked` gives that model), but for the rounding of sums that a kernel
 * may take in another order. Channels stay where such a zero would not stay zero up to the layer that reads it, as behind
 * a sigmoid, and where an operator needs all; the report says why. Inputs and outputs keep their shapes.
 *
 * data, context: samples for EDGEAI_CHANNELS_ACTIVATION, as for edgeai_compare; NULL otherwise. report: optional.
 * options: optional. Memory: the new model and the report, and while it works a label for each channel of each tensor.
 * Errors: INVALID_ARGUMENT (an option, a name that no layer has, a chosen channel that cannot go, no data),
 * UNSUPPORTED_FEATURE (the model is quantized), SHAPE_MISMATCH (a span), CANCELLED, OUT_OF_MEMORY. Since 0.1. */
EDGEAI_API edgeai_status edgeai_prune_channels(const edgeai_model *model, const edgeai_prune_channels_options *options,
                                               edgeai_data_fn data, void *context, edgeai_model **pruned,
                                               edgeai_channel_report **report, edgeai_error *error);

typedef struct edgeai_channel_layer_info {
  uint32_t struct_size;
  uint32_t before;       /* output channels of the layer in the old model */
  uint32_t after;
  uint32_t fixed;        /* of the old ones, how many could not have gone */
  const char *name;      /* of the operator */
  const char *reason;    /* why the first of those could not, or "" */
  const uint32_t *kept;  /* `after` indices of the old channels that stay, ascending */
} edgeai_channel_layer_info;

/* Convolutions, transposed convolutions and dense layers in the order of the old model. What `info` points to lives as
 * long as the report. Since 0.1. */
EDGEAI_API size_t edgeai_channel_report_layer_count(const edgeai_channel_report *report);
EDGEAI_API edgeai_status edgeai_channel_report_layer(const edgeai_channel_report *report, size_t index,
                                                     edgeai_channel_layer_info *info, edgeai_error *error);
EDGEAI_API void edgeai_channel_report_destroy(edgeai_channel_report *report);

#ifdef __cplusplus
}
#endif
#endif
