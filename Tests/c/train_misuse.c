/* Wrong use of edgeai_trainer_*: a typed error, out-parameters and parameters left alone, nothing lost (run it under valgrind).
 *     train_misuse
 * And what right use promises: bits that do not depend on threads, checkpoints that go on to the same bits. */
#include "check.h"
#include <edgeai.h>
#include <edgeai_train.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 6, CLASSES = 3, BATCH = 32, SAMPLES = 50 };

static edgeai_error error = {.struct_size = sizeof error};
static edgeai_model *const untouched_model = (edgeai_model *)(uintptr_t)0x5A5A5A50;
static edgeai_trainer *const untouched_trainer = (edgeai_trainer *)(uintptr_t)0x5A5A5A50;
static float x[SAMPLES * INPUTS], targets[SAMPLES * CLASSES];
static int32_t labels[SAMPLES];
static edgeai_span inputs = {x, BATCH * INPUTS * sizeof(float)}, wanted = {targets, BATCH * CLASSES * sizeof(float)};

/* An MLP of `hidden` units; with batch normalization if asked. */
static edgeai_model *network(uint32_t hidden, int32_t batch_norm) {
  const uint32_t widths[4] = {INPUTS, hidden, hidden, CLASSES};
  edgeai_architecture_options options;
  edgeai_model *model = NULL;
  edgeai_architecture_options_init(&options, sizeof options);
  options.architecture = EDGEAI_ARCHITECTURE_MLP;
  options.widths = widths;
  options.width_count = 4;
  options.batch_norm = batch_norm;
  CHECK_STATUS(edgeai_model_create(&options, &model, &error), EDGEAI_OK);
  return model;
}

static void options_init(edgeai_trainer_options *options) {
  edgeai_trainer_options_init(options, sizeof *options);
  options->batch = BATCH;
}

/* The checkpoint of a trainer; free it. */
static unsigned char *state(const edgeai_trainer *trainer, size_t *bytes) {
  unsigned char *image;
  CHECK_STATUS(edgeai_trainer_save_memory_required(trainer, bytes, &error), EDGEAI_OK);
  image = (unsigned char *)malloc(*bytes);
  CHECK_STATUS(edgeai_trainer_save_memory(trainer, image, *bytes, NULL, &error), EDGEAI_OK);
  return image;
}

static int is_in(const edgeai_trainer *trainer, const unsigned char *expected, size_t expected_bytes) {
  size_t bytes;
  unsigned char *now = state(trainer, &bytes);
  int same = bytes == expected_bytes && memcmp(now, expected, bytes) == 0;
  free(now);
  return same;
}

#define REFUSES(model, change, expected)                                                        \
  do {                                                                                          \
    edgeai_trainer_options options;                                                             \
    edgeai_trainer *made = untouched_trainer;                                                   \
    options_init(&options);                                                                     \
    change;                                                                                     \
    CHECK_STATUS(edgeai_trainer_create(model, &options, &made, &error), expected);              \
    CHECK(made == untouched_trainer);                                                           \
  } while (0)

static void creation(const edgeai_model *model) {
  static const char *const unknown[1] = {"no such operator"}, *const nothing[1] = {NULL}, *const empty[1] = {""}, *const no_text[1] = {"\xff"},
                    *const everything[1] = {"*"};
  static const size_t floats[12] = {
    offsetof(edgeai_trainer_options, learning_rate), offsetof(edgeai_trainer_options, momentum), offsetof(edgeai_trainer_options, second_decay),
    offsetof(edgeai_trainer_options, epsilon), offsetof(edgeai_trainer_options, weight_decay), offsetof(edgeai_trainer_options, clip_norm),
    offsetof(edgeai_trainer_options, label_smoothing), offsetof(edgeai_trainer_options, dropout),
    offsetof(edgeai_trainer_options, normalization_momentum), offsetof(edgeai_trainer_options, period_decay),
    offsetof(edgeai_trainer_options, teacher_share), offsetof(edgeai_trainer_options, temperature)};
  size_t i, k;
  edgeai_trainer *made = untouched_trainer;
  edgeai_model *other = network(5, 0), *wide = NULL;
  const uint32_t widths[3] = {INPUTS, 4, CLASSES + 1};
  edgeai_architecture_options architecture;
  struct { edgeai_trainer_options options; uint32_t future; uint32_t more; } later;
  CHECK_STATUS(edgeai_trainer_create(NULL, NULL, &made, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_create(model, NULL, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(made == untouched_trainer);
  REFUSES(model, options.struct_size = 4, EDGEAI_ERROR_ABI_MISMATCH);
  memset(&later, 0, sizeof later);
  edgeai_trainer_options_init(&later.options, sizeof later);
  later.more = 1;
  CHECK_STATUS(edgeai_trainer_create(model, &later.options, &made, &error), EDGEAI_ERROR_ABI_MISMATCH);
  REFUSES(model, options.batch = 0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.batch = 1 << 21, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.threads = 0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.threads = 257, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.loss = 2, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.loss = -1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.optimizer = 5, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.schedule = 4, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.schedule = EDGEAI_SCHEDULE_COSINE, EDGEAI_ERROR_INVALID_ARGUMENT); /* without total_steps */
  REFUSES(model, options.schedule = EDGEAI_SCHEDULE_STEP, EDGEAI_ERROR_INVALID_ARGUMENT);   /* without a period */
  REFUSES(model, options.learning_rate = -1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.learning_rate = (float)NAN, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.learning_rate = (float)INFINITY, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.momentum = 1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.second_decay = -0.5f, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.epsilon = 0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.weight_decay = -1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.clip_norm = (float)NAN, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.label_smoothing = 2, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.dropout = 1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.normalization_momentum = 2, EDGEAI_ERROR_INVALID_ARGUMENT);
  for (i = 0; i < sizeof floats / sizeof *floats; i++) {
    static const float none[4] = {NAN, INFINITY, -INFINITY, -1};
    for (k = 0; k < 4; k++)
      REFUSES(model, (memcpy((char *)&options + floats[i], &none[k], sizeof(float)), options.teacher = other), EDGEAI_ERROR_INVALID_ARGUMENT);
  }
  REFUSES(model, options.temperature = 1e-30f, EDGEAI_ERROR_INVALID_ARGUMENT); /* 1 / t and t^2 are not finite */
  REFUSES(model, options.temperature = 1e30f, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.batch = INT32_MIN, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.threads = INT32_MIN, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.optimizer = INT32_MIN, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.schedule = 256, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.loss = 256, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.isa = "", EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, (options.frozen = unknown, options.frozen_count = SIZE_MAX), EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, (options.frozen = nothing, options.frozen_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, (options.frozen = empty, options.frozen_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, (options.frozen = no_text, options.frozen_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, (options.frozen = everything, options.frozen_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT); /* nothing is left to learn */
  REFUSES(model, options.period = -1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.total_steps = -1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.warm_up_steps = INT64_MIN, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.isa = "no such set", EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, options.frozen_count = 1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, (options.frozen = unknown, options.frozen_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.node, unknown[0]) == 0);
  REFUSES(model, (options.teacher = other, options.temperature = 0), EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES(model, (options.teacher = other, options.teacher_share = 2), EDGEAI_ERROR_INVALID_ARGUMENT);
  edgeai_architecture_options_init(&architecture, sizeof architecture);
  architecture.architecture = EDGEAI_ARCHITECTURE_MLP;
  architecture.widths = widths;
  architecture.width_count = 3;
  CHECK_STATUS(edgeai_model_create(&architecture, &wide, &error), EDGEAI_OK);
  REFUSES(model, options.teacher = wide, EDGEAI_ERROR_SHAPE_MISMATCH);
  edgeai_trainer_options_init(NULL, 8);
  edgeai_trainer_destroy(NULL);
  edgeai_model_destroy(wide);
  edgeai_model_destroy(other);
}

#define REFUSES_METHOD(model, method_kind, change, expected)                                    \
  REFUSES(model, {                                                                              \
    edgeai_training_method_init(&method, method_kind, sizeof method);                           \
    options.methods = &method;                                                                  \
    options.method_count = 1;                                                                   \
    change;                                                                                     \
  }, expected)

static void methods(const edgeai_model *model, const edgeai_model *normalized) {
  static const edgeai_layer_value unknown[1] = {{"no such layer", 0.5}};
#define DOUBLE(kind, field, most) {EDGEAI_TRAINING_##kind, offsetof(edgeai_training_method, field), most}
#define INTEGER(kind, field) {EDGEAI_TRAINING_##kind, offsetof(edgeai_training_method, field)}
  static const struct { int32_t kind; size_t offset; double most; } numbers[] = {
    DOUBLE(MAGNITUDE_PRUNING, sparsity, 1), DOUBLE(NETWORK_SURGERY, kept, 1), DOUBLE(NETWORK_SURGERY, kept_biases, 1), DOUBLE(NETWORK_SURGERY, c, 100),
    DOUBLE(NETWORK_SURGERY, gamma, 1.7e308), DOUBLE(NETWORK_SURGERY, margin, 1), DOUBLE(SLIMMING, penalty, 1e38),
    DOUBLE(ENTROPY_PENALTY, penalty, 1), DOUBLE(ENTROPY_PENALTY, width, 1.7e308), DOUBLE(QUANTIZATION_AWARE, bits, 8),
    DOUBLE(QUANTIZATION_AWARE, momentum, 1)};
  static const struct { int32_t kind; size_t offset; } counts[] = {
    INTEGER(MAGNITUDE_PRUNING, first), INTEGER(MAGNITUDE_PRUNING, last), INTEGER(MAGNITUDE_PRUNING, every), INTEGER(NETWORK_SURGERY, first),
    INTEGER(NETWORK_SURGERY, last), INTEGER(NETWORK_SURGERY, every), INTEGER(QUANTIZATION_AWARE, delay), INTEGER(QUANTIZATION_AWARE, freeze)};
  static const struct { int32_t kind; size_t offset; } small[] = {
    INTEGER(NETWORK_SURGERY, power), INTEGER(SHARED_WEIGHTS, most), INTEGER(QUANTIZATION_AWARE, activation_bits), INTEGER(BINARY_WEIGHTS, values)};
  static const edgeai_layer_value bad[] = {{NULL, 0.5}, {"", 0.5}, {"\xff", 0.5}, {"*", NAN}, {"*", -1000}, {"*", INFINITY}};
  edgeai_training_method method;
  int32_t kind;
  size_t i, k;
  edgeai_training_method_init(NULL, 0, 8);
  edgeai_training_method_init(&method, EDGEAI_TRAINING_NETWORK_SURGERY, sizeof method);
  CHECK(method.kept == 0 && method.kept_biases == 1 && method.c == 1 && method.gamma == 1e-4 && method.power == 1 && method.margin == 0.1 &&
        method.biases == 1 && method.first == 0 && method.last == 10000 && method.every == 1 && method.layer_count == 0);
  edgeai_training_method_init(&method, EDGEAI_TRAINING_QUANTIZATION_AWARE, sizeof method);
  CHECK(method.bits == 8 && method.activation_bits == 8 && method.learn_step == 0 && method.fold_normalization == 1 && method.delay == 100 &&
        method.freeze == INT64_MAX && method.momentum == 0.99 && method.sparsity == 0);
  REFUSES(model, options.method_count = 1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, 8, (void)0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, -1, (void)0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, 0, method.struct_size = 8, EDGEAI_ERROR_ABI_MISMATCH);
  REFUSES_METHOD(model, 0, options.method_count = SIZE_MAX, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, method.sparsity = 1.5, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, method.sparsity = NAN, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, method.every = 0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, method.first = INT64_MAX, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, method.layer_count = 1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, (method.layers = unknown, method.layer_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.node, "no such layer") == 0);
  REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, method.every = 0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, method.kept_biases = 2, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, method.kept = -0.5, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, method.gamma = INFINITY, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, method.margin = 1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, method.power = 1000, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, (method.c_layers = unknown, method.c_layer_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_SHARED_WEIGHTS, method.most = 0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_SLIMMING, (void)0, EDGEAI_ERROR_INVALID_ARGUMENT); /* without batch normalization */
  REFUSES_METHOD(normalized, EDGEAI_TRAINING_SLIMMING, method.penalty = NAN, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_ENTROPY_PENALTY, method.width = 0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_QUANTIZATION_AWARE, method.bits = 1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_QUANTIZATION_AWARE, method.bits = 2.5, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_QUANTIZATION_AWARE, method.activation_bits = 40, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_QUANTIZATION_AWARE, method.delay = 0, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_BINARY_WEIGHTS, method.values = 3, EDGEAI_ERROR_INVALID_ARGUMENT);
  for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
    for (k = 0; k < 5; k++) {
      static const double none[5] = {NAN, INFINITY, -INFINITY, -1000, 1e300};
      if (numbers[i].most > none[k] && none[k] > 0) continue;
      REFUSES_METHOD(normalized, numbers[i].kind, memcpy((char *)&method + numbers[i].offset, &none[k], sizeof(double)), EDGEAI_ERROR_INVALID_ARGUMENT);
    }
  for (i = 0; i < sizeof counts / sizeof *counts; i++)
    for (k = 0; k < 2; k++) {
      static const int64_t none[2] = {-1, INT64_MIN};
      REFUSES_METHOD(model, counts[i].kind, memcpy((char *)&method + counts[i].offset, &none[k], sizeof(int64_t)), EDGEAI_ERROR_INVALID_ARGUMENT);
    }
  for (i = 0; i < sizeof small / sizeof *small; i++)
    for (k = 0; k < 4; k++) {
      static const int32_t none[4] = {-1, INT32_MIN, INT32_MAX, 65537};
      REFUSES_METHOD(model, small[i].kind, memcpy((char *)&method + small[i].offset, &none[k], sizeof(int32_t)), EDGEAI_ERROR_INVALID_ARGUMENT);
    }
  for (i = 0; i < sizeof bad / sizeof *bad; i++) {
    REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, (method.layers = &bad[i], method.layer_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
    REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, (method.bias_layers = &bad[i], method.bias_layer_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
    REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, (method.c_layers = &bad[i], method.c_layer_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
    REFUSES_METHOD(model, EDGEAI_TRAINING_QUANTIZATION_AWARE, (method.layers = &bad[i], method.layer_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
    REFUSES_METHOD(model, EDGEAI_TRAINING_ENTROPY_PENALTY, (method.layers = &bad[i], method.layer_count = 1), EDGEAI_ERROR_INVALID_ARGUMENT);
  }
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, (method.layers = bad, method.layer_count = SIZE_MAX), EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_QUANTIZATION_AWARE, method.activation_bits = 1, EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_NETWORK_SURGERY, (method.first = 5, method.last = 4), EDGEAI_ERROR_INVALID_ARGUMENT);
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, method.struct_size = 5000, EDGEAI_ERROR_ABI_MISMATCH);
  REFUSES_METHOD(model, EDGEAI_TRAINING_MAGNITUDE_PRUNING, options.method_count = 65, EDGEAI_ERROR_INVALID_ARGUMENT);
  /* Each kind with its defaults learns, and what it gives is a model. */
  for (kind = EDGEAI_TRAINING_MAGNITUDE_PRUNING; kind <= EDGEAI_TRAINING_EIGHT_BIT; kind++) {
    edgeai_trainer_options options;
    edgeai_trainer *trainer = NULL;
    edgeai_model *trained = NULL;
    edgeai_training_metrics metrics;
    options_init(&options);
    edgeai_training_method_init(&method, kind, sizeof method);
    options.methods = &method;
    options.method_count = 1;
    metrics.struct_size = sizeof metrics;
    CHECK_STATUS(edgeai_trainer_create(normalized, &options, &trainer, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH, &metrics, &error), EDGEAI_OK);
    CHECK(metrics.samples == BATCH && metrics.loss > 0);
    CHECK_STATUS(edgeai_trainer_export(trainer, EDGEAI_EXPORT_INFERENCE, &trained, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_model_check(trained, &error), EDGEAI_OK);
    edgeai_trainer_destroy(trainer);
    edgeai_model_destroy(trained);
  }
}

static void steps(edgeai_trainer *trainer) {
  edgeai_training_metrics metrics = {sizeof metrics, 0, -1, -1, 0};
  edgeai_span few = inputs, none = {NULL, inputs.bytes}, two[2];
  size_t bytes;
  unsigned char *before = state(trainer, &bytes);
  two[0] = two[1] = inputs;
  CHECK_STATUS(edgeai_trainer_step(NULL, &inputs, 1, &wanted, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_step(trainer, NULL, 1, &wanted, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, NULL, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_step(trainer, &none, 1, &wanted, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, &none, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 0, &wanted, &metrics, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_trainer_step(trainer, two, 2, &wanted, &metrics, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_trainer_step(trainer, two, SIZE_MAX, &wanted, &metrics, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  few.bytes -= 4;
  CHECK_STATUS(edgeai_trainer_step(trainer, &few, 1, &wanted, &metrics, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK(error.tensor[0] != 0);
  few.bytes = SIZE_MAX;
  CHECK_STATUS(edgeai_trainer_step(trainer, &few, 1, &wanted, &metrics, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, &inputs, &metrics, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, NULL, BATCH, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH - 1, &metrics, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, SIZE_MAX, &metrics, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  labels[7] = CLASSES;
  CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "label 7") != NULL);
  labels[7] = -1;
  CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  labels[7] = 1;
  metrics.struct_size = 4;
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, &wanted, &metrics, &error), EDGEAI_ERROR_ABI_MISMATCH);
  metrics.struct_size = sizeof metrics;
  x[9] = (float)NAN;
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, &wanted, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "finite") != NULL);
  x[9] = (float)INFINITY;
  CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  x[9] = 0.5f;
  targets[4] = (float)NAN;
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, &wanted, &metrics, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  targets[4] = 1;
  edgeai_trainer_cancel(trainer);
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, &wanted, &metrics, &error), EDGEAI_ERROR_CANCELLED);
  edgeai_trainer_cancel(NULL);
  /* Nothing of that has changed anything. */
  CHECK(metrics.loss == -1 && metrics.accuracy == -1 && metrics.samples == 0);
  CHECK(is_in(trainer, before, bytes));
  CHECK(edgeai_trainer_step_count(trainer) == 0 && edgeai_trainer_step_count(NULL) == 0);
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, &wanted, NULL, NULL), EDGEAI_OK);
  CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH, &metrics, &error), EDGEAI_OK);
  CHECK(edgeai_trainer_step_count(trainer) == 2 && metrics.samples == BATCH && metrics.loss > 0);
  CHECK(!is_in(trainer, before, bytes));
  free(before);
}

static void evaluations(edgeai_trainer *trainer) {
  edgeai_training_metrics by_labels = {sizeof by_labels, 0, -1, -1, 0}, by_targets = {sizeof by_targets, 0, -1, -1, 0};
  edgeai_span all = {x, sizeof x}, all_wanted = {targets, sizeof targets}, odd = {x, sizeof x - 4};
  size_t bytes;
  unsigned char *before = state(trainer, &bytes);
  CHECK_STATUS(edgeai_trainer_evaluate(NULL, &all, 1, &all_wanted, &by_targets, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_evaluate(trainer, NULL, 1, &all_wanted, &by_targets, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_evaluate(trainer, &all, 1, NULL, &by_targets, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_evaluate(trainer, &odd, 1, &all_wanted, &by_targets, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_trainer_evaluate(trainer, &all, 1, &wanted, &by_targets, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_trainer_evaluate_labels(trainer, &all, 1, labels, BATCH, &by_targets, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK(by_targets.samples == 0 && by_targets.loss == -1);
  /* More than a batch, and no whole number of them. */
  CHECK_STATUS(edgeai_trainer_evaluate_labels(trainer, &all, 1, labels, SAMPLES, &by_labels, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_trainer_evaluate(trainer, &all, 1, &all_wanted, &by_targets, &error), EDGEAI_OK);
  CHECK(by_labels.samples == SAMPLES && by_targets.samples == SAMPLES);
  CHECK(by_labels.accuracy >= 0 && by_labels.accuracy <= 1 && fabs(by_labels.accuracy - by_targets.accuracy) < 1e-12);
  CHECK(fabs(by_labels.loss - by_targets.loss) < 1e-9 * by_targets.loss);
  CHECK(is_in(trainer, before, bytes));
  free(before);
}

static void checkpoints(edgeai_trainer *trainer, const edgeai_model *model) {
  edgeai_model *other_model = network(5, 0);
  edgeai_trainer_options options;
  edgeai_trainer *other = NULL, *twin = NULL;
  edgeai_training_metrics ours = {sizeof ours, 0, 0, 0, 0}, theirs = {sizeof theirs, 0, 0, 0, 0};
  size_t bytes, foreign_bytes, model_bytes, written = 77, i;
  unsigned char *saved = state(trainer, &bytes), *foreign, *damaged = (unsigned char *)malloc(bytes), *image;
  options_init(&options);
  CHECK_STATUS(edgeai_trainer_create(other_model, &options, &other, &error), EDGEAI_OK);
  options.threads = 3;
  CHECK_STATUS(edgeai_trainer_create(model, &options, &twin, &error), EDGEAI_OK);
  foreign = state(other, &foreign_bytes);
  CHECK_STATUS(edgeai_trainer_save_memory_required(NULL, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_save_memory_required(trainer, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_save_memory(trainer, NULL, bytes, &written, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_save_memory(trainer, damaged, bytes - 1, &written, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK(written == 77);
  CHECK_STATUS(edgeai_trainer_save_file(trainer, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_save_file(trainer, "/no/such/folder/file", &error), EDGEAI_ERROR_IO);
  CHECK_STATUS(edgeai_trainer_load_file(trainer, "/no/such/file", &error), EDGEAI_ERROR_IO);
  CHECK_STATUS(edgeai_trainer_load_file(trainer, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_load_memory(NULL, saved, bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_load_memory(trainer, NULL, bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(edgeai_trainer_load_memory(trainer, saved, SIZE_MAX, &error) != EDGEAI_OK);
  CHECK_STATUS(edgeai_trainer_load_memory(trainer, foreign, foreign_bytes, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_model_save_memory_required(model, &model_bytes, &error), EDGEAI_OK);
  image = (unsigned char *)malloc(model_bytes);
  CHECK_STATUS(edgeai_model_save_memory(model, image, model_bytes, NULL, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_trainer_load_memory(trainer, image, model_bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  /* Cut off anywhere, and with a byte changed anywhere. */
  for (i = 0; i < bytes; i += bytes / 60 + 1) {
    CHECK(edgeai_trainer_load_memory(trainer, saved, i, &error) != EDGEAI_OK);
    memcpy(damaged, saved, bytes);
    damaged[i] ^= 0x41;
    (void)edgeai_trainer_load_memory(other, damaged, bytes, &error);
  }
  CHECK(is_in(trainer, saved, bytes));
  CHECK(is_in(other, foreign, foreign_bytes));
  /* A trainer with other threads goes on to the same bits. */
  CHECK_STATUS(edgeai_trainer_load_memory(twin, saved, bytes, &error), EDGEAI_OK);
  CHECK(edgeai_trainer_step_count(twin) == edgeai_trainer_step_count(trainer));
  CHECK(is_in(twin, saved, bytes));
  for (i = 0; i < 3; i++) {
    CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH, &ours, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_trainer_step_labels(twin, &inputs, 1, labels, BATCH, &theirs, &error), EDGEAI_OK);
    CHECK(ours.loss == theirs.loss && ours.accuracy == theirs.accuracy);
  }
  free(saved);
  saved = state(trainer, &bytes);
  CHECK(is_in(twin, saved, bytes));
  free(saved);
  free(foreign);
  free(damaged);
  free(image);
  edgeai_trainer_destroy(twin);
  edgeai_trainer_destroy(other);
  edgeai_model_destroy(other_model);
}

/* The ranges that training learnt, and what calibration makes of them. */
static void ranges(const edgeai_model *model) {
  edgeai_trainer_options options;
  edgeai_training_method method;
  edgeai_quantize_options quantize;
  edgeai_trainer *trainer = NULL;
  edgeai_model *trained = NULL, *quantized = NULL;
  edgeai_calibration *calibration = NULL, *untouched = (edgeai_calibration *)(uintptr_t)0x5A5A5A50;
  edgeai_tensor_range learnt[3] = {{NULL, 0, 0}}, bad;
  size_t i;
  options_init(&options);
  edgeai_training_method_init(&method, EDGEAI_TRAINING_QUANTIZATION_AWARE, sizeof method);
  options.methods = &method;
  options.method_count = 1;
  CHECK_STATUS(edgeai_trainer_create(model, &options, &trainer, &error), EDGEAI_OK);
  CHECK(edgeai_trainer_range_count(NULL) == 0 && edgeai_trainer_range_count(trainer) == 0);
  CHECK_STATUS(edgeai_trainer_range(trainer, 0, learnt, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH, NULL, &error), EDGEAI_OK);
  CHECK(edgeai_trainer_range_count(trainer) == 3);
  CHECK_STATUS(edgeai_trainer_range(NULL, 0, learnt, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_range(trainer, 0, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_range(trainer, 3, learnt, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_range(trainer, SIZE_MAX, learnt, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(learnt[0].tensor == NULL);
  for (i = 0; i < 3; i++) {
    CHECK_STATUS(edgeai_trainer_range(trainer, i, &learnt[i], &error), EDGEAI_OK);
    CHECK(learnt[i].tensor[0] != 0 && learnt[i].min <= learnt[i].max && learnt[i].max > 0);
  }
  CHECK_STATUS(edgeai_trainer_export(trainer, EDGEAI_EXPORT_INFERENCE, &trained, &error), EDGEAI_OK);
  edgeai_quantize_options_init(&quantize, sizeof quantize);
  quantize.range_count = 1;
  CHECK_STATUS(edgeai_calibration_create(trained, &quantize, &untouched, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  quantize.ranges = &bad;
  for (i = 0; i < 7; i++) {
    static const edgeai_tensor_range wrong[7] = {{NULL, 0, 1}, {"", 0, 1}, {"no such tensor", 0, 1}, {"\xff", 0, 1}, {"", (float)NAN, 1},
                                                 {"", 0, (float)INFINITY}, {"", 1, 0.5f}};
    bad = wrong[i];
    if (i >= 4) bad.tensor = learnt[0].tensor;
    CHECK_STATUS(edgeai_calibration_create(trained, &quantize, &untouched, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  }
  CHECK(strcmp(error.tensor, learnt[0].tensor) == 0);
  CHECK(untouched == (edgeai_calibration *)(uintptr_t)0x5A5A5A50);
  quantize.range_count = SIZE_MAX;
  CHECK_STATUS(edgeai_calibration_create(trained, &quantize, &untouched, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  quantize.ranges = learnt;
  quantize.range_count = 3;
  CHECK_STATUS(edgeai_calibration_create(trained, &quantize, &calibration, &error), EDGEAI_OK);
  edgeai_trainer_destroy(trainer); /* the ranges were copied */
  CHECK_STATUS(edgeai_calibration_feed(calibration, &inputs, 1, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_calibration_finish(calibration, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_quantize(calibration, &quantized, NULL, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_check(quantized, &error), EDGEAI_OK);
  edgeai_calibration_destroy(calibration);
  edgeai_model_destroy(quantized);
  edgeai_model_destroy(trained);
}

static void results(edgeai_trainer *trainer) {
  edgeai_model *trained = untouched_model;
  edgeai_step_info info = {.struct_size = 0};
  size_t i;
  CHECK_STATUS(edgeai_trainer_export(NULL, 0, &trained, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_export(trainer, 2, &trained, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_export(trainer, 0, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(trained == untouched_model);
  CHECK(edgeai_trainer_memory(trainer) > 0 && edgeai_trainer_memory(NULL) == 0);
  CHECK(edgeai_trainer_learning_rate(trainer) > 0 && edgeai_trainer_learning_rate(NULL) == 0);
  CHECK(edgeai_trainer_plan_count(trainer) > 0 && edgeai_trainer_plan_count(NULL) == 0);
  CHECK_STATUS(edgeai_trainer_plan_info(trainer, 0, &info, &error), EDGEAI_ERROR_ABI_MISMATCH);
  info.struct_size = sizeof info;
  CHECK_STATUS(edgeai_trainer_plan_info(trainer, 0, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_plan_info(NULL, 0, &info, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_plan_info(trainer, edgeai_trainer_plan_count(trainer), &info, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_plan_info(trainer, SIZE_MAX, &info, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  for (i = 0; i < edgeai_trainer_plan_count(trainer); i++) {
    CHECK_STATUS(edgeai_trainer_plan_info(trainer, i, &info, &error), EDGEAI_OK);
    CHECK(info.kernel[0] != 0 && info.isa[0] != 0);
  }
}

int main(void) {
  edgeai_model *model = network(8, 0), *normalized = network(8, 1), *trained = NULL;
  edgeai_trainer_options options;
  edgeai_trainer *trainer = NULL, *squares = NULL;
  edgeai_session *session = NULL;
  uint32_t noise = 1;
  size_t i;
  for (i = 0; i < SAMPLES * INPUTS; i++) {
    noise = noise * 1664525u + 1013904223u;
    x[i] = (float)(noise >> 8) / 8388608.0f - 1;
  }
  for (i = 0; i < SAMPLES; i++) {
    labels[i] = (int32_t)(i % CLASSES);
    targets[i * CLASSES + i % CLASSES] = 1;
    x[i * INPUTS + i % CLASSES] += 2;
  }
  labels[7] = 1; /* 7 % 3, which steps() puts back */
  creation(model);
  methods(model, normalized);
  options_init(&options);
  CHECK_STATUS(edgeai_trainer_create(model, &options, &trainer, &error), EDGEAI_OK);
  options.loss = EDGEAI_LOSS_MEAN_SQUARED_ERROR;
  CHECK_STATUS(edgeai_trainer_create(model, &options, &squares, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_trainer_step_labels(squares, &inputs, 1, labels, BATCH, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_trainer_step(squares, &inputs, 1, &wanted, NULL, &error), EDGEAI_OK);
  steps(trainer);
  evaluations(trainer);
  checkpoints(trainer, model);
  results(trainer);
  ranges(model);
  /* In any order; what was exported needs neither. */
  edgeai_model_destroy(model);
  CHECK_STATUS(edgeai_trainer_step(trainer, &inputs, 1, &wanted, NULL, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_trainer_export(trainer, EDGEAI_EXPORT_TRAINABLE, &trained, &error), EDGEAI_OK);
  edgeai_trainer_destroy(trainer);
  edgeai_trainer_destroy(squares);
  CHECK_STATUS(edgeai_session_create(trained, NULL, &session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  edgeai_session_destroy(session);
  edgeai_model_destroy(trained);
  edgeai_model_destroy(normalized);
  return check_result("train_misuse");
}
