/* Runs kernels of the library, each once between two marks of count.c: the cases of a table on standard input, whose lines are
 *     ISA OPERATION HEIGHT WIDTH CHANNELS_IN CHANNELS_OUT KERNEL STRIDE ...
 * with the operations conv_f32, conv_u8, winograd_u8, depthwise_f32, depthwise_u8. Empty lines and lines that begin with # are skipped. */
#include "edgeai_kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK_BEGIN 700001
#define MARK_END 700002

/* Bytes that look random, the same in every run. */
static void *bytes(size_t count, unsigned seed) {
  unsigned char *p = aligned_alloc(64, (count + 127) / 64 * 64);
  size_t i;
  for (i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    p[i] = (unsigned char)(seed >> 24);
  }
  return p;
}

/* Floats between -1 and 1. */
static void *floats(size_t count, unsigned seed) {
  signed char *raw = bytes(count, seed);
  float *p = bytes(4 * count, 0);
  size_t i;
  for (i = 0; i < count; i++) p[i] = (float)raw[i] / 128.0f;
  free(raw);
  return p;
}

static void run(const ek_kernel *kernel, ek_conv c, int is_float) {
  size_t pixels = (size_t)c.h * (size_t)c.w * (size_t)c.c_in, results = (size_t)c.oh * (size_t)c.ow * (size_t)c.c_out;
  size_t weights = (size_t)c.c_out * (size_t)c.kh * (size_t)c.kw * (size_t)(c.c_in / c.groups);
  void *x = is_float ? floats(pixels, 1) : bytes(pixels, 1), *plain = is_float ? floats(weights, 2) : bytes(weights, 2);
  void *y = bytes(results * (is_float ? 4 : 1), 3), *bias = calloc((size_t)c.c_out, 4), *packed, *scratch;
  float *scale = floats((size_t)c.c_out, 4);
  int i;
  for (i = 0; i < c.c_out; i++) scale[i] = 1.0f / 4096.0f;
  c.x = x;
  c.weights = plain;
  c.bias = bias;
  c.scale = scale;
  c.y = y;
  packed = bytes(kernel->packed_bytes ? (size_t)kernel->packed_bytes(&c) : 0, 5);
  if (kernel->pack) kernel->pack(&c, packed);
  c.packed = packed;
  scratch = bytes((size_t)kernel->scratch_bytes(&c), 6);
  syscall(MARK_BEGIN);
  kernel->run(&c, 0, kernel->units(&c), scratch);
  syscall(MARK_END);
  free(x);
  free(plain);
  free(y);
  free(bias);
  free(packed);
  free(scratch);
  free(scale);
}

int main(void) {
  static ek_table neon, neondot;
  char line[256], isa[32], operation[32];
  ek_fill_neon(&neon);
  ek_fill_neondot(&neondot);
  while (fgets(line, sizeof line, stdin)) {
    ek_conv c;
    int kernel, stride, number;
    const ek_kernel *found;
    memset(&c, 0, sizeof c);
    if (line[0] == '#' || line[0] == '\n') continue;
    if (sscanf(line, "%31s %31s %d %d %d %d %d %d", isa, operation, &c.h, &c.w, &c.c_in, &c.c_out, &kernel, &stride) != 8) return 2;
    number = !strcmp(operation, "conv_f32")        ? EK_CONV_F32
             : !strcmp(operation, "conv_u8")       ? EK_CONV_U8
             : !strcmp(operation, "winograd_u8")   ? EK_CONV_WINOGRAD_U8
             : !strcmp(operation, "depthwise_f32") ? EK_DEPTHWISE_F32
             : !strcmp(operation, "depthwise_u8")  ? EK_DEPTHWISE_U8
                                                   : -1;
    if (number < 0) return 2;
    c.n = 1;
    c.groups = number == EK_DEPTHWISE_F32 || number == EK_DEPTHWISE_U8 ? c.c_in : 1;
    c.kh = c.kw = kernel;
    c.stride_h = c.stride_w = stride;
    c.pad_top = c.pad_left = kernel / 2;
    c.dilation_h = c.dilation_w = 1;
    c.oh = (c.h + 2 * c.pad_top - kernel) / stride + 1;
    c.ow = (c.w + 2 * c.pad_left - kernel) / stride + 1;
    c.x_stride = c.c_in;
    c.y_stride = c.residual_stride = c.c_out;
    c.winograd = number == EK_CONV_WINOGRAD_U8 ? 4 : 0;
    c.clamp_min = 0;
    c.clamp_max = 6;
    c.x_zero_point = 3;
    c.y_zero_point = 0;
    c.q_min = 0;
    c.q_max = 255;
    found = ek_table_kernel(strcmp(isa, "neon") ? &neondot : &neon, number);
    if (!found->run) found = ek_table_kernel(&neon, number); /* what a set leaves out its base has */
    run(found, c, number == EK_CONV_F32 || number == EK_DEPTHWISE_F32);
  }
  return 0;
}
