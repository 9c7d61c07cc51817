/* learn_motion: a sensor that learns its owner's motions, on the device.
 *
 * A three-axis accelerometer gives windows of 32 samples; the owner says what each was. A small network learns from summaries of
 * them, while it is pruned to a fifth of its weights, and what it has become is saved. Firmware style: every block comes from one
 * static pool, a step allocates nothing, and the data are integers made here, so each machine learns from the same. */
#include <edgeai.h>
#include <edgeai_train.h>
#include <stdint.h>
#include <stdio.h>

enum { WINDOW = 32, AXES = 3, FEATURES = 3 * AXES, MOTIONS = 3, BATCH = 16, STEPS = 400, TEST = 300 };

/* ---- The pool: first fit, free neighbours joined. Blocks are multiples of 64 bytes behind a header of 64, and begin at such. */
typedef struct block { size_t size; int used; char fill[64 - sizeof(size_t) - sizeof(int)]; } block;
static union { unsigned char bytes[2 << 20]; double align; } memory;
static block *pool_begin, *pool_end;
static size_t pool_used, pool_most;

static void pool_init(void) {
  size_t offset = (64 - (uintptr_t)memory.bytes % 64) % 64, room = (sizeof memory.bytes - offset) & ~(size_t)63;
  pool_begin = (block *)(void *)(memory.bytes + offset);
  pool_end = (block *)(void *)(memory.bytes + offset + room);
  pool_begin->size = room - 64;
}

static block *after(block *b) { return (block *)(void *)((unsigned char *)(b + 1) + b->size); }

static void *pool_allocate(void *context, size_t size, size_t alignment) {
  block *b;
  (void)context;
  if (alignment > 64 || size >= sizeof memory.bytes) return NULL;
  size = (size + 63) & ~(size_t)63;
  for (b = pool_begin; b < pool_end; b = after(b)) {
    while (!b->used && after(b) < pool_end && !after(b)->used) b->size += 64 + after(b)->size;
    if (b->used || b->size < size) continue;
    if (b->size > size + 64) {
      block *rest = (block *)(void *)((unsigned char *)(b + 1) + size);
      rest->size = b->size - size - 64;
      rest->used = 0;
      b->size = size;
    }
    b->used = 1;
    pool_used += b->size + 64;
    if (pool_used > pool_most) pool_most = pool_used;
    return b + 1;
  }
  return NULL;
}

static void pool_deallocate(void *context, void *pointer, size_t size) {
  block *b = (block *)pointer - 1;
  (void)context;
  (void)size;
  b->used = 0;
  pool_used -= b->size + 64;
}

/* ---- The sensor: a window of a motion, in 1/256 g, as its least, greatest and mean value of each axis. */
static uint32_t noise_state = 1;

static int32_t noise(int32_t range) {
  noise_state = noise_state * 1664525u + 1013904223u;
  return (int32_t)(noise_state >> 16) % (2 * range + 1) - range;
}

static void read_window(int32_t motion, float *features) {
  static const int32_t period[MOTIONS] = {60, 28, 7}, amplitude[MOTIONS] = {8, 120, 260}; /* still, walking, shaking */
  int32_t axis, i, start = noise(30) + 30, strength = amplitude[motion] + noise(amplitude[motion] / 2);
  for (axis = 0; axis < AXES; axis++) {
    int32_t least = 100000, most = -100000, sum = 0;
    for (i = 0; i < WINDOW; i++) {
      int32_t phase = (start + i + axis * 9) % period[motion], wave = 4 * strength * phase / period[motion];
      int32_t value = (wave > 2 * strength ? 4 * strength - wave : wave) - strength + noise(40) + (axis == 2 ? 256 : 0);
      if (value < least) least = value;
      if (value > most) most = value;
      sum += value;
    }
    features[3 * axis] = (float)least / 256;
    features[3 * axis + 1] = (float)most / 256;
    features[3 * axis + 2] = (float)sum / (256 * WINDOW);
  }
}

static float x[TEST * FEATURES];
static int32_t labels[TEST];

static void read_windows(int32_t count) {
  int32_t i;
  for (i = 0; i < count; i++) read_window(labels[i] = i % MOTIONS, x + i * FEATURES);
}

static int fail(const edgeai_error *error) {
  printf("learn_motion: %s: %s\n", edgeai_status_name(error->status), error->message);
  return 1;
}

int main(int argc, char **argv) {
  static const uint32_t widths[4] = {FEATURES, 24, 16, MOTIONS};
  edgeai_allocator allocator;
  edgeai_architecture_options network;
  edgeai_training_method pruning;
  edgeai_trainer_options options;
  edgeai_training_metrics metrics;
  edgeai_span inputs;
  edgeai_model *model = NULL, *trained = NULL;
  edgeai_trainer *trainer = NULL;
  edgeai_error error;
  size_t before;
  int32_t step;
  edgeai_error_init(&error, sizeof error);
  pool_init();
  edgeai_allocator_init(&allocator, sizeof allocator);
  allocator.allocate = pool_allocate;
  allocator.deallocate = pool_deallocate;

  edgeai_architecture_options_init(&network, sizeof network);
  network.architecture = EDGEAI_ARCHITECTURE_MLP;
  network.widths = widths;
  network.width_count = 4;
  network.allocator = &allocator;
  if (edgeai_model_create(&network, &model, &error) != EDGEAI_OK) return fail(&error);
  edgeai_training_method_init(&pruning, EDGEAI_TRAINING_MAGNITUDE_PRUNING, sizeof pruning);
  pruning.sparsity = 0.8;
  pruning.first = STEPS / 4;
  pruning.last = STEPS * 3 / 4;
  pruning.every = 10;
  edgeai_trainer_options_init(&options, sizeof options);
  options.batch = BATCH;
  options.optimizer = EDGEAI_OPTIMIZER_ADAM;
  options.learning_rate = 0.01f;
  options.schedule = EDGEAI_SCHEDULE_COSINE;
  options.total_steps = STEPS;
  options.methods = &pruning;
  options.method_count = 1;
  if (edgeai_trainer_create(model, &options, &trainer, &error) != EDGEAI_OK) return fail(&error);
  printf("%zu bytes for a step, %zu of the pool in use\n", edgeai_trainer_memory(trainer), pool_used);

  before = pool_used;
  metrics.struct_size = sizeof metrics;
  inputs.data = x;
  for (step = 0; step < STEPS; step++) {
    read_windows(BATCH);
    inputs.bytes = BATCH * FEATURES * sizeof(float);
    if (edgeai_trainer_step_labels(trainer, &inputs, 1, labels, BATCH, &metrics, &error) != EDGEAI_OK) return fail(&error);
    if (step % 100 == 0) printf("step %3d: loss %.3f\n", (int)step, metrics.loss);
  }
  printf("learning: %d bytes taken and kept\n", (int)(pool_used - before));
  read_windows(TEST);
  inputs.bytes = sizeof x;
  if (edgeai_trainer_evaluate_labels(trainer, &inputs, 1, labels, TEST, &metrics, &error) != EDGEAI_OK) return fail(&error);
  printf("%d new windows: %.1f %% right\n", (int)TEST, 100 * metrics.accuracy);

  if (edgeai_trainer_export(trainer, EDGEAI_EXPORT_INFERENCE, &trained, &error) != EDGEAI_OK) return fail(&error);
  if (argc > 1 && edgeai_model_save_file(trained, argv[1], &error) != EDGEAI_OK) return fail(&error);
  printf("%zu bytes of the pool at most\n", pool_most);
  edgeai_model_destroy(trained);
  edgeai_trainer_destroy(trainer);
  edgeai_model_destroy(model);
  return pool_used != 0;
}
