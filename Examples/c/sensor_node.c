/* sensor_node: a battery-powered sensor that recognizes motion.
 *
 * A three-axis accelerometer delivers one sample at a time into a ring buffer; every 32 samples the last 64 are
 * laid out as a window and classified. The model is linked in as a C array (sensor_model.h) and read in place, so
 * it stays in flash. The same file runs on a Linux host and on a bare Cortex-M4, and prints the same bytes:
 * everything but the border of the model is integer arithmetic. */
#include "sensor_model.h"
#include <edgeai.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WINDOW 64
#define AXES 3
#define HOP 32

/* ---- The ring buffer, filled one sample at a time as an interrupt would do. */
static int16_t ring[WINDOW][AXES];
static uint32_t ring_count;

static void ring_push(const int16_t sample[AXES]) {
  memcpy(ring[ring_count % WINDOW], sample, sizeof ring[0]);
  ring_count++;
}

/* The last WINDOW samples, oldest first, one axis after the other, in g. */
static void ring_window(float *x) {
  uint32_t axis, i;
  for (axis = 0; axis < AXES; axis++)
    for (i = 0; i < WINDOW; i++) x[axis * WINDOW + i] = (float)ring[(ring_count + i) % WINDOW][axis] / 256.0f;
}

/* ---- The sensor: integers only, so every machine sees the same motion. In 1/256 g. */
static uint32_t noise_state = 1;

static int32_t noise(void) {
  noise_state = noise_state * 1664525u + 1013904223u;
  return (int32_t)(noise_state >> 24) % 33 - 16;
}

static void read_sensor(uint32_t time, int16_t sample[AXES]) {
  static const int32_t period[3] = {60, 28, 7}, amplitude[3] = {8, 160, 400};
  uint32_t motion = time / 192 % 3; /* still, walking, shaking, three windows each */
  int32_t axis;
  for (axis = 0; axis < AXES; axis++) {
    int32_t phase = (int32_t)(time + (uint32_t)axis * 9) % period[motion];
    int32_t wave = 4 * amplitude[motion] * phase / period[motion]; /* 0 ... 4a: up to 2a, then down */
    wave = (wave > 2 * amplitude[motion] ? 4 * amplitude[motion] - wave : wave) - amplitude[motion];
    sample[axis] = (int16_t)(wave + noise() + (axis == 2 ? 256 : 0));
  }
}

static int fail(const edgeai_error *error) {
  printf("sensor_node: %s: %s\n", edgeai_status_name(error->status), error->message);
  return 1;
}

/* The arena. edgeai_session_memory_required is asked below, and one that is too small is refused. */
static union { unsigned char bytes[48 * 1024]; double align; } arena;

static void report(uint32_t time, const float *scores, const char *labels) {
  uint32_t best = 0, i, bits;
  for (i = 1; i < 3; i++)
    if (scores[i] > scores[best]) best = i;
  printf("t=%4u  scores", (unsigned)time);
  for (i = 0; i < 3; i++) { /* the exact bytes: what a host and a device are compared by */
    memcpy(&bits, &scores[i], sizeof bits);
    printf(" %08lx", (unsigned long)bits);
  }
  while (labels && best > 0) {
    labels = strchr(labels, ',');
    if (labels) labels++;
    best--;
  }
  printf("  %.*s\n", labels ? (int)strcspn(labels, ",") : 0, labels ? labels : "");
}

int main(void) {
  edgeai_error error;
  edgeai_session_options options;
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  const char *labels;
  size_t bytes, alignment, offset, x_bytes, y_bytes;
  void *x;
  const void *y;
  uint32_t time;
  int16_t sample[AXES];

  edgeai_error_init(&error, sizeof error);
  edgeai_session_options_init(&options, sizeof options);
  if (edgeai_model_open_memory(sensor_model, sizeof sensor_model, NULL, &model, &error) != EDGEAI_OK) return fail(&error);
  if (edgeai_session_memory_required(model, &options, &bytes, &alignment, &error) != EDGEAI_OK) return fail(&error);
  offset = (alignment - (uintptr_t)arena.bytes % alignment) % alignment;
  if (edgeai_session_create_in(model, &options, arena.bytes + offset, sizeof arena.bytes - offset, &session, &error) != EDGEAI_OK)
    return fail(&error);
  if (edgeai_session_input_buffer(session, 0, &x, &x_bytes, &error) != EDGEAI_OK) return fail(&error);
  if (x_bytes != WINDOW * AXES * sizeof(float)) {
    printf("sensor_node: the model takes another window\n");
    return 1;
  }
  labels = edgeai_model_metadata_find(model, "labels");

  for (time = 0; time < 3 * 192; time++) {
    read_sensor(time, sample);
    ring_push(sample);
    if (ring_count < WINDOW || ring_count % HOP != 0) continue;
    ring_window((float *)x);
    if (edgeai_session_run(session, &error) != EDGEAI_OK) return fail(&error);
    if (edgeai_session_output_buffer(session, 0, &y, &y_bytes, &error) != EDGEAI_OK) return fail(&error);
    report(time, (const float *)y, labels);
  }
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
  return 0;
}
