/* Counts what the C library's heap is asked for, by standing in front of it (glibc).
 *     allocations MODEL
 * A run must ask for nothing, on any number of threads, and neither must a step of training; with an allocator hook the library must not ask at all, and
 * everything taken through the hook is given back.
 *
 * When the hook runs dry, at any point, the call fails, has given back what it took, has left no thread, and its
 * handles can be used again. Not tested, because it is not so: that the objects it was given are freed with their
 * handles afterwards (edgeai_allocator in edgeai.h). */
#define _GNU_SOURCE
#include "check.h"
#include <edgeai.h>
#include <edgeai_compress.h>
#include <edgeai_train.h>
#include <stdint.h>
#include <dirent.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
static volatile long heap_calls;

void *malloc(size_t n) { __atomic_fetch_add(&heap_calls, 1, __ATOMIC_SEQ_CST); return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { __atomic_fetch_add(&heap_calls, 1, __ATOMIC_SEQ_CST); return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { __atomic_fetch_add(&heap_calls, 1, __ATOMIC_SEQ_CST); return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { __atomic_fetch_add(&heap_calls, 1, __ATOMIC_SEQ_CST); return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { return memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { *p = memalign(a, n); return *p ? 0 : 12; }
void free(void *p) { __atomic_fetch_add(&heap_calls, 1, __ATOMIC_SEQ_CST); __libc_free(p); }

#define HOOK_MEMALIGN __libc_memalign
#define HOOK_FREE __libc_free
#include "failing_allocator.h"

static edgeai_error error;
static edgeai_allocator allocator;

static void runs_allocate_nothing(const char *path) {
  int threads;
  for (threads = 1; threads <= 4; threads++) {
    edgeai_session_options options;
    edgeai_model *model = NULL;
    edgeai_session *session = NULL;
    long before;
    int i;
    edgeai_session_options_init(&options, sizeof options);
    options.threads = threads;
    options.profile = threads % 2;
    options.trace_runs = threads > 2 ? 3 : 0;
    CHECK_STATUS(edgeai_model_open_file(path, NULL, &model, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_OK);
    before = heap_calls;
    for (i = 0; i < 20; i++) CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
    CHECK(heap_calls == before);
    edgeai_session_destroy(session);
    edgeai_model_destroy(model);
  }
}

enum { SAMPLES = 32, FEATURES = 6 };
static float samples[SAMPLES * FEATURES];
static int32_t labels[SAMPLES];
static const edgeai_span span = {samples, sizeof samples};

static void good_samples(void) {
  int i;
  for (i = 0; i < SAMPLES * FEATURES; i++) samples[i] = (float)(i * 37 % 64) / 32 - 1;
  for (i = 0; i < SAMPLES; i++) labels[i] = i % 3;
}

/* A network and a trainer of it with a method (none for a negative kind). With the hook if asked. */
static edgeai_status make_trainer(const edgeai_allocator *hook, int32_t kind, int32_t threads, edgeai_model **model,
                                  edgeai_trainer **trainer) {
  static const uint32_t widths[4] = {FEATURES, 20, 12, 3};
  static const edgeai_layer_value layers[1] = {{"fc2*", 0.5}};
  edgeai_architecture_options network;
  edgeai_training_method method;
  edgeai_trainer_options options;
  edgeai_status status;
  good_samples();
  edgeai_architecture_options_init(&network, sizeof network);
  network.architecture = EDGEAI_ARCHITECTURE_MLP;
  network.widths = widths;
  network.width_count = 4;
  network.batch_norm = 1;
  network.allocator = hook;
  status = edgeai_model_create(&network, model, &error);
  edgeai_trainer_options_init(&options, sizeof options);
  edgeai_training_method_init(&method, kind, sizeof method);
  /* Masks change in each of the first steps; surgery prunes and splices, by a share or by first thresholds. */
  method.every = 1;
  method.last = 15;
  method.power = 0;
  method.kept = threads == 2 ? 0 : 0.3;
  method.layers = layers;
  method.layer_count = kind == EDGEAI_TRAINING_MAGNITUDE_PRUNING || kind == EDGEAI_TRAINING_NETWORK_SURGERY;
  method.across_layers = threads == 3;
  options.batch = SAMPLES;
  options.threads = threads;
  options.dropout = 0.1f;
  options.clip_norm = 1;
  options.methods = &method;
  options.method_count = kind >= 0;
  if (!status) status = edgeai_trainer_create(*model, &options, trainer, &error);
  return status;
}

/* A trainer, `count` steps, and what it gives away; the first failure ends it. *grown: what the steps asked the heap for. */
static edgeai_status training(const edgeai_allocator *hook, int32_t kind, int32_t threads, int count, long *grown) {
  edgeai_training_metrics metrics;
  edgeai_model *model = NULL, *trained = NULL;
  edgeai_trainer *trainer = NULL;
  edgeai_status status = make_trainer(hook, kind, threads, &model, &trainer);
  const long before = heap_calls;
  size_t bytes;
  int i;
  metrics.struct_size = sizeof metrics;
  for (i = 0; i < count && !status; i++) {
    status = edgeai_trainer_step_labels(trainer, &span, 1, labels, SAMPLES, &metrics, &error);
  }
  *grown = heap_calls - before;
  if (!status) status = edgeai_trainer_evaluate_labels(trainer, &span, 1, labels, SAMPLES, &metrics, &error);
  if (!status) status = edgeai_trainer_export(trainer, EDGEAI_EXPORT_INFERENCE, &trained, &error);
  if (!status) status = edgeai_trainer_save_memory_required(trainer, &bytes, &error);
  edgeai_trainer_destroy(trainer);
  edgeai_model_destroy(trained);
  edgeai_model_destroy(model);
  return status;
}

static void steps_allocate_nothing(void) {
  int32_t kind, threads;
  for (threads = 1; threads <= 3; threads++)
    for (kind = -1; kind <= EDGEAI_TRAINING_EIGHT_BIT; kind++) {
      long grown = -1;
      CHECK_STATUS(training(NULL, kind, threads, 20, &grown), EDGEAI_OK);
      CHECK(grown == 0);
      if (grown != 0) printf("method %d on %d threads: %ld calls in 20 steps\n", (int)kind, (int)threads, grown);
    }
}

/* Training whose hook runs dry, as `main` does with everything else. */
static void training_running_dry(void) {
  long before = heap_calls, blocks, step, n, grown, refused = 0;
  taken = 0;
  budget = -1;
  CHECK_STATUS(training(&allocator, EDGEAI_TRAINING_MAGNITUDE_PRUNING, 1, 2, &grown), EDGEAI_OK);
  CHECK(heap_calls == before);
  CHECK(live_blocks == 0 && live_bytes == 0 && !wrong_size);
  blocks = taken;
  step = blocks / 300 + 1;
  for (n = 0; n < blocks; n += step) {
    taken = 0;
    budget = n;
    CHECK_STATUS(training(&allocator, EDGEAI_TRAINING_MAGNITUDE_PRUNING, 1, 2, &grown), EDGEAI_ERROR_OUT_OF_MEMORY);
    refused++;
  }
  budget = -1;
  taken = live_blocks = live_bytes = 0; /* objects that a call ran dry on may stay */
  printf("training: %ld blocks through the hook, out of memory at %ld of them\n", blocks, refused);
}

static int same_checkpoint(const edgeai_trainer *trainer, const edgeai_trainer *other) {
  static char bytes[2][1 << 16];
  size_t written[2] = {0, 0};
  CHECK_STATUS(edgeai_trainer_save_memory(trainer, bytes[0], sizeof bytes[0], &written[0], &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_trainer_save_memory(other, bytes[1], sizeof bytes[1], &written[1], &error), EDGEAI_OK);
  return written[0] > 0 && written[0] == written[1] && !memcmp(bytes[0], bytes[1], written[0]);
}

/* Steps that fail, and find no memory for their message: all is as before them, as for a trainer that did not try them. */
static void failing_steps_running_dry(void) {
  const float bad[2] = {NAN, 1e25f};
  edgeai_model *model = NULL, *other_model = NULL;
  edgeai_trainer *trainer = NULL, *other = NULL;
  int round, i;
  taken = 0;
  budget = -1;
  CHECK_STATUS(make_trainer(&allocator, EDGEAI_TRAINING_NETWORK_SURGERY, 1, &model, &trainer), EDGEAI_OK);
  CHECK_STATUS(make_trainer(NULL, EDGEAI_TRAINING_NETWORK_SURGERY, 1, &other_model, &other), EDGEAI_OK);
  for (round = 0; round < 3; round++) {
    for (i = 0; i < SAMPLES && round < 2; i++) samples[i * FEATURES] = i % 2 ? bad[round] : -bad[round];
    budget = 0;
    for (i = 0; i < 3; i++) {
      if (round == 2) edgeai_trainer_cancel(trainer);
      CHECK_STATUS(edgeai_trainer_step_labels(trainer, &span, 1, labels, SAMPLES, NULL, &error), EDGEAI_ERROR_OUT_OF_MEMORY);
    }
    budget = -1;
    CHECK(same_checkpoint(trainer, other));
    if (round < 2) CHECK_STATUS(edgeai_trainer_step_labels(trainer, &span, 1, labels, SAMPLES, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
    good_samples();
    CHECK_STATUS(edgeai_trainer_step_labels(other, &span, 1, labels, SAMPLES, NULL, &error), EDGEAI_OK);
    budget = 0; /* a step that is good needs none */
    CHECK_STATUS(edgeai_trainer_step_labels(trainer, &span, 1, labels, SAMPLES, NULL, &error), EDGEAI_OK);
    budget = -1;
    CHECK(same_checkpoint(trainer, other));
  }
  edgeai_trainer_destroy(trainer);
  edgeai_trainer_destroy(other);
  edgeai_model_destroy(model);
  edgeai_model_destroy(other_model);
  CHECK(!wrong_size);
  taken = live_blocks = live_bytes = 0; /* objects that a call ran dry on may stay */
}

/* Opens, runs, saves, quantizes and compares with the hook; the first failure ends it. */
static edgeai_status everything(const char *path) {
  edgeai_model_options options;
  edgeai_model *model = NULL, *quantized = NULL;
  edgeai_session *session = NULL;
  edgeai_session_options session_options;
  edgeai_calibration *calibration = NULL;
  edgeai_report *report = NULL;
  static float sample[1 << 16];
  edgeai_span span;
  edgeai_tensor_info info;
  size_t bytes;
  edgeai_status status;
  edgeai_model_options_init(&options, sizeof options);
  options.allocator = &allocator;
  info.struct_size = sizeof info;
  status = edgeai_model_open_file(path, &options, &model, &error);
  if (!status) status = edgeai_model_input_info(model, 0, &info, &error);
  span.data = sample;
  span.bytes = (size_t)info.bytes;
  edgeai_session_options_init(&session_options, sizeof session_options);
  session_options.trace_runs = 1;
  if (!status) status = edgeai_session_create(model, &session_options, &session, &error);
  if (!status) status = edgeai_session_run(session, &error);
  if (!status) status = edgeai_session_measure_peak(session, &error);
  if (!status) status = edgeai_session_write_trace(session, NULL, 0, &bytes, &error);
  if (!status) status = edgeai_session_tuning(session, NULL, 0, &bytes, &error);
  if (!status) status = edgeai_model_save_memory_required(model, &bytes, &error);
  if (!status) status = edgeai_model_export_onnx_memory_required(model, &bytes, &error);
  if (!status) status = edgeai_calibration_create(model, NULL, &calibration, &error);
  if (!status) status = edgeai_calibration_feed(calibration, &span, 1, &error);
  if (!status) status = edgeai_calibration_finish(calibration, &error);
  if (!status) status = edgeai_quantize(calibration, &quantized, &report, &error);
  if (!status) status = edgeai_report_write_json(report, NULL, 0, &bytes, &error);
  edgeai_report_destroy(report);
  edgeai_calibration_destroy(calibration);
  edgeai_session_destroy(session);
  edgeai_model_destroy(quantized);
  edgeai_model_destroy(model);
  return status;
}

/* A calibration that finds no memory to finish, at each of its blocks, takes more samples, finishes then, and is quantized with. */
static void finishes_running_dry(const char *path) {
  edgeai_model_options options;
  edgeai_tensor_info info;
  static float sample[1 << 16];
  edgeai_span span;
  edgeai_status status = EDGEAI_ERROR_OUT_OF_MEMORY;
  long n, refused = 0;
  edgeai_model_options_init(&options, sizeof options);
  options.allocator = &allocator;
  info.struct_size = sizeof info;
  for (n = 0; n < 1000 && status == EDGEAI_ERROR_OUT_OF_MEMORY; n++) {
    edgeai_model *model = NULL, *quantized = NULL;
    edgeai_calibration *calibration = NULL;
    budget = -1;
    CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_model_input_info(model, 0, &info, &error), EDGEAI_OK);
    span.data = sample;
    span.bytes = (size_t)info.bytes;
    CHECK_STATUS(edgeai_calibration_create(model, NULL, &calibration, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_calibration_feed(calibration, &span, 1, &error), EDGEAI_OK);
    taken = 0;
    budget = n;
    status = edgeai_calibration_finish(calibration, &error);
    budget = -1;
    if (status) {
      CHECK_STATUS(status, EDGEAI_ERROR_OUT_OF_MEMORY);
      CHECK_STATUS(edgeai_calibration_feed(calibration, &span, 1, &error), EDGEAI_OK);
      CHECK_STATUS(edgeai_calibration_finish(calibration, &error), EDGEAI_OK);
      refused++;
    }
    CHECK_STATUS(edgeai_quantize(calibration, &quantized, NULL, &error), EDGEAI_OK);
    edgeai_calibration_destroy(calibration);
    edgeai_model_destroy(quantized);
    edgeai_model_destroy(model);
  }
  CHECK(status == EDGEAI_OK && refused > 0);
  CHECK(!wrong_size);
  taken = live_blocks = live_bytes = 0; /* objects that a call ran dry on may stay */
  printf("finishing a calibration: out of memory at %ld blocks\n", refused);
}

/* Threads of this process. A thread that was joined may be listed for a moment more, so this waits for `expected`. */
static int threads_become(int expected) {
  int count = 0, tries;
  for (tries = 0; tries < 200; tries++) {
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    if (!tasks) return 0;
    count = 0;
    while ((entry = readdir(tasks))) count += entry->d_name[0] != '.';
    closedir(tasks);
    if (count == expected) return 1;
    usleep(5000);
  }
  return 0;
}

/* What each session asks for, and what the calibration that exists all the time has; both count the caller's. */
enum { THREADS = 4, THREADS_BEFORE = THREADS };

/* A session has no more than there are processors. */
static int threads_with_session(void) {
  cpu_set_t set;
  int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return THREADS_BEFORE + (processors < THREADS ? processors : THREADS) - 1;
}

enum creation { SESSION, SESSION_IN, CALIBRATION, QUANTIZED, TUNED, CREATIONS };
static const char *const creation_names[CREATIONS] = {"session", "session in given memory", "calibration", "quantize", "tuned session"};

/* What the creations start from; none of it is made anew when one ran dry. */
struct sources {
  edgeai_model *model;
  edgeai_calibration *calibration;
  edgeai_session_options session_options;
  edgeai_quantize_options quantize_options;
  size_t bytes, alignment;
};

/* Makes one thing with worker threads and, where that succeeds, destroys it. */
static edgeai_status create(enum creation what, const struct sources *from) {
  edgeai_session *session = NULL;
  edgeai_calibration *calibration = NULL;
  edgeai_model *quantized = NULL;
  edgeai_report *report = NULL;
  void *memory = NULL;
  edgeai_status status;
  if (what == SESSION || what == TUNED) {
    edgeai_session_options options = from->session_options;
    options.tune = what == TUNED;
    status = edgeai_session_create(from->model, &options, &session, &error);
  } else if (what == SESSION_IN) {
    memory = mmap(NULL, from->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return EDGEAI_ERROR_INTERNAL;
    status = edgeai_session_create_in(from->model, &from->session_options, memory, from->bytes, &session, &error);
  } else if (what == CALIBRATION) {
    status = edgeai_calibration_create(from->model, &from->quantize_options, &calibration, &error);
  } else {
    status = edgeai_quantize(from->calibration, &quantized, &report, &error);
  }
  if (session) CHECK(threads_become(threads_with_session()));
  if (session) CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  if (status) CHECK(!session && !calibration && !quantized && !report);
  edgeai_report_destroy(report);
  edgeai_model_destroy(quantized);
  edgeai_calibration_destroy(calibration);
  edgeai_session_destroy(session);
  if (memory) munmap(memory, from->bytes);
  return status;
}

/* Out of memory before and after the worker threads have started. */
static void running_dry_with_threads(const char *path) {
  static float sample[1 << 16];
  edgeai_model_options options;
  edgeai_tensor_info info;
  edgeai_span span;
  struct sources from;
  int what;
  memset(&from, 0, sizeof from);
  unmapping = 1;
  budget = -1;
  edgeai_model_options_init(&options, sizeof options);
  options.allocator = &allocator;
  edgeai_session_options_init(&from.session_options, sizeof from.session_options);
  from.session_options.threads = THREADS;
  from.session_options.spin_microseconds = 1000000; /* a worker that is left behind reads its block at once */
  edgeai_quantize_options_init(&from.quantize_options, sizeof from.quantize_options);
  from.quantize_options.threads = THREADS;
  info.struct_size = sizeof info;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &from.model, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_input_info(from.model, 0, &info, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_memory_required(from.model, &from.session_options, &from.bytes, &from.alignment, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_calibration_create(from.model, &from.quantize_options, &from.calibration, &error), EDGEAI_OK);
  span.data = sample;
  span.bytes = (size_t)info.bytes;
  CHECK_STATUS(edgeai_calibration_feed(from.calibration, &span, 1, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_calibration_finish(from.calibration, &error), EDGEAI_OK);

  for (what = 0; what < CREATIONS; what++) {
    const long base = live_blocks;
    long blocks, n, step, refused = 0;
    taken = 0;
    budget = -1;
    CHECK_STATUS(create((enum creation)what, &from), EDGEAI_OK);
    CHECK(live_blocks == base);
    blocks = taken;
    /* How much tuning takes depends on what it measures, and it takes its time. */
    step = blocks / (what == TUNED ? 20 : 150) + 1;
    /* The last blocks one by one: those are taken when the workers run. */
    for (n = 0; n < blocks; n += what == TUNED || n + step < blocks - 100 ? step : 1) {
      edgeai_status status;
      taken = 0;
      budget = n;
      status = create((enum creation)what, &from);
      if (what != TUNED || status != EDGEAI_OK) CHECK_STATUS(status, EDGEAI_ERROR_OUT_OF_MEMORY);
      CHECK(live_blocks == base);
      CHECK(threads_become(THREADS_BEFORE));
      refused++;
    }
    budget = -1;
    CHECK_STATUS(create((enum creation)what, &from), EDGEAI_OK);
    printf("%s on %d threads: %ld blocks, out of memory at %ld of them\n", creation_names[what], THREADS, blocks, refused);
  }
  edgeai_calibration_destroy(from.calibration);
  edgeai_model_destroy(from.model);
  unmapping = 0;
}

int main(int argc, char **argv) {
  long before, blocks, step, n, refused = 0;
  if (argc != 2) return 2;
  printf("allocations:\n"); /* stdio takes its buffer now */
  edgeai_error_init(&error, sizeof error);
  hook_init(&allocator);
  runs_allocate_nothing(argv[1]);
  steps_allocate_nothing();
  training_running_dry();
  failing_steps_running_dry();
  finishes_running_dry(argv[1]);

  budget = -1;
  before = heap_calls;
  CHECK_STATUS(everything(argv[1]), EDGEAI_OK);
  CHECK(heap_calls == before);
  CHECK(live_blocks == 0 && live_bytes == 0 && !wrong_size);
  blocks = taken;

  /* No memory at the n-th block: an error, no crash. Objects that a call ran dry on may stay, so only sizes are
   * checked here. */
  step = blocks / 400 + 1;
  for (n = 0; n < blocks; n += step) {
    edgeai_status status;
    taken = 0;
    budget = n;
    status = everything(argv[1]);
    CHECK_STATUS(status, EDGEAI_ERROR_OUT_OF_MEMORY);
    refused += status == EDGEAI_ERROR_OUT_OF_MEMORY;
  }
  CHECK(!wrong_size);
  printf("%ld blocks through the hook, out of memory at %ld of them\n", blocks, refused);
  running_dry_with_threads(argv[1]);
  CHECK(!wrong_size);
  return check_result("allocations");
}
