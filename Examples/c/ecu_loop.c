/* ecu_loop: a control unit's loop. No heap, a fixed period, every deadline accounted for.
 *
 *     ecu_loop MODEL [PERIOD_US [CYCLES]]
 *
 * All memory is static: the model's image, a pool for the library's bookkeeping (through the allocator hook) and
 * the session's arena (edgeai_session_create_in). After the start nothing is taken from any of them. At the end
 * stands a table of where the time of the slowest steps went. */
#define _POSIX_C_SOURCE 200112L
#include <edgeai.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Sized for this unit's model; edgeai_session_memory_required and the pool's high-water mark, both printed, say
 * how much of each is in use. Unions align them. */
static union { unsigned char bytes[4 << 20]; double align[8]; } flash;
static union { unsigned char bytes[8 << 20]; double align[8]; } pool;
static union { unsigned char bytes[8 << 20]; double align[8]; } arena;

/* ---- The pool: hands out from one end. It only takes back the block handed out last; a unit that opens its model once
 * needs no more. */
static size_t pool_used, pool_peak;

static void *pool_allocate(void *context, size_t size, size_t alignment) {
  uintptr_t base = (uintptr_t)pool.bytes;
  uintptr_t at = (base + pool_used + alignment - 1) & ~(uintptr_t)(alignment - 1);
  (void)context;
  if (at - base > sizeof pool.bytes || size > sizeof pool.bytes - (at - base)) return NULL;
  pool_used = (size_t)(at - base) + size;
  if (pool_used > pool_peak) pool_peak = pool_used;
  return (void *)at;
}

static void pool_deallocate(void *context, void *pointer, size_t size) {
  size_t at = (size_t)((unsigned char *)pointer - pool.bytes);
  (void)context;
  if (at + size == pool_used) pool_used = at;
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t ns) {
  struct timespec t;
  int64_t left = ns - now_ns();
  if (left <= 0) return;
  t.tv_sec = (time_t)(left / 1000000000);
  t.tv_nsec = (long)(left % 1000000000);
  nanosleep(&t, NULL);
}

static int check(edgeai_status status, const edgeai_error *error) {
  if (status == EDGEAI_OK) return 0;
  fprintf(stderr, "ecu_loop: %s: %s%s%s\n", edgeai_status_name(status), error->message, error->node[0] ? ", node " : "", error->node);
  return 1;
}

/* The sensor: a signal that moves from cycle to cycle. */
static void sample_sensor(float *x, size_t count, uint32_t cycle) {
  size_t i;
  for (i = 0; i < count; i++) x[i] = (float)((i * 7 + cycle * 13) % 64) / 32.0f - 1.0f;
}

static void print_worst_steps(const edgeai_session *session) {
  size_t i, count = edgeai_session_plan_count(session);
  printf("%-24s %-14s %9s %9s %9s\n", "step", "operator", "mean us", "best us", "worst us");
  for (i = 0; i < count; i++) {
    edgeai_step_info step;
    edgeai_step_times times;
    step.struct_size = sizeof step;
    times.struct_size = sizeof times;
    if (edgeai_session_plan_info(session, i, &step, NULL) != EDGEAI_OK) continue;
    if (edgeai_session_step_times(session, i, &times, NULL) != EDGEAI_OK || times.runs == 0) continue;
    printf("%-24.24s %-14.14s %9.1f %9.1f %9.1f\n", step.name, step.op, (double)times.total / (double)times.runs / 1e3,
           (double)times.least / 1e3, (double)times.most / 1e3);
  }
}

int main(int argc, char **argv) {
  int64_t period_ns = (argc > 2 ? atol(argv[2]) : 10000) * (int64_t)1000;
  uint32_t cycles = argc > 3 ? (uint32_t)atol(argv[3]) : 200, cycle, missed = 0;
  int64_t next, worst = 0, best = INT64_MAX, total = 0;
  size_t flash_size, bytes, alignment, x_bytes, pool_at_start;
  edgeai_error error;
  edgeai_allocator allocator;
  edgeai_model_options model_options;
  edgeai_session_options options;
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  void *memory, *x;
  FILE *file;

  /* A real unit has the image in its flash; here a file stands for it. */
  if (argc < 2 || !(file = fopen(argv[1], "rb"))) {
    fprintf(stderr, "usage: ecu_loop MODEL [PERIOD_US [CYCLES]]\n");
    return 1;
  }
  setvbuf(file, NULL, _IONBF, 0);
  flash_size = fread(flash.bytes, 1, sizeof flash.bytes, file);
  fclose(file);

  edgeai_error_init(&error, sizeof error);
  edgeai_allocator_init(&allocator, sizeof allocator);
  allocator.allocate = pool_allocate;
  allocator.deallocate = pool_deallocate;
  edgeai_model_options_init(&model_options, sizeof model_options);
  model_options.allocator = &allocator;
  edgeai_session_options_init(&options, sizeof options);
  options.profile = 1;
  if (check(edgeai_model_open_memory(flash.bytes, flash_size, &model_options, &model, &error), &error)) return 1;
  if (check(edgeai_session_memory_required(model, &options, &bytes, &alignment, &error), &error)) return 1;
  memory = arena.bytes + (alignment - (uintptr_t)arena.bytes % alignment) % alignment;
  if ((size_t)((unsigned char *)memory - arena.bytes) + bytes > sizeof arena.bytes) {
    fprintf(stderr, "ecu_loop: the arena needs %lu bytes\n", (unsigned long)(bytes + alignment));
    return 1;
  }
  if (check(edgeai_session_create_in(model, &options, memory, bytes, &session, &error), &error)) return 1;
  if (check(edgeai_session_input_buffer(session, 0, &x, &x_bytes, &error), &error)) return 1;
  printf("model %lu bytes, arena %lu bytes, pool %lu bytes at most\n", (unsigned long)flash_size, (unsigned long)bytes,
         (unsigned long)pool_peak);

  pool_at_start = pool_peak;
  next = now_ns();
  for (cycle = 0; cycle < cycles; cycle++) {
    int64_t begin, spent;
    sleep_until(next);
    begin = now_ns();
    sample_sensor((float *)x, x_bytes / sizeof(float), cycle);
    if (check(edgeai_session_run(session, &error), &error)) return 1;
    spent = now_ns() - begin;
    if (spent > worst) worst = spent;
    if (spent < best) best = spent;
    total += spent;
    next += period_ns;
    if (now_ns() > next) { /* overran: count it, and begin the next period late rather than twice */
      missed++;
      next = now_ns();
    }
  }
  printf("%u cycles of %ld us: mean %.1f us, best %.1f us, worst %.1f us, %u deadlines missed\n", (unsigned)cycles,
         (long)(period_ns / 1000), cycles ? (double)total / cycles / 1e3 : 0.0, (double)(cycles ? best : 0) / 1e3, (double)worst / 1e3,
         (unsigned)missed);
  print_worst_steps(session);
  printf("memory taken while running: %lu bytes\n", (unsigned long)(pool_peak - pool_at_start));
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
  return 0;
}
