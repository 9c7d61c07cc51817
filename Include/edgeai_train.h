/* edgeai_train.h - networks to train.
 *
 *     edgeai_architecture_options options;
 *     edgeai_architecture_options_init(&options, sizeof options);
 *     options.architecture = EDGEAI_ARCHITECTURE_LENET_5;
 *     edgeai_model_create(&options, &model, &error);
 *
 * The rules at the top of edgeai.h hold.
 */
#ifndef EDGEAI_TRAIN_H
#define EDGEAI_TRAIN_H

#include "edgeai.h"

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
  float width;             /* MOBILENET_V1, BINARY_LENET_5: factor of the numbers of channels, above 0 up to 16, 8 channels at
                            * least; default 1 */
  float gamma;             /* networks with batch normalization: what its scales begin with; default 1 */
  int32_t resolution;      /* height and width of the images, up to 8192; not LENET_300_100, DS_CNN and the MLPs */
  int32_t channels;        /* of the images, up to 8192; not LENET_300_100, DS_CNN and the MLPs */
  int32_t classes;         /* up to 2^20; not the MLPs, whose last width it is */
  int32_t batch_norm;      /* MLP: 1 puts batch normalization before each ReLU, in place of biases */
  int32_t bypass;          /* SQUEEZENET_*: 1 adds around every second fire module ("simple bypass") */
  int32_t reserved;
  const uint32_t *widths;  /* the MLPs: inputs, hidden layers, classes; each 1 to 2^20. BINARY_MLP: at least four */
  size_t width_count;      /* 2 to 256 */
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

#ifdef __cplusplus
}
#endif
#endif
