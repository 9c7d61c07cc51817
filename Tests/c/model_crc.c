/* The bytes of a model's outputs, as one number: equal numbers, equal bytes.
 *     model_crc MODEL [ISA|- [THREADS [BATCH]]]
 * Runs 4 seeded samples in batches of BATCH (1, 2 or 4; 1 for models with a fixed batch) and prints a CRC-32 of all
 * outputs, each output's samples in order. */
#include <edgeai.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 4

static uint32_t crc32(uint32_t crc, const unsigned char *bytes, size_t count) {
  size_t i;
  int bit;
  crc = ~crc;
  for (i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

/* Values of one sample of one input: multiples of 1/64 in -2 ... 2, exact in float. */
static void fill(float *x, size_t count, uint32_t seed) {
  size_t i;
  for (i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)((int32_t)(seed >> 24) - 128) / 64.0f;
  }
}

static int fail(const edgeai_error *error) {
  fprintf(stderr, "model_crc: %s: %s (node '%s')\n", edgeai_status_name(error->status), error->message, error->node);
  return 1;
}

int main(int argc, char **argv) {
  edgeai_error error;
  edgeai_session_options options;
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  uint32_t crc[64] = {0}, all = 0;
  size_t i, outputs;
  int32_t sample;
  if (argc < 2) return 2;
  edgeai_error_init(&error, sizeof error);
  edgeai_session_options_init(&options, sizeof options);
  if (argc > 2 && strcmp(argv[2], "-") != 0) options.isa = argv[2];
  if (argc > 3) options.threads = atoi(argv[3]);
  if (argc > 4) options.batch = atoi(argv[4]);
  if (edgeai_model_open_file(argv[1], NULL, &model, &error) != EDGEAI_OK) return fail(&error);
  if (edgeai_session_create(model, &options, &session, &error) != EDGEAI_OK) return fail(&error);
  outputs = edgeai_session_output_count(session);
  if (outputs > 64) outputs = 64;
  for (sample = 0; sample < SAMPLES; sample += options.batch) {
    for (i = 0; i < edgeai_session_input_count(session); i++) {
      void *x;
      size_t bytes, each;
      int32_t k;
      if (edgeai_session_input_buffer(session, i, &x, &bytes, &error) != EDGEAI_OK) return fail(&error);
      each = bytes / sizeof(float) / (size_t)options.batch;
      for (k = 0; k < options.batch; k++) fill((float *)x + (size_t)k * each, each, (uint32_t)(sample + k) * 977u + (uint32_t)i);
    }
    if (edgeai_session_run(session, &error) != EDGEAI_OK) return fail(&error);
    for (i = 0; i < outputs; i++) {
      const void *y;
      size_t bytes;
      if (edgeai_session_output_buffer(session, i, &y, &bytes, &error) != EDGEAI_OK) return fail(&error);
      crc[i] = crc32(crc[i], (const unsigned char *)y, bytes);
    }
  }
  for (i = 0; i < outputs; i++) all = crc32(all, (const unsigned char *)&crc[i], 4);
  printf("%08lx\n", (unsigned long)all);
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
  return 0;
}
