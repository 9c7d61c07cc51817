/* Quantizes a model on seeded numbers: for tests that need an int8 model and do not care how good it is.
 *     quantize_model MODEL OUT.edgeai [SAMPLES.raw [ARRAY.h NAME]]
 * SAMPLES.raw: float32 samples to calibrate on instead, one after another. ARRAY.h: the file as a C array, too. */
#include <edgeai.h>
#include <edgeai_compress.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const edgeai_error *error) {
  fprintf(stderr, "quantize_model: %s: %s (node '%s', tensor '%s')\n", edgeai_status_name(error->status), error->message, error->node,
          error->tensor);
  return 1;
}

static int write_array(const char *path, const char *name, const edgeai_model *model, edgeai_error *error) {
  size_t bytes, i;
  unsigned char *image;
  FILE *file;
  if (edgeai_model_save_memory_required(model, &bytes, error) != EDGEAI_OK) return fail(error);
  image = (unsigned char *)malloc(bytes);
  file = fopen(path, "w");
  if (!image || !file) return 1;
  if (edgeai_model_save_memory(model, image, bytes, NULL, error) != EDGEAI_OK) return fail(error);
  fprintf(file, "/* A .edgeai model, made by Examples/models/make_sensor_model.sh. */\n");
  fprintf(file, "static const unsigned char %s[%lu]\n#if defined(__GNUC__)\n    __attribute__((aligned(64)))\n#endif\n    = {", name,
          (unsigned long)bytes);
  for (i = 0; i < bytes; i++) fprintf(file, "%s%u,", i % 24 ? "" : "\n  ", image[i]);
  fprintf(file, "\n};\n");
  free(image);
  return fclose(file) != 0;
}

int main(int argc, char **argv) {
  edgeai_error error;
  edgeai_model *model = NULL, *quantized = NULL;
  edgeai_calibration *calibration = NULL;
  edgeai_report *report = NULL;
  edgeai_report_info summary;
  edgeai_tensor_info info;
  edgeai_span span;
  FILE *samples = argc > 3 ? fopen(argv[3], "rb") : NULL;
  float *x;
  size_t i, count;
  uint32_t seed = 1;
  int round;
  if (argc < 3 || (argc > 3 && !samples)) return 2;
  edgeai_error_init(&error, sizeof error);
  info.struct_size = sizeof info;
  summary.struct_size = sizeof summary;
  if (edgeai_model_open_file(argv[1], NULL, &model, &error) != EDGEAI_OK) return fail(&error);
  if (edgeai_model_input_info(model, 0, &info, &error) != EDGEAI_OK) return fail(&error);
  if (edgeai_calibration_create(model, NULL, &calibration, &error) != EDGEAI_OK) return fail(&error);
  x = (float *)malloc((size_t)info.bytes);
  if (!x) return 1;
  count = (size_t)info.bytes / sizeof(float);
  span.data = x;
  span.bytes = (size_t)info.bytes;
  for (round = 0; samples || round < 32; round++) {
    if (samples) {
      if (fread(x, sizeof(float), count, samples) != count) break;
    } else {
      for (i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)((int32_t)(seed >> 24) - 128) / 64.0f;
      }
    }
    if (edgeai_calibration_feed(calibration, &span, 1, &error) != EDGEAI_OK) return fail(&error);
  }
  if (samples) fclose(samples);
  if (edgeai_calibration_finish(calibration, &error) != EDGEAI_OK) return fail(&error);
  if (edgeai_quantize(calibration, &quantized, &report, &error) != EDGEAI_OK) return fail(&error);
  if (edgeai_report_describe(report, &summary, &error) != EDGEAI_OK) return fail(&error);
  if (edgeai_model_save_file(quantized, argv[2], &error) != EDGEAI_OK) return fail(&error);
  if (argc > 5 && write_array(argv[4], argv[5], quantized, &error)) return 1;
  printf("%lu -> %lu bytes, output SQNR %.1f dB, %lu of %lu layers in float\n", (unsigned long)summary.bytes_before,
         (unsigned long)summary.bytes_after, summary.output_sqnr_db, (unsigned long)summary.float_layer_count,
         (unsigned long)summary.layer_count);
  free(x);
  edgeai_report_destroy(report);
  edgeai_calibration_destroy(calibration);
  edgeai_model_destroy(quantized);
  edgeai_model_destroy(model);
  return 0;
}
