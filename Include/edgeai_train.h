/* edgeai_train.h - networks to train, and training them: for accuracy, and so that they can be made small.
 *
 *     edgeai_architecture_options network;
 *     edgeai_architecture_options_init(&network, sizeof network);
 *     network.architecture = EDGEAI_ARCHITECTURE_LENET_5;
 *     edgeai_model_create(&network, &model, &error);
 *     edgeai_trainer_create(model, NULL, &trainer, &error);
 *     for (each batch) edgeai_trainer_step_labels(trainer, &images, 1, labels, 64, &metrics, &error);
 *     edgeai_trainer_export(trainer, EDGEAI_EXPORT_INFERENCE, &trained, &error);
 *     edgeai_model_save_file(trained, "net.edgeai", &error);
 *
 * The rules at the top of edgeai.h hold.
 */
#ifndef EDGEAI_TRAIN_H
#define EDGEAI_TRAIN_H

#include "edgeai_compress.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Architectures ------------------------------------------------------------------------------------- */

/* Published networks, with the input they are made for unless the options say otherwise ([N, height, width, channels], or [N,
 * numbers]) and their classes. */
#define EDGEAI_ARCHITECTURE_LENET_300_100 0   /* [N, 784], 10: dense layers of 300, 100 (LeCun et al. 1998) */
#define EDGEAI_ARCHITECTURE_LENET_5 1         /* [N, 28, 28, 1], 10: Caffe's, 20-50-500 */
#define EDGEAI_ARCHITECTURE_MLP 2             /* dense layers of `widths` with ReLU between them */
#define EDGEAI_ARCHITECTURE_MOBILENET_V1 3    /* [N, 224, 224, 3], 1000 (arXiv 1704.04861) */
#define EDGEAI_ARCHITECTURE_SQUEEZENET_1_0 4  /* [N, 224, 224, 3], 1000 (arXiv 1602.07360) */
#define EDGEAI_ARCHITECTURE_SQUEEZENET_1_1 5  /* its authors' later version, with 0.43 times the multiply-adds */
#define EDGEAI_ARCHITECTURE_RESNET_8 6        /* [N, 32, 32, 3], 10: MLPerf Tiny's image classifier (arXiv 2106.07597) */
#define EDGEAI_ARCHITECTURE_RESNET_20 7       /* [N, 32, 32, 3], 10 (arXiv 1512.03385) */
#define EDGEAI_ARCHITECTURE_DS_CNN 8          /* [N, 49, 10, 1], 12: MLPerf Tiny's keyword spotter (arXiv 1711.07128) */
#define EDGEAI_ARCHITECTURE_BINARY_MLP 9      /* dense layers of `widths`; all but the first and the last one take signs
                                               * (arXiv 1602.02830, 1603.05279) */
#define EDGEAI_ARCHITECTURE_BINARY_LENET_5 10 /* [N, 28, 28, 1], 10: LeNet-5 whose conv2 and ip1 take signs */

/* Which network, and in which size. 0 stands for what the publication has. An option that the network does not have must keep
 * its default. */
typedef struct edgeai_architecture_options {
  uint32_t struct_size;
  int32_t architecture;    /* EDGEAI_ARCHITECTURE_*; default LENET_300_100 */
  uint64_t seed;           /* of the weights; default 0 */
  float width;             /* MOBILENET_V1: factor of the numbers of channels, above 0 up to 16; 8 channels at least; default 1 */
  float gamma;             /* networks with batch normalization: what its scales begin with; default 1 */
  int32_t resolution;      /* height and width of the images, up to 8192; not LENET_300_100, DS_CNN and the MLPs */
  int32_t channels;        /* of the images, up to 8192; not LENET_300_100, DS_CNN and the MLPs */
  int32_t classes;         /* up to 2^20; not the MLPs, whose last width it is */
  int32_t batch_norm;      /* MLP: 1 puts batch normalization before each ReLU, in place of biases */
  int32_t bypass;          /* SQUEEZENET_*: 1 adds around every second fire module ("simple bypass") */
  int32_t reserved;
  const uint32_t *widths;  /* the MLPs: inputs, hidden layers, classes; BINARY_MLP: at least four. The LeNet-5s: conv1, conv2, ip1;
                            * NULL is 20, 50, 500. Each 1 to 2^20 */
  size_t width_count;      /* at most 256 */
  const edgeai_allocator *allocator;  /* optional, as in edgeai_model_options */
  edgeai_log_fn log;                  /* optional */
  void *log_context;
} edgeai_architecture_options;

/* Defaults: edgeai_architecture_options_init(&options, sizeof options). Does nothing for NULL or a size that is too small.
 * Since 0.1. */
EDGEAI_API void edgeai_architecture_options_init(edgeai_architecture_options *options, size_t struct_size);

/* Makes a network with new weights: its input is "input", its output "logits", the scores of the classes before any softmax.
 * Weights are uniform, of variance 2 / inputs where a ReLU follows (He et al. 2015), else 2 / (inputs + outputs) (Glorot and
 * Bengio 2010); biases are 0. The same options give the same bytes on every processor. Layers have the names their authors
 * gave them where there are such; normalizations and activations are operators of their own.
 * Memory: the model. Errors: INVALID_ARGUMENT for an option that is out of range or that the network does not have,
 * SHAPE_MISMATCH naming the layer for which images are too small, LIMIT_EXCEEDED for more than 1 GB of weights. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_create(const edgeai_architecture_options *options, edgeai_model **model, edgeai_error *error);

/* ---- Training ------------------------------------------------------------------------------------------ */

/* Which weights become few, small or coarse while a network learns. */
#define EDGEAI_TRAINING_MAGNITUDE_PRUNING 0  /* the smallest weights become zero for good (Han et al. 2015), more and more of them
                                              * (Zhu and Gupta 2017) */
#define EDGEAI_TRAINING_NETWORK_SURGERY 1    /* weights are masked, and come back when they grow (Guo et al. 2016) */
#define EDGEAI_TRAINING_SHARED_WEIGHTS 2     /* weights of a layer that are equal stay equal and learn as one (Han, Mao, Dally
                                              * 2016): of a model that edgeai_share made */
#define EDGEAI_TRAINING_SLIMMING 3           /* a penalty on the factors of batch normalization (Liu et al. 2017); then
                                              * EDGEAI_EXPORT_TRAINABLE and edgeai_prune_channels with EDGEAI_CHANNELS_SCALE */
#define EDGEAI_TRAINING_ENTROPY_PENALTY 4    /* a penalty on the bits that the file's coder will spend on weights */
#define EDGEAI_TRAINING_QUANTIZATION_AWARE 5 /* layers read weights and activations rounded to few bits (Jacob et al. 2018) */
#define EDGEAI_TRAINING_BINARY_WEIGHTS 6     /* layers read signs times a scale for each output channel (Rastegari et al. 2016) */
#define EDGEAI_TRAINING_EIGHT_BIT 7          /* weights, activations and the gradients below layers have 8 bits (Banner et al. 2018);
                                              * computed in float: it shows what 8-bit hardware would learn */

#define EDGEAI_TRAINING_BINARY 0  /* a sign times the mean magnitude */
#define EDGEAI_TRAINING_XNOR 1    /* the same, and what these layers read becomes signs too, in place of a ReLU there, also in the
                                   * exported model. A batch normalization should stand in front of each */
#define EDGEAI_TRAINING_TERNARY 2 /* zero below 0.7 times the mean magnitude (Li et al. 2016) */

/* A method and its numbers. Methods are applied in their order; each finds the weights as the one before left them. Numbers that
 * the kind does not have are not read. */
typedef struct edgeai_training_method {
  uint32_t struct_size;
  int32_t kind;                /* EDGEAI_TRAINING_* */
  double sparsity;             /* MAGNITUDE_PRUNING: share of a layer's weights that is zero at the end, 0 to 1; default 0.9 */
  double kept;                 /* NETWORK_SURGERY: share of a layer's weights to keep; the threshold t leaves so many, from all of them
                                * on a cubic schedule, and the masks of step `last` keep exactly so many and stay. 0 (default): t = mean
                                * + c deviations of the magnitudes of the layer's first weights, as in the paper */
  double kept_biases;          /* NETWORK_SURGERY: the same of its biases, where `kept` is not 0; default 1 */
  double c;                    /* NETWORK_SURGERY: -100 to 100; default 1 */
  double gamma;                /* NETWORK_SURGERY: a mask changes at its turn with the probability (1 + gamma step)^-power; default
                                * 1e-4 */
  double margin;               /* NETWORK_SURGERY: weights leave below (1 - margin) t and return from (1 + margin) t on; default
                                * 0.1 */
  double penalty;              /* SLIMMING: loss for each unit of a factor's magnitude; default 1e-4. ENTROPY_PENALTY: loss for
                                * each bit of a weight, 0 to 1; default 1e-6 */
  double width;                /* ENTROPY_PENALTY: from which magnitude on a weight's bits grow slowly, as a share of the root mean
                                * square of the layer's first weights; default 0.5 */
  double bits;                 /* QUANTIZATION_AWARE: of a layer's weights, 2 to 8; 0: not rounded; default 8 */
  double momentum;             /* QUANTIZATION_AWARE: weight of the past in the ranges of activations, 0 up to 1; default 0.99 */
  int64_t first, last;         /* MAGNITUDE_PRUNING, NETWORK_SURGERY: the steps between which masks change, counted from 0; default 0
                                * and 1000, with surgery 0 and 10000 */
  int64_t every;               /* MAGNITUDE_PRUNING, NETWORK_SURGERY: steps from one turn of the masks to the next; default 100 and 1 */
  int64_t delay;               /* QUANTIZATION_AWARE: steps before activations are rounded, at least 1; default 100 */
  int64_t freeze;              /* QUANTIZATION_AWARE: from this step on folded normalizations use the running statistics; default: never */
  int32_t across_layers;       /* MAGNITUDE_PRUNING: 1: the share is one of all layers together; default 0 */
  int32_t power;               /* NETWORK_SURGERY: 0 to 100; default 1 */
  int32_t biases;              /* NETWORK_SURGERY: 1 (default): biases are masked as well */
  int32_t most;                /* SHARED_WEIGHTS: a layer with more different weights learns each for itself, 1 to 65536; default
                                * 256 */
  int32_t activation_bits;     /* QUANTIZATION_AWARE: of what layers read, 2 to 8; 0: not rounded; default 8 */
  int32_t learn_step;          /* QUANTIZATION_AWARE: 1: the step between weights is learnt (Esser et al. 2020); 0 (default): it follows
                                * from the largest weight of a channel */
  int32_t fold_normalization;  /* QUANTIZATION_AWARE: 1 (default): a convolution that a batch normalization alone reads rounds its weights
                                * as they will be folded (Krishnamoorthi 2018); not with learn_step */
  int32_t values;              /* BINARY_WEIGHTS: EDGEAI_TRAINING_BINARY (default), XNOR or TERNARY */
  int32_t include_first;       /* BINARY_WEIGHTS: 1: also the first layer that learns; default 0 */
  int32_t include_last;        /* BINARY_WEIGHTS: 1: also the last one; default 0. Depthwise layers never */
  int32_t range_normalization; /* EIGHT_BIT: 1 (default): batch normalization divides by the range of values in place of their
                                * deviation */
  const edgeai_layer_value *layers;   /* numbers of layers of their own in place of `sparsity`, `kept`, ENTROPY_PENALTY's `penalty`
                                       * or `bits`; the last that fits counts */
  size_t layer_count;
  const edgeai_layer_value *c_layers; /* in place of `c` */
  size_t c_layer_count;
  const edgeai_layer_value *bias_layers; /* in place of `kept_biases` */
  size_t bias_layer_count;
} edgeai_training_method;

/* The defaults of a kind: edgeai_training_method_init(&method, EDGEAI_TRAINING_..., sizeof method). Does nothing for NULL or a
 * size that is too small. Since 0.1. */
EDGEAI_API void edgeai_training_method_init(edgeai_training_method *method, int32_t kind, size_t struct_size);

/* What is made small. */
#define EDGEAI_LOSS_CROSS_ENTROPY 0      /* -sum t log softmax(y) along the output's last axis, averaged over the rows */
#define EDGEAI_LOSS_MEAN_SQUARED_ERROR 1 /* (y - t)^2, averaged over all elements */

#define EDGEAI_OPTIMIZER_SGD 0      /* with momentum */
#define EDGEAI_OPTIMIZER_NESTEROV 1 /* SGD with Nesterov's momentum */
#define EDGEAI_OPTIMIZER_ADAM 2     /* Kingma and Ba 2015 */
#define EDGEAI_OPTIMIZER_ADAMW 3    /* weights decay apart from the gradient (Loshchilov and Hutter 2019) */
#define EDGEAI_OPTIMIZER_RMSPROP 4  /* Tieleman and Hinton 2012 */

/* The factor of the learning rate over time. */
#define EDGEAI_SCHEDULE_CONSTANT 0
#define EDGEAI_SCHEDULE_STEP 1      /* times `period_decay` after every `period` steps */
#define EDGEAI_SCHEDULE_COSINE 2    /* half a cosine from 1 to 0 (Loshchilov and Hutter 2017) */
#define EDGEAI_SCHEDULE_ONE_CYCLE 3 /* half a cosine from 1/25 to 1 in the first 30 % of the steps, then one down to 1/10000 (Smith and
                                     * Topin 2018) */

typedef struct edgeai_trainer_options {
  uint32_t struct_size;
  int32_t batch;               /* samples of a step, for models with a symbolic batch; 1 to 2^20; default 64 */
  int32_t threads;             /* default 1; they change no bit of the result */
  int32_t loss;                /* EDGEAI_LOSS_*; default CROSS_ENTROPY */
  int32_t optimizer;           /* EDGEAI_OPTIMIZER_*; default SGD */
  int32_t schedule;            /* EDGEAI_SCHEDULE_*; default CONSTANT */
  float learning_rate;         /* default 0.01 */
  float momentum;              /* SGD's, and Adam's first decay; 0 up to 1; default 0.9 */
  float second_decay;          /* Adam's second, RMSprop's only one; 0 up to 1; default 0.999 */
  float epsilon;               /* of Adam and RMSprop; above 0; default 1e-8 */
  float weight_decay;          /* of weights; neither biases nor normalizations decay; default 0 */
  float clip_norm;             /* largest norm of all gradients together (Pascanu et al. 2013); default 0: not clipped */
  float label_smoothing;       /* share of a target that goes to all classes alike (Szegedy et al. 2016); 0 to 1; default 0 */
  float dropout;               /* share of a dense layer's input that a step leaves out (Srivastava et al. 2014), the model's own
                                * inputs apart; 0 up to 1; default 0 */
  float normalization_momentum; /* weight of the past in the running statistics of batch normalization; default 0.9 */
  float period_decay;          /* default 0.1 */
  int32_t recompute;           /* 1: normalizations and elementwise results are computed again for the gradient instead of being kept
                                * (Chen et al. 2016): less memory, the same bits; default 0 */
  int32_t reserved;
  int64_t total_steps;         /* of the whole training; COSINE and ONE_CYCLE need it; default 0 */
  int64_t warm_up_steps;       /* in which the rate grows in equal parts, before the schedule begins; default 0 */
  int64_t period;              /* SCHEDULE_STEP needs it; default 0 */
  int64_t seed;                /* of dropout and methods; default 0 */
  const char *isa;             /* optional: an edgeai_isa_name, as in edgeai_session_options */
  const char *const *frozen;   /* operators whose parameters and statistics stay as they are, by name, also with '*': all that have the
                                * name. One that shares a constant with an operator that learns it is an error */
  size_t frozen_count;
  const edgeai_model *teacher; /* optional: distillation (Hinton et al. 2015) from a model with the same inputs and output. The
                                * handle is borrowed for edgeai_trainer_create; memory it was opened from stays until the trainer is
                                * destroyed */
  float teacher_share;         /* of the teacher's softened probabilities in the loss; 0 to 1; default 0.5 */
  float temperature;           /* 1e-6 to 1e6; default 1 */
  const edgeai_training_method *methods; /* optional; each element has its struct_size */
  size_t method_count;
} edgeai_trainer_options;

/* Defaults: edgeai_trainer_options_init(&options, sizeof options). Does nothing for NULL or a size that is too small. Since 0.1. */
EDGEAI_API void edgeai_trainer_options_init(edgeai_trainer_options *options, size_t struct_size);

/* A model that learns: its parameters, what the optimizer keeps of them, and the plan of a step, in one block of memory. The same
 * model, options and data give the same bits, with any number of threads. */
typedef struct edgeai_trainer edgeai_trainer;

/* What a step or an evaluation found. Set struct_size before the call. */
typedef struct edgeai_training_metrics {
  uint32_t struct_size;
  uint32_t reserved;
  double loss;       /* of a step: before its update, with smoothing and teacher, without the penalties of methods; of an evaluation: of the targets alone */
  double accuracy;   /* CROSS_ENTROPY: share of the rows whose greatest output is where the greatest target is; else 0 */
  uint64_t samples;
} edgeai_training_metrics;

/* Makes a trainer of a float model with one float32 output; of CROSS_ENTROPY a softmax at its end is taken into the loss. Constants
 * that convolutions, dense layers, products and normalizations read are its parameters; batch normalizations take the statistics of
 * their batch. The model is not changed. options: optional.
 * Memory: what edgeai_trainer_memory says, and tables of the step; during the call with QUANTIZATION_AWARE weights into which
 * normalizations are folded.
 * Errors: INVALID_ARGUMENT (an option, a number of a method, a name that no operator has, a model without parameters, a constant
 * that one operator learns and a frozen one reads),
 * UNSUPPORTED_OPERATOR naming an operator without a gradient, UNSUPPORTED_FEATURE (a quantized model, one with state or several
 * outputs, an instruction set that this processor does not have), SHAPE_MISMATCH (the teacher's inputs or output), OUT_OF_MEMORY.
 * Since 0.1. */
EDGEAI_API edgeai_status edgeai_trainer_create(const edgeai_model *model, const edgeai_trainer_options *options,
                                               edgeai_trainer **trainer, edgeai_error *error);

EDGEAI_API void edgeai_trainer_destroy(edgeai_trainer *trainer);

/* One step: gradients of the loss of `batch` samples (of one where the model's batch is fixed), and an update of all parameters.
 * inputs: one span for each input of the model, in order, each holding exactly so many samples in the input's element type.
 * targets: float32, of the output's shape; with CROSS_ENTROPY probabilities of the classes. metrics: optional.
 * Allocates nothing, but for the text of an error.
 * Errors: SHAPE_MISMATCH (a number of inputs or bytes), INVALID_ARGUMENT (NULL; a loss, or a sum of the squares of all parameters
 * after the step, that is not finite, a moment or running statistic that has become infinite or NaN: the message says which
 * parameter or statistic it is, or that the data or the learning rate are too large), CANCELLED; OUT_OF_MEMORY in place of any of these
 * where there is none for its text. After an error everything is as before the step, masks and ranges too, and it may be tried again.
 * Since 0.1. */
EDGEAI_API edgeai_status edgeai_trainer_step(edgeai_trainer *trainer, const edgeai_span *inputs, size_t input_count,
                                             const edgeai_span *targets, edgeai_training_metrics *metrics, edgeai_error *error);

/* The same with classes for targets: one number for each row of the output (all axes but the last one), 0 up to the classes.
 * label_count: of them. CROSS_ENTROPY only: else INVALID_ARGUMENT, as for a label that is no class; OUT_OF_MEMORY as above.
 * Since 0.1. */
EDGEAI_API edgeai_status edgeai_trainer_step_labels(edgeai_trainer *trainer, const edgeai_span *inputs, size_t input_count,
                                                    const int32_t *labels, size_t label_count, edgeai_training_metrics *metrics,
                                                    edgeai_error *error);

/* Runs the model that edgeai_trainer_export would give on any number of samples, and changes nothing. inputs as for
 * edgeai_calibration_feed, targets or labels as above for so many samples.
 * Memory: in the first call after a step that model, and a session of it with `batch` samples, kept until the next step.
 * Errors: as for a step, and OUT_OF_MEMORY; a loss may be infinite or NaN. Since 0.1. */
EDGEAI_API edgeai_status edgeai_trainer_evaluate(edgeai_trainer *trainer, const edgeai_span *inputs, size_t input_count,
                                                 const edgeai_span *targets, edgeai_training_metrics *metrics, edgeai_error *error);
EDGEAI_API edgeai_status edgeai_trainer_evaluate_labels(edgeai_trainer *trainer, const edgeai_span *inputs, size_t input_count,
                                                        const int32_t *labels, size_t label_count, edgeai_training_metrics *metrics,
                                                        edgeai_error *error);

#define EDGEAI_EXPORT_INFERENCE 0 /* normalizations folded, activations fused */
#define EDGEAI_EXPORT_TRAINABLE 1 /* normalizations are still there: for another trainer, or edgeai_prune_channels after slimming */

/* The model as it has been trained: weights as methods have the layers read them (pruned ones are zero, shared ones equal), running
 * statistics in place. Ready for sessions, edgeai_quantize and everything else. form: EDGEAI_EXPORT_*. It does not depend on
 * the trainer; constants that were not trained stay those of the source model, in its memory where it was opened from memory.
 * Memory: the model, and a session of the weights during the call. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. Since 0.1. */
EDGEAI_API edgeai_status edgeai_trainer_export(const edgeai_trainer *trainer, int32_t form, edgeai_model **model,
                                               edgeai_error *error);

/* Checkpoints: everything that a trainer made of the same model, options and methods needs to go on to the same bits, with any
 * number of threads. A checkpoint is an `.edgeai` file of constants. Files are written whole or not at all.
 * Memory: the image, during the call. Errors as edgeai_model_save_*. Since 0.1. */
EDGEAI_API edgeai_status edgeai_trainer_save_file(const edgeai_trainer *trainer, const char *path, edgeai_error *error);
EDGEAI_API edgeai_status edgeai_trainer_save_memory_required(const edgeai_trainer *trainer, size_t *bytes, edgeai_error *error);
/* written: optional, the bytes used. BUFFER_TOO_SMALL leaves the buffer untouched. Since 0.1. */
EDGEAI_API edgeai_status edgeai_trainer_save_memory(const edgeai_trainer *trainer, void *buffer, size_t capacity, size_t *written,
                                                    edgeai_error *error);

/* Goes on from a checkpoint. The bytes may come from anywhere. After an error the trainer is as before.
 * Errors: any 2xx, IO, INVALID_ARGUMENT (no checkpoint), SHAPE_MISMATCH naming the tensor, or both optimizers (a checkpoint of
 * another trainer). Since 0.1. */
EDGEAI_API edgeai_status edgeai_trainer_load_file(edgeai_trainer *trainer, const char *path, edgeai_error *error);
EDGEAI_API edgeai_status edgeai_trainer_load_memory(edgeai_trainer *trainer, const void *data, size_t size, edgeai_error *error);

/* The ranges that QUANTIZATION_AWARE has learnt of what layers read, by the names that these tensors have in the exported model: given to
 * edgeai_quantize_options, they make the int8 model round as training did where a layer reads what an operator has computed, or that
 * moved (through a max pool, transposed, reshaped, padded) for no other reader. Where it is split, or something else reads it before it
 * is moved, the range that calibration finds stays: the learnt one may be too narrow for the rest. With fewer than 8 activation_bits
 * the ranges are the same, on finer integers. range_count: how many; 0 for NULL, without the method or its activation_bits, and before the
 * first step. A tensor is left out if it, or the first layer that reads it, has a name that others have.
 * range: filled; its name lives as long as the trainer, its numbers are those of the next step.
 * Errors: INVALID_ARGUMENT. Since 0.1. */
EDGEAI_API size_t edgeai_trainer_range_count(const edgeai_trainer *trainer);
EDGEAI_API edgeai_status edgeai_trainer_range(const edgeai_trainer *trainer, size_t index, edgeai_tensor_range *range,
                                              edgeai_error *error);

/* Steps taken, those before a checkpoint included. Since 0.1. */
EDGEAI_API uint64_t edgeai_trainer_step_count(const edgeai_trainer *trainer);
/* The learning rate of the next step; 0 for NULL. Since 0.1. */
EDGEAI_API double edgeai_trainer_learning_rate(const edgeai_trainer *trainer);
/* Bytes that steps work in: parameters, moments, results kept for gradients, scratch, masks and what they were before a step. Known
 * before the first step, and the same after each. 0 for NULL. Since 0.1. */
EDGEAI_API size_t edgeai_trainer_memory(const edgeai_trainer *trainer);

/* The kernel calls of a step, as edgeai_session_plan_* tell them. op_index counts the operators of the step. Since 0.1. */
EDGEAI_API size_t edgeai_trainer_plan_count(const edgeai_trainer *trainer);
EDGEAI_API edgeai_status edgeai_trainer_plan_info(const edgeai_trainer *trainer, size_t index, edgeai_step_info *info,
                                                  edgeai_error *error);

/* Asks a step in progress to stop, as edgeai_session_cancel does with a run. Since 0.1. */
EDGEAI_API void edgeai_trainer_cancel(const edgeai_trainer *trainer);

#ifdef __cplusplus
}
#endif
#endif
