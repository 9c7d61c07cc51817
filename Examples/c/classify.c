/* classify: what is in a picture?
 *
 *     classify [--raw] MODEL IMAGE [MEAN STD]
 *
 * MODEL is a .edgeai or .onnx file with one image input, [N, H, W, C] or [N, C, H, W]; IMAGE a binary PGM or PPM
 * of that size and number of channels. Every pixel p enters as (p / 255 - MEAN) / STD. Without the last two
 * arguments they come from the model's metadata ("input.mean", "input.std"), else they are 0 and 1. Names of the
 * classes come from the metadata "labels", separated by commas. With --raw the bits of every score are printed
 * instead, one hexadecimal number a line, to compare with another program's to the last bit. */
#include <edgeai.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int width, height, channels;
  unsigned char *pixels; /* rows of pixels, channels side by side */
} image;

static int fail(const char *what, const char *why) {
  fprintf(stderr, "classify: %s: %s\n", what, why);
  return 1;
}

/* The next number of a PGM or PPM header, over white space and comments; -1 if there is none. */
static int header_number(FILE *file) {
  int c = getc(file), value = 0, digits = 0;
  while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
    if (c == '#')
      while (c != '\n' && c != EOF) c = getc(file);
    c = getc(file);
  }
  for (; c >= '0' && c <= '9' && digits < 6; digits++, c = getc(file)) value = 10 * value + (c - '0');
  return digits > 0 ? value : -1; /* the one character after the number is eaten, as the format wants */
}

static int read_image(const char *path, image *result) {
  size_t size;
  int depth, p, kind;
  FILE *file = fopen(path, "rb");
  if (!file) return fail(path, "cannot be opened");
  p = getc(file);
  kind = getc(file);
  result->channels = kind == '5' ? 1 : 3;
  result->width = header_number(file);
  result->height = header_number(file);
  depth = header_number(file);
  if (p != 'P' || (kind != '5' && kind != '6') || result->width < 1 || result->height < 1 || depth != 255) {
    fclose(file);
    return fail(path, "is not a binary PGM or PPM with 8 bits");
  }
  size = (size_t)result->width * (size_t)result->height * (size_t)result->channels;
  result->pixels = (unsigned char *)malloc(size);
  if (!result->pixels || fread(result->pixels, 1, size, file) != size) {
    fclose(file);
    free(result->pixels);
    return fail(path, "is cut off");
  }
  fclose(file);
  return 0;
}

/* Pixels to numbers, in the order the model wants. */
static void fill_input(float *x, const image *img, int channels_first, double mean, double std) {
  int pixels = img->width * img->height, i, c;
  for (i = 0; i < pixels; i++)
    for (c = 0; c < img->channels; c++)
      x[channels_first ? c * pixels + i : i * img->channels + c] =
          (float)((img->pixels[i * img->channels + c] / 255.0 - mean) / std);
}

/* The index-th of the names between commas. */
static void print_label(const char *labels, size_t index) {
  while (labels && index > 0) {
    labels = strchr(labels, ',');
    if (labels) labels++;
    index--;
  }
  if (labels) printf("  %.*s", (int)strcspn(labels, ","), labels);
}

static void print_best(const float *y, size_t count, const char *labels) {
  size_t rank, i, shown[5];
  for (rank = 0; rank < 5 && rank < count; rank++) {
    size_t best = count, j;
    for (i = 0; i < count; i++) {
      for (j = 0; j < rank && shown[j] != i; j++) {}
      if (j == rank && (best == count || y[i] > y[best])) best = i;
    }
    shown[rank] = best;
    printf("%u. class %u  score %.6f", (unsigned)rank + 1, (unsigned)best, (double)y[best]);
    print_label(labels, best);
    printf("\n");
  }
}

static void print_raw(const float *y, size_t count) {
  size_t i;
  for (i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &y[i], sizeof bits);
    printf("%08lx\n", (unsigned long)bits);
  }
}

static double number(const char *argument, const edgeai_model *model, const char *key, double otherwise) {
  const char *text = argument ? argument : edgeai_model_metadata_find(model, key);
  return text ? strtod(text, NULL) : otherwise;
}

int main(int argc, char **argv) {
  edgeai_error error;
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  edgeai_tensor_info in, out;
  image img = {0, 0, 0, NULL};
  void *x;
  const void *y;
  int channels_first, raw, result = 1;

  raw = argc > 1 && strcmp(argv[1], "--raw") == 0;
  argc -= raw;
  argv += raw;
  if (argc != 3 && argc != 5) return fail("usage", "classify [--raw] MODEL IMAGE [MEAN STD]");
  if (edgeai_abi_check(EDGEAI_ABI_VERSION) != EDGEAI_OK) return fail("libedgeai", "is not the one this was built for");
  edgeai_error_init(&error, sizeof error);
  in.struct_size = out.struct_size = sizeof in;
  if (edgeai_model_open_file(argv[1], NULL, &model, &error) != EDGEAI_OK ||
      edgeai_session_create(model, NULL, &session, &error) != EDGEAI_OK ||
      edgeai_session_input_info(session, 0, &in, &error) != EDGEAI_OK ||
      edgeai_session_output_info(session, 0, &out, &error) != EDGEAI_OK ||
      edgeai_session_input_buffer(session, 0, &x, NULL, &error) != EDGEAI_OK) {
    fail(argv[1], error.message);
  } else if (in.dtype != EDGEAI_DTYPE_FLOAT32 || in.rank != 4 || out.dtype != EDGEAI_DTYPE_FLOAT32) {
    fail(argv[1], "does not take an image and give scores in float32");
  } else if (read_image(argv[2], &img) == 0) {
    channels_first = in.dims[1] == img.channels && in.dims[2] == img.height && in.dims[3] == img.width;
    if (!channels_first && (in.dims[1] != img.height || in.dims[2] != img.width || in.dims[3] != img.channels)) {
      fail(argv[2], "does not have the size or the channels the model wants");
    } else {
      fill_input((float *)x, &img, channels_first, number(argc == 5 ? argv[3] : NULL, model, "input.mean", 0),
                 number(argc == 5 ? argv[4] : NULL, model, "input.std", 1));
      if (edgeai_session_run(session, &error) == EDGEAI_OK &&
          edgeai_session_output_buffer(session, 0, &y, NULL, &error) == EDGEAI_OK) {
        if (raw) print_raw((const float *)y, (size_t)(out.bytes / sizeof(float)));
        else print_best((const float *)y, (size_t)(out.bytes / sizeof(float)), edgeai_model_metadata_find(model, "labels"));
        result = 0;
      } else {
        fail(argv[1], error.message);
      }
    }
  }
  free(img.pixels);
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
  return result;
}
