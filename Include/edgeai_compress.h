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

/* The range of a tensor's values. */
typedef struct edgeai_tensor_range {
  const char *tensor;
  float min, max;
} edgeai_tensor_range;

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
  const edgeai_tensor_range *ranges;  /* ranges that are known, as edgeai_trainer_range gives them, in place of those that the
                               * calibrator finds; widened to contain 0; the last of a tensor counts; copied */
  size_t range_count;
} edgeai_quantize_options;

/* Defaults: edgeai_quantize_options_init(&options, sizeof options). Does nothing for NULL or a size that is too
 * small. Since 0.1. */
EDGEAI_API void edgeai_quantize_options_init(edgeai_quantize_options *options, size_t struct_size);

/* What has been learnt about the activations of a model. */
typedef struct edgeai_calibration edgeai_calibration;

/* options: optional. Memory: a session of batch 1 whose results all stay readable, and the statistics.
 * Errors: INVALID_ARGUMENT (an option, a name in float_names that the model does not have, a range that is not finite or
 * not of one float32 tensor that the model reads or computes: of none, or of several of that name), UNSUPPORTED_FEATURE (the model is
 * quantized already), OUT_OF_MEMORY. Since 0.1. */
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
 * common by name and for the outputs, how far `other` is from `model`. Each runs with its deployed kernels. A number that is not
 * finite in one of them alone, or in another way in each, is an infinite error of its result: an SQNR of -inf, a cosine of 0.
 * Memory: the report, and while it works sessions of both.
 * Errors: SHAPE_MISMATCH (the models do not match, or a span does not), INVALID_ARGUMENT (no data), CANCELLED.
 * Since 0.1. */
EDGEAI_API edgeai_status edgeai_compare(const edgeai_model *model, const edgeai_model *other, edgeai_data_fn data, void *context,
                                        edgeai_report **report, edgeai_error *error);

/* ---- Pruning ------------------------------------------------------------------------------------------- */

/* A number for a layer: its name, or the beginning of names followed by '*'. */
typedef struct edgeai_layer_value {
  const char *name;
  double value;
} edgeai_layer_value;

/* What pruning one layer alone does to the outputs; see edgeai_sensitivity. */
typedef struct edgeai_sensitivity_row {
  const char *layer;     /* name of the operator */
  double fraction;       /* share of the layer's weights that was to go */
  double noise;          /* power of the worst output's error, relative to the output's own: 1 / SQNR; 0 when equal, the
                          * greatest double for an infinite error */
  uint64_t weights;      /* of the layer */
  uint64_t kept;         /* those of them that are not zero afterwards; -0 is zero */
  uint64_t same_top1;    /* samples for which the first output that is a vector ranks the same element first; all of them
                          * when no output is one */
  uint64_t samples;
} edgeai_sensitivity_row;

#define EDGEAI_PRUNE_LAYERWISE 0 /* the share `amount` of the weights of each layer */
#define EDGEAI_PRUNE_GLOBAL 1    /* of all layers together, scores divided by their mean in the layer */
#define EDGEAI_PRUNE_THRESHOLD 2 /* weights below `amount` standard deviations of the layer (Han et al. 2015) */
#define EDGEAI_PRUNE_PATTERN 3   /* all but `pattern_kept` of each `pattern_group` neighbouring input channels (N:M) */

#define EDGEAI_REPAIR_NONE 0
#define EDGEAI_REPAIR_BIAS 1          /* the bias takes the mean of the error */
#define EDGEAI_REPAIR_LEAST_SQUARES 2 /* weights are chosen by w^2 times the variance of their input, to which `damping`
                                       * adds; those that stay are fitted again so that the layer computes what it computed before
                                       * (layer-wise least squares, as in Hassibi and Stork 1993), and the bias */

typedef struct edgeai_prune_options {
  uint32_t struct_size;
  int32_t method;              /* EDGEAI_PRUNE_*; default LAYERWISE */
  double amount;               /* 0 to 1, with THRESHOLD any finite number that is not negative; default 0.5 */
  int32_t block_rows;          /* weights go in blocks of so many output channels */
  int32_t block_columns;       /* and input channels, inside one tap of the kernel; default 1 x 1; smaller at the edges */
  int32_t norm;                /* a block's score: the mean of |w| (1) or of w^2 (2); default 2 */
  int32_t pattern_kept;        /* default 2 */
  int32_t pattern_group;       /* default 4 */
  int32_t include_depthwise;   /* 1: also depthwise layers, which have few weights on which much depends; default 0 */
  int32_t include_first;       /* 1: also layers that inputs reach through no other with weights; default 0 */
  int32_t repair;              /* EDGEAI_REPAIR_*, if there are data; default LEAST_SQUARES */
  int32_t rounds;              /* weights go and the rest is fitted again in so many steps, 1 to 100; default 4 */
  int32_t windows;             /* of each sample that a convolution is fitted on, at most; default 256 */
  int32_t sequential;          /* 1: layers also make up for the errors of those before them, which needs data and a repair; the
                                * samples run anew for each layer, and more of them are needed; default 0 */
  int32_t threads;             /* default 1 */
  int32_t report_samples;      /* the report measures the first so many samples; default 8 */
  int32_t reserved;
  double damping;              /* hold on the weights there were: so many times the mean variance of a layer's inputs is added
                                * to each variance, above 0; default 0.1 */
  const char *const *names;    /* the layers to prune, also with '*'; default all but the two kinds above. A layer named in
                                * full here or in `layers` is pruned whatever its kind */
  size_t name_count;
  const edgeai_layer_value *layers; /* amounts of their own, the last that fits counts; 0 leaves a layer as it is */
  size_t layer_count;
  const edgeai_sensitivity_row *sensitivity; /* LAYERWISE: the share `amount` of all weights goes, so that by these figures
                                * all layers lose alike; none loses more than was measured. Of a row, `layer`, `fraction` and
                                * `noise` are read */
  size_t sensitivity_count;
  edgeai_progress_fn progress; /* optional */
  void *progress_context;
} edgeai_prune_options;

/* Defaults, as edgeai_quantize_options_init. Since 0.1. */
EDGEAI_API void edgeai_prune_options_init(edgeai_prune_options *options, size_t struct_size);

/* Makes a model of which weights of convolutions and dense layers are zero: shapes, operators and names stay, and the zeros
 * are ordinary numbers, which coding and kernels make use of. options: optional. data: optional; with it, what is left is
 * repaired, and the report is measured. All samples are read once and copied. report: optional.
 * Memory: the new model, the samples, sessions of both models, and for repair the statistics of some layers: 512 MB, or those of
 * one layer, 16 bytes for each pair of 2304 columns at most that stand together.
 * Errors: INVALID_ARGUMENT (an option, a name that no float32 layer has, options that leave out all layers, sensitivities that do
 * not reach `amount`, a sample that is not finite), UNSUPPORTED_FEATURE (no layer has float32 weights, as in an int8 model),
 * INVALID_GRAPH (weights to change that are not finite), SHAPE_MISMATCH (a span), CANCELLED, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 * Since 0.1. */
EDGEAI_API edgeai_status edgeai_prune(const edgeai_model *model, const edgeai_prune_options *options, edgeai_data_fn data,
                                      void *context, edgeai_model **pruned, edgeai_report **report, edgeai_error *error);

/* Takes what was measured of one layer and share; the row and its name are valid during the call. A result other than 0
 * stops with EDGEAI_ERROR_CANCELLED. */
typedef int32_t (*edgeai_sensitivity_fn)(void *context, const edgeai_sensitivity_row *row);

/* Prunes each layer that the options choose alone, by each of the shares, and measures the outputs on all samples. Of the
 * options, `method`, `amount`, `layers`, `sensitivity` and those of repair are not read.
 * Memory: the samples, the outputs for them, two sessions. Errors: as edgeai_prune. Since 0.1. */
EDGEAI_API edgeai_status edgeai_sensitivity(const edgeai_model *model, const edgeai_prune_options *options, const double *fractions,
                                            size_t fraction_count, edgeai_data_fn data, void *context, edgeai_sensitivity_fn row,
                                            void *row_context, edgeai_error *error);

/* The share of weights to remove after a step of gradual pruning: target + (initial - target)(1 - step / steps)^3 (Zhu and
 * Gupta 2017); the target from `steps` on. Since 0.1. */
EDGEAI_API double edgeai_prune_schedule(double initial, double target, uint64_t step, uint64_t steps);

/* ---- Low rank ------------------------------------------------------------------------------------------ */

#define EDGEAI_RANK_ERROR 0  /* the least rank whose error is at most `amount`: of the weights |W - W'| / |W|; with data, of the
                              * layer's result about its mean */
#define EDGEAI_RANK_ENERGY 1 /* the least rank that keeps the share `amount` of the energy: 1 - error^2 */
#define EDGEAI_RANK_COUNT 2  /* the rank `amount` itself */

typedef struct edgeai_factorize_options {
  uint32_t struct_size;
  int32_t rank;                /* EDGEAI_RANK_*; default ERROR */
  double amount;               /* default 0.1 */
  int32_t spatial;             /* 1 (default): kernels of k x k become k x 1 and 1 x k; 0: k x k with fewer results, and 1 x 1 */
  int32_t windows;             /* of each sample that errors of a convolution are measured on, at most; default 256 */
  int32_t threads;             /* default 1 */
  int32_t report_samples;      /* the report measures the first so many samples; default 8 */
  const char *const *names;    /* the layers to factorize, also with '*'; default all */
  size_t name_count;
  const edgeai_layer_value *layers; /* amounts of their own, the last that fits counts; 0 leaves a layer as it is */
  size_t layer_count;
  edgeai_progress_fn progress; /* optional */
  void *progress_context;
} edgeai_factorize_options;

/* Defaults, as edgeai_quantize_options_init. Since 0.1. */
EDGEAI_API void edgeai_factorize_options_init(edgeai_factorize_options *options, size_t struct_size);

/* Makes a model in which dense layers and convolutions without groups are two layers with fewer weights together, where that
 * saves: of m x n weights the rank c with c (m + n) < m n. Dense layers and 1x1 convolutions by singular values (runtime layer
 * compression, reconstructed from Lane et al. 2016), with data those of the layer's result; k x k kernels as k x 1 and 1 x k
 * (spatial SVD, Jaderberg et al. 2014). The second layer has the operator's name, result, bias, activation and residual; the
 * first is called NAME/factor, or NAME/factor/2 and so on where an operator has that name. options, data and report as for
 * edgeai_prune.
 * Memory: the new model, the samples, a session, and of each layer some square matrices. A layer whose smaller side is s takes
 * a time that grows with s^3: 4096 is some minutes.
 * Errors: as edgeai_prune. Since 0.1. */
EDGEAI_API edgeai_status edgeai_factorize(const edgeai_model *model, const edgeai_factorize_options *options, edgeai_data_fn data,
                                          void *context, edgeai_model **factorized, edgeai_report **report, edgeai_error *error);

/* ---- Sharing and binary weights ------------------------------------------------------------------------ */

#define EDGEAI_SHARE_LINEAR 0  /* clusters begin evenly between the least and the greatest weight (Han, Mao, Dally 2016) */
#define EDGEAI_SHARE_DENSITY 1 /* with as many weights each */
#define EDGEAI_SHARE_RANDOM 2  /* at weights drawn by `seed` */

typedef struct edgeai_share_options {
  uint32_t struct_size;
  int32_t bits;                /* a layer has at most 2^bits different weights, 1 to 8, zero among them if it has zeros; default 5 */
  int32_t start;               /* EDGEAI_SHARE_*; default LINEAR */
  int32_t iterations;          /* of k-means, at most; default 100 */
  uint64_t seed;               /* default 0 */
  int32_t windows;             /* of each sample that a convolution's inputs are measured on, at most; default 256 */
  int32_t threads;             /* for running the model; default 1 */
  int32_t report_samples;      /* the report measures the first so many samples; default 8 */
  int32_t reserved;
  const char *const *names;    /* the layers to share, also with '*'; default all */
  size_t name_count;
  const edgeai_layer_value *layers; /* bits of their own, the last that fits counts; 0 leaves a layer as it is */
  size_t layer_count;
  edgeai_progress_fn progress; /* optional */
  void *progress_context;
} edgeai_share_options;

/* Defaults, as edgeai_quantize_options_init. Since 0.1. */
EDGEAI_API void edgeai_share_options_init(edgeai_share_options *options, size_t struct_size);

/* Makes a model whose layers have few different weights, by k-means of each layer's weights; zeros stay zeros, and the weights
 * stay float32. options: optional. data: optional; with it a weight counts as much as its input varies, biases take the mean of
 * the error, and the report is measured. All samples are read once and copied. report: optional.
 * Memory: the new model, the samples, a session, statistics up to 512 MB, and twice the weights of a layer.
 * Errors: as edgeai_prune. Since 0.1. */
EDGEAI_API edgeai_status edgeai_share(const edgeai_model *model, const edgeai_share_options *options, edgeai_data_fn data,
                                      void *context, edgeai_model **shared, edgeai_report **report, edgeai_error *error);

#define EDGEAI_BINARIZE_BINARY 0  /* -a and a for each filter, a the mean of its magnitudes (BWN, Rastegari et al. 2016) */
#define EDGEAI_BINARIZE_TERNARY 1 /* -a, 0 and a: weights above `threshold` times the mean magnitude stay, a is the mean of their
                                   * magnitudes (Li et al. 2016, "Ternary weight networks") */

typedef struct edgeai_binarize_options {
  uint32_t struct_size;
  int32_t values;              /* EDGEAI_BINARIZE_*; default BINARY */
  double threshold;            /* default 0.7 */
  int32_t include_first;       /* 1: also layers that inputs reach through no other with weights; default 0 */
  int32_t include_last;        /* 1: also layers that reach outputs through no other; default 0 */
  int32_t include_depthwise;   /* 1: also depthwise layers; default 0 */
  int32_t windows;             /* of each sample that a convolution's inputs are measured on, at most; default 256 */
  int32_t threads;             /* default 1 */
  int32_t report_samples;      /* default 8 */
  const char *const *names;    /* the layers to change, also with '*'; default all but the three kinds above. A layer named in
                                * full is changed whatever its kind */
  size_t name_count;
  edgeai_progress_fn progress; /* optional */
  void *progress_context;
} edgeai_binarize_options;

/* Defaults, as edgeai_quantize_options_init. Since 0.1. */
EDGEAI_API void edgeai_binarize_options_init(edgeai_binarize_options *options, size_t struct_size);

/* Makes a model with binary or ternary weights, as float32 numbers. data: optional; with it biases take the mean of the error,
 * and the report is measured. The rest, memory and errors are as for edgeai_share. Since 0.1. */
EDGEAI_API edgeai_status edgeai_binarize(const edgeai_model *model, const edgeai_binarize_options *options, edgeai_data_fn data,
                                         void *context, edgeai_model **binarized, edgeai_report **report, edgeai_error *error);

/* ---- Weights on a grid ---------------------------------------------------------------------------------- */

#define EDGEAI_GOAL_PRICE 0 /* `amount` is the price: the share of its result's power that a layer may lose in errors for each bit
                             * saved, times the number of weights that are not zero */
#define EDGEAI_GOAL_BITS 1  /* at most so many bits for a weight on average, biases included, as estimated */
#define EDGEAI_GOAL_NOISE 2 /* the greatest price at which the power of the outputs' error, relative to their own, is at most
                             * `amount`; needs data. 0.001 is 30 dB */

typedef struct edgeai_quantize_weights_options {
  uint32_t struct_size;
  int32_t goal;                /* EDGEAI_GOAL_*; default PRICE */
  double amount;               /* above 0; default 0.002 */
  double damping;              /* so many times the mean variance of a layer's inputs is added to each, above 0; default 0.01 */
  int32_t keep_zeros;          /* 1 (default): weights that are zero stay zero */
  int32_t biases;              /* 1 (default): biases are put on grids too */
  int32_t sensitivity_samples; /* each layer is rounded alone first, to see what its errors do to the outputs on so many samples;
                                * 0 counts all layers the same; default 16 */
  int32_t windows;             /* of each sample that a convolution's inputs are measured on, at most; default 256 */
  int32_t threads;             /* default 1 */
  int32_t report_samples;      /* default 8 */
  const char *const *names;    /* the layers to round, also with '*'; default all */
  size_t name_count;
  const edgeai_layer_value *layers; /* prices of their own, times the common one; 0 leaves a layer as it is */
  size_t layer_count;
  edgeai_progress_fn progress; /* optional */
  void *progress_context;
} edgeai_quantize_weights_options;

/* Defaults, as edgeai_quantize_options_init. Since 0.1. */
EDGEAI_API void edgeai_quantize_weights_options_init(edgeai_quantize_weights_options *options, size_t struct_size);

/* Makes a model whose weights are whole numbers times a step, one step for each layer, as float32 numbers that a coder stores in
 * few bits: each is chosen for the least of error + price * bits (rate-distortion quantization), where bits are those of a
 * context-adaptive coder, estimated. Magnitudes of the whole numbers are at most 1023, a bias's 32767. data: optional; with it
 * the error is that of the layer's result: weights make up for the errors of those before them (as in Frantar et al. 2023,
 * "GPTQ"), biases take the mean, and layers whose errors the outputs feel more are rounded less. report: optional.
 * Memory: the new model, the samples, sessions of both, statistics up to 512 MB, and for each layer a matrix of moments of its
 * inputs. Errors: as edgeai_share; INVALID_ARGUMENT also where no price meets the goal. Since 0.1. */
EDGEAI_API edgeai_status edgeai_quantize_weights(const edgeai_model *model, const edgeai_quantize_weights_options *options,
                                                 edgeai_data_fn data, void *context, edgeai_model **quantized,
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
  int32_t scan_samples;          /* so many of the judging samples measure the noise of single layers; default 8 */
  int32_t threads;               /* for running models; default 1 */
  void *state;                   /* optional: state_bytes of memory, zeroed before the first call. Holds what was made and measured,
                                  * whenever progress is told and also after an error: the same call with it goes on from there,
                                  * with another target too. What is behind is zeros, which a file need not hold */
  size_t state_bytes;            /* as edgeai_compress_state_bytes says */
  edgeai_progress_fn progress;   /* optional */
  void *progress_context;
} edgeai_compress_options;

/* Defaults: edgeai_compress_options_init(&options, sizeof options). Does nothing for NULL or a size that is too small.
 * Since 0.1. */
EDGEAI_API void edgeai_compress_options_init(edgeai_compress_options *options, size_t struct_size);

/* How much memory the state of a search takes: twice the weights as float32, and a little for each layer. Levels that do not fit are
 * made again by a call that goes on; those of GRID fill some four fifths. Errors: INVALID_ARGUMENT (an option). Since 0.1. */
EDGEAI_API edgeai_status edgeai_compress_state_bytes(const edgeai_model *model, const edgeai_compress_options *options, size_t *bytes,
                                                     edgeai_error *error);

/* Compresses every layer as hard as a budget asks and its part in the result allows. Weights are fitted to every second sample,
 * from the first on; the others measure and judge, because fitted weights look better on the samples they were fitted to. A quality
 * function that looks at samples should look at these others, or at data of its own. Exactly one target must be set:
 * bytes and nanoseconds are reached with the least noise in the outputs, max_drop with the smallest file (GRID) or the shortest
 * run (BLOCKS). The noise of each layer at each level is measured alone, on the samples; one price for noise then decides for all
 * layers (Shoham and Gersho 1988), and whole models are judged as they are: real bytes, measured time, quality. With BLOCKS the
 * chosen shares are at last removed once more, each layer fitted to make up for those before it, and the result is that model
 * where it keeps to the target and its outputs are nearer.
 * The result does not depend on the old model. report: optional; its stages are the original and the result.
 * With target_nanoseconds, or BLOCKS, results depend on measured times; else the same call gives the same bytes.
 * Memory: a model for each level (14 with GRID, 7 with BLOCKS), the samples, a session of both; while levels are made, statistics
 * up to 512 MB and, with GRID, of one layer at a time its moments, with BLOCKS what edgeai_prune takes.
 * Errors: INVALID_ARGUMENT (an option, no data, a state of another search or a damaged one), MALFORMED_MODEL or TRUNCATED_MODEL (a
 * damaged state whose checksums are right), LIMIT_EXCEEDED (the target cannot be
 * reached; the message says what can), and those of edgeai_prune. Since 0.1. */
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
  double sqnr_db;                 /* 10 log10(sum x^2 / sum (x - y)^2); +inf when equal, -inf for an infinite error
                                   * (edgeai_compare), NaN when not measured */
  double cosine;                  /* sum xy / sqrt(sum x^2 sum y^2); NaN when not measured */
  uint64_t weights;               /* of a convolution or dense layer; 0 for other operators */
  uint64_t kept;                  /* weights of its counterpart that are not zero (-0 is zero, but counts as kept in a stage's row),
                                   * of all factors where it was factorized */
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
 * Errors: INVALID_ARGUMENT (an option, a name that no layer has, a chosen channel that cannot go, no data for the
 * criterion ACTIVATION), INVALID_GRAPH (weights that are not finite, except where `channels` says what goes),
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
  uint64_t kept;              /* weights that are not +0: a -0 costs bytes and counts, as it does not in edgeai_layer_info */
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
