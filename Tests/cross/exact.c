/* Integer kernels of ARM against the reference, byte for byte: every zero point that kernels treat apart, and sizes around the
 * tiles. Prints what differs; ends with 1 where something does. */
#include "edgeai_kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ek_table tables[3]; /* the reference first */
static unsigned seed = 1;
static int compared, different;

static unsigned next(void) {
  seed = seed * 1664525u + 1013904223u;
  return seed >> 16;
}

static unsigned char *bytes(size_t count) {
  unsigned char *p = aligned_alloc(64, (count + 127) / 64 * 64);
  size_t i;
  for (i = 0; i < count; i++) p[i] = (unsigned char)next();
  return p;
}

static void *scratch_for(const ek_kernel *kernel, const void *arguments) {
  return bytes(kernel->scratch_bytes ? (size_t)kernel->scratch_bytes(arguments) : 0);
}

/* Results of `size` bytes at `y`, compared with the reference's at `expected`. */
static void compare(const ek_kernel *kernel, const unsigned char *y, const unsigned char *expected, size_t size, const char *what) {
  size_t i = 0;
  compared++;
  while (i < size && y[i] == expected[i]) i++;
  if (i == size) return;
  different++;
  printf("%s, %s: byte %zu is %d, the reference's %d\n", kernel->name, what, i, y[i], expected[i]);
}

/* A convolution, a depthwise one where `c.groups` is the number of channels, or one in Winograd's form. `largest`: what scales go
 * up to; with 4096 nearly all sums leave the range of a byte and some that of Int32. Results lie `apart` bytes further apart. */
static void convolution_apart(int operation, ek_conv c, float largest, int has_residual, int apart) {
  size_t taps = (size_t)(c.kh * c.kw * (c.c_in / c.groups)), size;
  unsigned char *x = bytes((size_t)(c.h * c.w * c.c_in)), *weights = bytes(taps * (size_t)c.c_out), *expected, *y, *residual;
  float *scale = malloc((size_t)c.c_out * sizeof *scale);
  char what[200];
  int i, set;
  for (i = 0; i < c.c_out; i++) scale[i] = (float)(1 + i % 7) / 8.0f * largest;
  c.n = 1;
  c.dilation_h = c.dilation_w = 1;
  c.pad_top = c.pad_left = c.kh / 2;
  c.oh = (c.h - 1) / c.stride_h + 1;
  c.ow = (c.w - 1) / c.stride_w + 1;
  c.x_stride = c.c_in;
  c.y_stride = c.residual_stride = c.c_out + apart;
  c.y_zero_point = 120;
  c.x = x;
  c.weights = weights;
  c.scale = scale;
  size = (size_t)(c.oh * c.ow * c.y_stride);
  expected = calloc(size, 1);
  y = calloc(size, 1);
  residual = bytes(size);
  if (has_residual) c.residual = residual;
  c.residual_zero_point = 7;
  c.residual_scale = 0.75f;
  snprintf(what, sizeof what, "%d x %d, %d -> %d, window %d, stride %d, zero point of weights %d, scales to %g, residual %d, %d...%d", c.h, c.w,
           c.c_in, c.c_out, c.kh, c.stride_w, c.w_zero_point, (double)largest, has_residual, c.q_min, c.q_max);
  for (set = 0; set < 3; set++) {
    const ek_kernel *kernel = ek_table_kernel(&tables[set], !set && operation == EK_CONV_WINOGRAD_U8 ? EK_CONV_U8 : operation);
    void *packed, *scratch;
    if (!kernel->run) continue;
    c.y = set ? y : expected;
    c.winograd = operation == EK_CONV_WINOGRAD_U8 ? 4 : 0;
    packed = bytes(kernel->packed_bytes ? (size_t)kernel->packed_bytes(&c) : 0);
    if (kernel->pack) kernel->pack(&c, packed);
    c.packed = packed;
    scratch = scratch_for(kernel, &c);
    kernel->run(&c, 0, kernel->units(&c), scratch);
    if (set) compare(kernel, y, expected, size, what);
    free(packed);
    free(scratch);
  }
  free(x);
  free(weights);
  free(expected);
  free(y);
  free(residual);
  free(scale);
}

static void convolution(int operation, ek_conv c, float largest, int has_residual) {
  c.x_zero_point = 3;
  convolution_apart(operation, c, largest, has_residual, 0);
}

static void product(int64_t m, int64_t n, int64_t k, int32_t a_zero_point, int32_t b_zero_point) {
  unsigned char *a = bytes((size_t)(m * k)), *b = bytes((size_t)(k * n)), *expected = bytes((size_t)(m * n)), *y = bytes((size_t)(m * n));
  ek_matmul p;
  char what[160];
  int set;
  memset(&p, 0, sizeof p);
  p.a = a;
  p.b = b;
  p.batch = p.inner_batch = 1;
  p.m = m;
  p.n = n;
  p.k = k;
  p.a_row_stride = k;
  p.a_column_stride = 1;
  p.b_row_stride = n;
  p.b_column_stride = 1;
  p.y_row_stride = n;
  p.a_zero_point = a_zero_point;
  p.b_zero_point = b_zero_point;
  p.y_zero_point = 120;
  p.scale = 1.0f / 4096.0f;
  snprintf(what, sizeof what, "%d x %d x %d, zero points %d and %d", (int)m, (int)k, (int)n, a_zero_point, b_zero_point);
  for (set = 0; set < 3; set++) {
    const ek_kernel *kernel = ek_table_kernel(&tables[set], EK_MATMUL_U8);
    void *scratch;
    if (!kernel->run) continue;
    p.y = set ? y : expected;
    scratch = scratch_for(kernel, &p);
    kernel->run(&p, 0, kernel->units(&p), scratch);
    if (set) compare(kernel, y, expected, (size_t)(m * n), what);
    free(scratch);
  }
  free(a);
  free(b);
  free(expected);
  free(y);
}

int main(void) {
  static const int32_t weights[] = {0, -128, -127, 1, 127}, products[] = {0, 1, 127, 128, 129, 255};
  static const int32_t columns[] = {1, 6, 16, 33, 48}, rows[] = {1, 5, 12, 29};
  static const float scales[] = {1.0f / 512.0f, 4096.0f};
  size_t i, j, k;
  ek_fill_reference(&tables[0]);
  ek_fill_neon(&tables[1]);
  ek_fill_neondot(&tables[2]);
  for (i = 0; i < sizeof weights / sizeof *weights; i++) {
    for (j = 0; j < sizeof columns / sizeof *columns; j++) {
      for (k = 0; k < 8; k++) {
        const float largest = scales[k & 1];
        const int has_residual = (k & 2) != 0;
        ek_conv c;
        memset(&c, 0, sizeof c);
        c.stride_h = c.stride_w = k & 4 ? 2 : 1;
        c.q_min = k & 1 ? 0 : 20;
        c.q_max = k & 2 ? 255 : 201;
        c.groups = 1;
        c.w_zero_point = weights[i];
        c.h = 7;
        c.w = 9;
        c.c_in = j == 4 ? 32 : 1 + (int32_t)j * 5; /* whole registers and parts of them */
        c.c_out = columns[j];
        c.kh = c.kw = 1;
        convolution(EK_CONV_U8, c, largest, has_residual);
        c.kh = c.kw = 5;
        convolution(EK_CONV_U8, c, largest, has_residual);
        c.groups = c.c_in = c.c_out;
        convolution(EK_DEPTHWISE_U8, c, largest, has_residual);
        c.kh = c.kw = 3;
        convolution(EK_DEPTHWISE_U8, c, largest, has_residual);
        c.w = 1; /* every window has padding on both sides */
        convolution(EK_DEPTHWISE_U8, c, largest, has_residual);
        /* Squares of 4 x 4 results: fewer than a tile has rows, some tiles, several blocks. */
        if (columns[j] % 8 || k & 4) continue;
        c.h = k & 1 ? 7 : 13 + 16 * (int32_t)(i % 2);
        c.w = 9 + 4 * (int32_t)j;
        c.c_in = 16 * (int32_t)(j + i % 2);
        c.groups = 1;
        c.x_zero_point = i == 0 ? 0 : i == 1 ? 255 : 100;
        convolution_apart(EK_CONV_WINOGRAD_U8, c, largest, has_residual, (int)(i % 3));
      }
    }
  }
  for (i = 0; i < sizeof products / sizeof *products; i++) {
    for (j = 0; j < sizeof rows / sizeof *rows; j++) {
      product(rows[j], columns[j], 37, 3, products[i]);
      product(rows[j], columns[4 - j], 64, products[i], 0);
    }
  }
  printf("%d of %d results differ\n", different, compared);
  return different != 0;
}
