/* Counts what the C library's heap is asked for, by standing in front of it (glibc).
 *     allocations MODEL
 * A run must ask for nothing, on any number of threads; with an allocator hook the library must not ask at all. And
 * everything taken through the hook is given back, also when it runs dry at any point. */
#include "check.h"
#include <edgeai.h>
#include <edgeai_compress.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

/* The hook: counts, checks sizes, and runs dry after `budget` blocks. */
static long live_blocks, live_bytes, budget, taken;
static int wrong_size;
static void *take(void *context, size_t size, size_t alignment) {
  size_t *block;
  (void)context;
  if (budget >= 0 && taken >= budget) return NULL;
  block = (size_t *)__libc_memalign(alignment < 64 ? 64 : alignment, size + 64);
  if (!block) return NULL;
  taken++;
  live_blocks++;
  live_bytes += (long)size;
  block[0] = size;
  return (char *)block + 64;
}
static void give(void *context, void *pointer, size_t size) {
  size_t *block = (size_t *)(void *)((char *)pointer - 64);
  (void)context;
  if (block[0] != size) wrong_size = 1;
  live_blocks--;
  live_bytes -= (long)size;
  __libc_free(block);
}

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
    CHECK_STATUS(edgeai_model_open_file(path, NULL, &model, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_OK);
    before = heap_calls;
    for (i = 0; i < 20; i++) CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
    CHECK(heap_calls == before);
    edgeai_session_destroy(session);
    edgeai_model_destroy(model);
  }
}

/* Opens, runs, saves, quantizes and compares with the hook; the first failure ends it. */
static edgeai_status everything(const char *path) {
  edgeai_model_options options;
  edgeai_model *model = NULL, *quantized = NULL;
  edgeai_session *session = NULL;
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
  if (!status) status = edgeai_session_create(model, NULL, &session, &error);
  if (!status) status = edgeai_session_run(session, &error);
  if (!status) status = edgeai_model_save_memory_required(model, &bytes, &error);
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

int main(int argc, char **argv) {
  long before, blocks, step, n, refused = 0;
  if (argc != 2) return 2;
  printf("allocations:\n"); /* stdio takes its buffer now */
  edgeai_error_init(&error, sizeof error);
  edgeai_allocator_init(&allocator, sizeof allocator);
  allocator.allocate = take;
  allocator.deallocate = give;
  runs_allocate_nothing(argv[1]);

  budget = -1;
  before = heap_calls;
  CHECK_STATUS(everything(argv[1]), EDGEAI_OK);
  CHECK(heap_calls == before);
  CHECK(live_blocks == 0 && live_bytes == 0 && !wrong_size);
  blocks = taken;

  /* No memory at the n-th block: an error, no crash. Blocks that a call abandoned may keep older objects alive, so
   * only sizes are checked here. */
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
  return check_result("allocations");
}
