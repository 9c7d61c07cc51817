/* The contract between the runtime and the kernels: one table of functions per instruction set.
 *
 * A kernel is a pure function over memory. It is described by an argument structure, split into
 * independent units of work, and called with a range of them:
 *
 *     kernel->run(args, begin, end, scratch);      0 <= begin <= end <= kernel->units(args)
 *
 * Any partition of the units over any number of threads gives the same bytes. `scratch` is private to the
 * calling thread, 64-byte aligned and at least kernel->scratch_bytes(args) long. Kernels never allocate,
 * never fail, never read or write outside the tensors they are given.
 *
 * Every argument structure begins with its pointers, so the planner can place buffers by slot number
 * (slot i is the i-th pointer) without knowing the structure. Tensors are dense and row-major unless a
 * stride says otherwise; images are NHWC; convolution weights are OHWI.
 *
 * Quantized tensors: activations are uint8, real = (q - zero_point) * scale. Weights are int8, symmetric,
 * one scale for each output channel; those of a convolution may have one zero point for all. A product is
 * (x - x_zero_point) * (w - w_zero_point), sums are exact (modulo 2^32). Every integer result is
 *
 *     t = Float(acc) * scale[c]                                one IEEE multiply, no FMA
 *     t = t + Float(r - residual_zero_point) * residual_scale  where there is a residual; one more rounding
 *                                                              for each operation, in this order
 *     q = int(roundHalfEven(clamp(t, q_min - zero_point, q_max - zero_point))) + zero_point
 *
 * so all instruction sets, thread counts and batch splits give identical bytes.
 */
#ifndef EDGEAI_KERNELS_H
#define EDGEAI_KERNELS_H
#include <stdint.h>
#include <stddef.h>

#define EK_MAX_RANK 8

/* Operations. One entry of the table for each; the numbers are stable inside one build only. */
enum {
  EK_CONV_F32 = 0,           /* ek_conv      convolution, any groups; a dense layer is a 1x1 convolution on a 1x1 image */
  EK_CONV_U8,                /* ek_conv      uint8 activations, int8 weights */
  EK_DEPTHWISE_F32,          /* ek_conv      groups == c_in == c_out; weights [1][kh][kw][c] (tap-major) */
  EK_DEPTHWISE_U8,           /* ek_conv */
  EK_CONV_TRANSPOSE_F32,     /* ek_conv      weights OHWI: [c_out][kh][kw][c_in/groups] */
  EK_CONV_TRANSPOSE_U8,      /* ek_conv */
  EK_MATMUL_F32,             /* ek_matmul */
  EK_MATMUL_U8,              /* ek_matmul */
  EK_MAX_POOL_F32,           /* ek_pool */
  EK_MAX_POOL_U8,            /* ek_pool */
  EK_AVERAGE_POOL_F32,       /* ek_pool */
  EK_AVERAGE_POOL_U8,        /* ek_pool */
  EK_REDUCE_F32,             /* ek_reduce */
  EK_REDUCE_U8,              /* ek_reduce */
  EK_BINARY_F32,             /* ek_binary    broadcasting */
  EK_BINARY_U8,              /* ek_binary */
  EK_UNARY_F32,              /* ek_unary */
  EK_LOOKUP_U8,              /* ek_lookup    any uint8 -> uint8 function: activations, requantization */
  EK_SOFTMAX_F32,            /* ek_softmax */
  EK_SOFTMAX_U8,             /* ek_softmax */
  EK_COPY,                   /* ek_copy      transpose, slice, split, concat, expand: any strided copy */
  EK_FILL,                   /* ek_fill */
  EK_GATHER,                 /* ek_gather    rows by index: gather, nearest resize, reflect and edge padding */
  EK_RESIZE_F32,             /* ek_resize    separable taps: linear, cubic */
  EK_RESIZE_U8,              /* ek_resize */
  EK_LOCAL_RESPONSE_NORM_F32,/* ek_lrn */
  EK_QUANTIZE,               /* ek_quantize  float -> uint8 */
  EK_DEQUANTIZE,             /* ek_quantize  uint8 -> float */
  EK_TYPED_ELEMENTWISE,      /* ek_typed     any element types: what the float kernels do not do */
  EK_TYPED_REDUCE,           /* ek_typed_reduce */
  EK_TYPED_SCAN,             /* ek_typed_reduce  running sums and products */
  EK_TYPED_MATMUL,           /* ek_typed_matmul  integers */
  EK_TAKE,                   /* ek_index     y[i] = x[position(i)] */
  EK_PUT,                    /* ek_index     y[position(i)] = f(y[position(i)], x[i]) */
  EK_TOP_K,                  /* ek_top_k */
  EK_CROP,                   /* ek_crop      the first entries along an axis */
  EK_NON_ZERO,               /* ek_non_zero */
  EK_UNIQUE,                 /* ek_unique */
  EK_NON_MAX_SUPPRESSION,    /* ek_nms */
  EK_RECURRENT_F32,          /* ek_recurrent */
  EK_CONV_WINOGRAD_F32,      /* ek_conv      3x3 or 5x5, stride 1, one group, 8 channels and more; units() is 0 for others. No reference */
  EK_CONV_BF16,              /* ek_conv      floats, of which x and the weights are rounded to bfloat16. No reference: EK_CONV_F32 of rounded floats is equal */
  EK_LAYER_NORM_F32,         /* ek_layer_norm */
  EK_LAYER_NORM_U8,          /* ek_layer_norm */
  EK_CONV_BINARY,            /* ek_conv      signs as bits, binary or ternary weights; one group */
  EK_BINARIZE,               /* ek_binarize  float -> bits */
  EK_CONV_SPARSE_F32,        /* ek_conv      packs the weights that are not zero; one group; units() is 0 for others. No reference: EK_CONV_F32's */
  EK_CONV_SPARSE_U8,         /* ek_conv      the same, w_zero_point 0. No reference: EK_CONV_U8's */
  EK_CONV_WEIGHT_GRADIENT_F32, /* ek_conv     x as ever, slot 1: gradient of the result, y_stride apart; y: [c_out][kh][kw][c_in/groups] */
  EK_POOL_GRADIENT_F32,      /* ek_pool_gradient */
  EK_CHANNEL_SUMS_F32,       /* ek_channel_sums */
  EK_CHANNEL_COMBINE_F32,    /* ek_channel_combine */
  EK_CHANNEL_AFFINE_F32,     /* ek_channel_affine */
  EK_OPTIMIZER_STEP_F32,     /* ek_optimizer_step */
  EK_RANDOM_F32,             /* ek_random */
  EK_DEPTHWISE_BF16,         /* ek_conv      EK_DEPTHWISE_F32 of which y is pairs, c_out even. No reference */
  EK_MASK,                   /* ek_typed     comparisons and choices by a mask, on vectors */
  EK_CONV_WINOGRAD_U8,       /* ek_conv      3x3, stride 1, one group; units() is 0 for others, packed_bytes() for weights that are too large. No reference: EK_CONV_U8 is equal */
  EK_OPERATION_COUNT
};

/* Fused activation of convolution, pooling and binary kernels: only clamp is fused (ReLU, ReLU6, Clip). */

/* Unary functions (ek_unary.function). Parameters alpha, beta as noted. */
enum {
  EK_UNARY_CLAMP = 0,      /* min(max(x, alpha), beta) */
  EK_UNARY_LEAKY_RELU,     /* x < 0 ? alpha x : x */
  EK_UNARY_SIGMOID, EK_UNARY_TANH,
  EK_UNARY_HARD_SIGMOID,   /* max(0, min(1, alpha x + beta)) */
  EK_UNARY_HARD_SWISH,     /* x max(0, min(1, x/6 + 1/2)) */
  EK_UNARY_SILU,           /* x sigmoid(x) */
  EK_UNARY_GELU,           /* x/2 (1 + erf(x / sqrt 2)) */
  EK_UNARY_GELU_TANH,
  EK_UNARY_ELU,            /* x < 0 ? alpha (exp x - 1) : x */
  EK_UNARY_SELU,           /* beta (x < 0 ? alpha (exp x - 1) : x) */
  EK_UNARY_CELU,           /* max(0,x) + min(0, alpha (exp(x/alpha) - 1)) */
  EK_UNARY_SOFTPLUS, EK_UNARY_SOFTSIGN, EK_UNARY_MISH,
  EK_UNARY_THRESHOLDED_RELU, /* x > alpha ? x : 0 */
  EK_UNARY_ERF, EK_UNARY_EXP, EK_UNARY_LOG, EK_UNARY_SQRT, EK_UNARY_RECIPROCAL,
  EK_UNARY_ABS, EK_UNARY_NEGATE, EK_UNARY_FLOOR, EK_UNARY_CEIL, EK_UNARY_ROUND, EK_UNARY_SIGN,
  EK_UNARY_COUNT,          /* of EK_UNARY_F32; from here on EK_TYPED_ELEMENTWISE */
  EK_UNARY_SIN = EK_UNARY_COUNT, EK_UNARY_COS, EK_UNARY_TAN, EK_UNARY_ASIN, EK_UNARY_ACOS, EK_UNARY_ATAN,
  EK_UNARY_SINH, EK_UNARY_COSH, EK_UNARY_ASINH, EK_UNARY_ACOSH, EK_UNARY_ATANH,
  EK_UNARY_NOT,            /* bool: 1 - x; integers: every bit */
  EK_UNARY_IS_NAN, EK_UNARY_IS_INFINITE, /* alpha != 0 counts +inf, beta != 0 counts -inf */
  EK_UNARY_BINARIZE,       /* x >= 0 ? 1 : -1; of EK_UNARY_F32 too */
  EK_UNARY_CAST,           /* x in y's type */
  EK_UNARY_TYPED_COUNT,
  /* Of EK_UNARY_F32, for plans; no operator of a graph. */
  EK_UNARY_BFLOAT16 = EK_UNARY_TYPED_COUNT /* x rounded to bfloat16, half to even; subnormal numbers become 0 */
};
/* Binary functions (ek_binary.function). */
enum { EK_BINARY_ADD = 0, EK_BINARY_SUBTRACT, EK_BINARY_MULTIPLY, EK_BINARY_DIVIDE, EK_BINARY_MINIMUM, EK_BINARY_MAXIMUM,
       EK_BINARY_POWER, EK_BINARY_PRELU /* a < 0 ? a b : a */,
       EK_BINARY_COUNT, /* of EK_BINARY_F32; from here on EK_TYPED_ELEMENTWISE */
       EK_BINARY_MODULO = EK_BINARY_COUNT /* with b's sign */, EK_BINARY_REMAINDER /* with a's sign */,
       EK_BINARY_EQUAL, EK_BINARY_LESS, EK_BINARY_LESS_OR_EQUAL, EK_BINARY_AND, EK_BINARY_OR, EK_BINARY_XOR,
       EK_BINARY_SHIFT_LEFT, EK_BINARY_SHIFT_RIGHT, EK_BINARY_TYPED_COUNT,
       /* Of EK_BINARY_F32: clamp_min < b && b < clamp_max ? a : 0, b NaN gives 0. */
       EK_BINARY_GATE = EK_BINARY_TYPED_COUNT,
       /* Of the typed kernels, for plans; no function of a graph. */
       EK_BINARY_NOT_EQUAL };
/* Reductions (ek_reduce.function). */
enum { EK_REDUCE_MEAN = 0, EK_REDUCE_SUM, EK_REDUCE_MAX, EK_REDUCE_MIN, EK_REDUCE_PROD, EK_REDUCE_L1, EK_REDUCE_L2, EK_REDUCE_SUM_SQUARE,
       EK_REDUCE_COUNT, /* of EK_REDUCE_F32; from here on EK_TYPED_REDUCE */
       EK_REDUCE_LOG_SUM = EK_REDUCE_COUNT, EK_REDUCE_LOG_SUM_EXP,
       EK_REDUCE_ARG_MAX, EK_REDUCE_ARG_MAX_LAST, EK_REDUCE_ARG_MIN, EK_REDUCE_ARG_MIN_LAST, EK_REDUCE_TYPED_COUNT };

/* Element types of the typed kernels, with the numbers of the `.edgeai` format. */
enum { EK_TYPE_FLOAT32 = 1, EK_TYPE_UINT8, EK_TYPE_INT8, EK_TYPE_INT32, EK_TYPE_INT64, EK_TYPE_BOOL, EK_TYPE_FLOAT16,
       EK_TYPE_FLOAT64, EK_TYPE_INT16, EK_TYPE_UINT16, EK_TYPE_UINT32, EK_TYPE_UINT64, EK_TYPE_BFLOAT16 };

/* A quantized tensor's type as kernels see it. */
typedef struct { float scale; int32_t zero_point; } ek_quant;

typedef struct {
  const void *x;         /* slot 0: [n][h][w] pixels of c_in elements, x_stride apart */
  const void *weights;   /* slot 1: plain weights, float or int8 */
  const void *bias;      /* slot 2: [c_out] float or int32, or NULL; int32 has scale x.scale * w.scale[c] */
  const float *scale;    /* slot 3: u8 only, [c_out]: x.scale * w.scale[c] / y.scale */
  const void *residual;  /* slot 4: same shape as y, residual_stride apart, or NULL; added before the clamp */
  const void *packed;    /* slot 5: what pack() wrote; unused where packed_bytes is NULL */
  void *y;               /* slot 6: [n][oh][ow] pixels of c_out elements, y_stride apart */
  int32_t n, h, w, c_in, oh, ow, c_out, groups;
  int32_t kh, kw, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  int32_t x_stride, y_stride, residual_stride;
  float clamp_min, clamp_max;          /* f32: -inf, +inf when there is no activation */
  int32_t x_zero_point, y_zero_point;  /* u8; padding has the value x_zero_point */
  int32_t q_min, q_max;                /* u8: within 0...255 */
  int32_t residual_zero_point; float residual_scale;  /* u8: residual.scale / y.scale */
  int32_t w_zero_point;                /* u8: of all weights, within int8; 0 for symmetric ones */
  int32_t winograd;                    /* EK_CONV_WINOGRAD_*: results along the side of a square: 2, 4 or 6 (5x5, u8: 4) */
  int32_t planes, y_bits;              /* EK_CONV_BINARY: 2 where a weight may be 0, else 1; whether y is bits */
  int32_t sparse;                      /* EK_CONV_SPARSE_*: EK_SPARSE_PANELS or EK_SPARSE_PIXELS */
  int32_t x_pairs, y_pairs;            /* EK_CONV_BF16: whether x, y are pairs */
} ek_conv;
typedef struct { const void *x; void *y; int64_t pixels; int32_t c, y_stride; } ek_binarize;
/* slots 0, 1: x [pixels][c] float; y as the x of EK_CONV_BINARY, y_stride bytes a pixel: the bit is x >= 0, so NaN is -1. */
/* Pairs: words of two neighbouring channels, each rounded to bfloat16, the first in the upper half. x_stride, y_stride count
 * words; a group has an even number of channels there. */
/* EK_CONV_BINARY: x holds signs, a bit for each channel of a pixel, 1 for +1 and 0 for -1: bit i of byte c is channel 8 c + i.
 * A pixel's bytes are a multiple of 8; bits behind the last channel are 0. x_stride, and y_stride where y is bits, count bytes.
 * Of the float weights only the signs count, of -1, 0, +1. Taps outside the image add nothing. With
 *     dot = the sum of sign * weight's sign over the taps inside the image, exact
 *     t = Float(dot) * scale[c]; t = t + bias[c]; t = t + residual     one rounding for each operation
 * y is clamp(t). Where y is bits, there is neither scale nor residual, and bias holds int32 of at most 2^24: bit c is dot >= bias[c].
 * kh kw c_in planes <= 65535, the tiled kernels' largest count. */

/* How a sparse convolution multiplies, and so which zeros it leaves out. Zeros that are left out are not multiplied with: of
 * infinity or NaN in x they do not make NaN. packed_bytes() of a sparse kernel reads the weights. */
enum {
  EK_SPARSE_PANELS = 1,                /* lanes are outputs: an input that no output of a panel (16; 8 on ARM) has a weight for */
  EK_SPARSE_PIXELS                     /* lanes are pixels: each zero weight (u8: zeros of one output's four, or two, neighbouring inputs) */
};

typedef struct {
  const void *a, *b, *bias; void *y;   /* slots 0...3; bias [n] float or NULL (f32 only) */
  int64_t batch, m, n, k;
  int64_t inner_batch;                 /* the batch is groups of so many matrices; divides it */
  int64_t a_group_stride, a_batch_stride, a_row_stride, a_column_stride;  /* elements; group and batch stride 0 broadcast */
  int64_t b_group_stride, b_batch_stride, b_row_stride, b_column_stride;
  int64_t y_group_stride, y_batch_stride, y_row_stride;  /* columns of y follow each other */
  float clamp_min, clamp_max;
  int32_t a_zero_point, b_zero_point, y_zero_point; float scale;  /* u8: a.scale * b.scale / y.scale */
} ek_matmul;

/* Each matrix of the batch has as many units, and they follow each other: those of the first one are 0 ..< units / batch. */

/* Where matrix i of a batch begins, by the strides of groups and matrices. */
static inline int64_t ek_matrix_offset(const ek_matmul *a, int64_t i, int64_t group_stride, int64_t batch_stride) {
  return i / a->inner_batch * group_stride + i % a->inner_batch * batch_stride;
}

typedef struct {
  const void *x; void *y;              /* slots 0, 1 */
  int32_t n, h, w, c, oh, ow, x_stride, y_stride;
  int32_t kh, kw, stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right, dilation_h, dilation_w;
  int32_t count_include_pad;           /* average: divide by the window's size inside the padded image; else by the real pixels */
  float clamp_min, clamp_max;
  int32_t x_zero_point, y_zero_point; float scale;  /* u8 average: x.scale / y.scale; max keeps x's type. A window that has no real pixel: f32 -> 0 (average), lowest (max) */
  int32_t q_min, q_max;
} ek_pool;
/* u8 average: acc = sum (x - x_zero_point), q from t = Float(acc) * (scale / Float(count)). */

typedef struct {
  const void *x; void *y;              /* slots 0, 1: x [outer][axis][inner] -> y [outer][inner] */
  int64_t outer, axis, inner; int32_t function;
  ek_quant x_quant, y_quant;
} ek_reduce;
/* u8: mean and sum in int32 then t = Float(acc) * ((x.scale / y.scale) / Float(axis) for mean, x.scale / y.scale for sum);
 * max, min: integer on x, then t = Float(x - zx) * (x.scale / y.scale); others are not offered in u8. */

typedef struct {
  const void *a, *b; void *y;          /* slots 0...2; y dense of shape dims; a or b may be y where its strides are y's */
  int32_t rank, function; int64_t dims[EK_MAX_RANK], a_stride[EK_MAX_RANK], b_stride[EK_MAX_RANK];
  float clamp_min, clamp_max;          /* f32 */
  ek_quant a_quant, b_quant, y_quant; int32_t q_min, q_max;
  int64_t first, end;                  /* the elements of y that are computed, of which the units are parts: 0 and all, or a band's */
} ek_binary;
/* u8: v = f(Float(a - za) * sa, Float(b - zb) * sb); t = v * (1 / sy) with the reciprocal taken once in float. NaN -> 0. */

typedef struct { const void *x; void *y; int64_t count; int32_t function; float alpha, beta; } ek_unary;    /* slots 0, 1; x == y allowed */
typedef struct { const void *x, *table; void *y; int64_t count; } ek_lookup;                               /* slots 0...2; table 256 bytes; x == y allowed */
typedef struct {
  const void *x; void *y; int64_t outer, axis, inner; int32_t log; ek_quant x_quant, y_quant;
} ek_softmax;
/* u8: with d = max - x: P = the integer nearest to exp(-d x.scale) 2^23 in double, even of two; S = the exact sum of P;
 * t = Float(P) * Float(1 / (Double(S) Double(y.scale))); of the logarithm
 * t = Float(-d x.scale - log(Double(S) 2^-23)) * (1 / y.scale). */

typedef struct {
  const void *x; const float *scale, *bias; void *y;  /* slots 0...3: x, y [rows][axis]; scale, bias [axis]; x == y allowed */
  int64_t rows, axis; float epsilon; ek_quant x_quant, y_quant;
} ek_layer_norm;
/* f32: (x - mean) / sqrt(variance + epsilon) * scale + bias of each row. u8: with s the sum of a row's q and r that of
 * their squares, both exact, n = axis,
 *     variance = Double(n r - s s) / (Double(n) Double(n)) * (Double(x.scale) Double(x.scale)) + Double(epsilon)
 *     mean = Float(Double(s) / Double(n)), factor = Float(Double(x.scale) / sqrt(variance))
 *     t = ((Float(q) - mean) * factor) * scale[i] + bias[i], one rounding for each operation; NaN -> 0
 * where scale and bias have been divided by y.scale. axis <= 2^17. */

typedef struct {
  const void *x; void *y;              /* slots 0, 1; x_offset, y_offset and strides in elements */
  int32_t rank, element_bytes; int64_t dims[EK_MAX_RANK], x_stride[EK_MAX_RANK], y_stride[EK_MAX_RANK], x_offset, y_offset;
} ek_copy;
typedef struct { void *y; int64_t count; int32_t element_bytes; uint8_t value[8]; } ek_fill;
typedef struct {
  const void *x; const int32_t *indices; void *y;  /* slots 0...2: y[o][j][:] = x[o][indices[j]][:] ; indices already validated */
  int64_t outer, axis_in, axis_out, inner_bytes;
} ek_gather;
typedef struct {
  const void *x; const int32_t *index_h; const float *weight_h; const int32_t *index_w; const float *weight_w; void *y;  /* slots 0...5 */
  int32_t n, h, w, c, oh, ow, taps;    /* index_h [oh][taps], weight_h [oh][taps]; y = sum_i sum_j wh_i ww_j x */
  ek_quant x_quant, y_quant;
} ek_resize;
/* u8: v = sum_i wh_i * (sum_j ww_j * Float(x - zx)), each sum in index order; t = v * (x.scale / y.scale). */
typedef struct { const void *x; void *y; int64_t pixels; int32_t c, size; float alpha, beta, bias; } ek_lrn;
typedef struct { const void *x; void *y; int64_t count, pixels; float scale; int32_t zero_point, planes; } ek_quantize;
/* quantize: t = x * (1 / scale) with the reciprocal taken once; NaN -> zero_point. x is pictures of `planes`, 1 or 3, planes of
 * `pixels` elements, y the same pictures as pixels of `planes` elements: y[i][pixel][plane] = x[i][plane][pixel].
 * dequantize: Float(x - zero_point) * scale, without planes. */

/* The typed kernels widen elements to 64 bits, compute, and store the result in y's type:
 * - integers and bool as int64 (uint64 as its bit pattern, compared, divided and shifted right as unsigned); storing
 *   keeps the low bits. Division drops the fraction; x / 0, x mod 0 and their remainders are 0; a negative power is
 *   the quotient 1 / x^n. A shift by 64 or more, or by a negative amount, leaves 0 (right, of a negative number: -1).
 * - floats as double; storing rounds once, half to even. Of two operands, one float and one integer, both are floats.
 * - float to integer drops the fraction; NaN gives 0; beyond int64 (uint64 for uint64) the nearest bound, then the low
 *   bits. Anything to bool is x != 0. */
typedef struct {
  const void *a, *b, *c; void *y;      /* slots 0...3; y dense of shape dims */
  int32_t inputs, function;            /* 1: EK_UNARY_*, 2: EK_BINARY_*, 3: a ? b : c */
  int32_t a_type, b_type, c_type, y_type, rank;
  float alpha, beta;
  int64_t dims[EK_MAX_RANK], a_stride[EK_MAX_RANK], b_stride[EK_MAX_RANK], c_stride[EK_MAX_RANK];
  int64_t first, end;                  /* the elements of y that are computed, as in ek_binary */
} ek_typed;
/* EK_MASK is EK_TYPED_ELEMENTWISE of what attention makes and reads masks with: comparisons of two float32, int32, int64, uint8 or
 * bool, and a ? b : c with a bool a, which moves the bits of b and c; b or c may be y where its strides are y's. With three inputs and
 * EK_BINARY_NOT_EQUAL there is no a: c != c ? b : c of float32. */
/* Operand 0, 1 or 2, and its stride along an axis; -1: the extent. */
static inline const void *ek_typed_operand(const ek_typed *t, int32_t operand) { return operand == 0 ? t->a : operand == 1 ? t->b : t->c; }
static inline int64_t ek_typed_stride(const ek_typed *t, int32_t operand, int32_t axis) {
  return (operand < 0 ? t->dims : operand == 0 ? t->a_stride : operand == 1 ? t->b_stride : t->c_stride)[axis];
}
typedef struct {
  const void *x; void *y;              /* slots 0, 1: x [outer][axis][inner] -> y [outer][inner] (scan: [outer][axis][inner]) */
  int64_t outer, axis, inner;
  int32_t function, x_type, y_type;    /* reduce: EK_REDUCE_*; scan: EK_REDUCE_SUM or EK_REDUCE_PROD */
  int32_t exclusive, reverse;          /* scan: without the own element; from the end */
} ek_typed_reduce;
/* Folded in the order of the axis. Integers: mean, l2 and logarithms are computed in double. Maximum and minimum
 * propagate NaN, which is also the best of arg max and arg min (int64; the first of equals, or the last). An empty axis
 * gives 0 (sums), 1 (product), the lowest or highest number (max, min), NaN (mean), -inf (logarithms). */
typedef struct {
  const void *a, *b; void *y;          /* slots 0...2; y [batch][m][n] dense */
  int64_t batch, m, n, k, a_batch_stride, b_batch_stride;  /* elements; a [m][k] and b [k][n] dense; batch stride 0 broadcasts */
  int32_t type, reserved;              /* of all three; sums wrap around */
} ek_typed_matmul;
typedef struct {
  const void *x, *indices; void *y;    /* slots 0...2; rows of row_elements that follow each other */
  int64_t row_elements, dims[EK_MAX_RANK];                 /* how many positions i: the product of dims */
  int64_t stride[EK_MAX_RANK];         /* elements from one position to the next in the indexed tensor, by dimension */
  int64_t index_stride[EK_MAX_RANK];   /* the same in indices */
  int64_t extent[EK_MAX_RANK], extent_stride[EK_MAX_RANK]; /* of the axes a tuple of indices points into */
  int32_t rank, tuple, index_type, type;                   /* tuple: numbers in one index, index_step apart; index_type int32 or int64 */
  int64_t index_step;
  int32_t function, reserved;          /* put: EK_BINARY_* joins old and new, -1 replaces */
} ek_index;
/* position(i) = i . stride + sum_j index_j * extent_stride_j. A negative index counts from the end; one that is still
 * outside 0 ..< extent is moved to the nearest end: kernels never fail. Put is one unit of work, in the order of i, and
 * y holds the old data. */
typedef struct {
  const void *x; void *values, *indices;  /* slots 0...2: x [outer][axis][inner] -> [outer][k][inner]; indices int64 */
  int64_t outer, axis, inner, k;          /* 1 <= k <= axis */
  int32_t type, largest;                  /* sorted, best first; the lower index first among equals; NaN is the largest */
} ek_top_k;
typedef struct { int32_t function; float alpha, beta, input_scale, input_offset, output_scale; } ek_activation;
/* output_scale f(input_scale x + input_offset), f of EK_UNARY_F32. */
enum { EK_RNN = 0, EK_GRU, EK_LSTM };
typedef struct {
  const void *gates;                   /* slot 0: [batch][steps] vectors of G hidden floats; G = 1, 3 (z r n), 4 (i o f n) */
  const void *weights;                 /* slot 1: [G hidden][hidden] */
  const void *bias;                    /* slot 2: [hidden], of n where reset_after_product, or NULL */
  const void *initial_h, *initial_c;   /* slots 3, 4: [batch][hidden], or NULL for zeros */
  const void *peepholes;               /* slot 5: [3][hidden] for i, o, f, or NULL */
  const void *lengths;                 /* slot 6: [batch] of length_type int32 or int64, or NULL */
  const void *packed;                  /* slot 7 */
  void *y;                             /* slot 8: [batch][steps] vectors of hidden floats, or NULL */
  void *last_h, *last_c;               /* slots 9, 10: [batch][hidden]; c of an LSTM */
  int64_t step_stride, row_stride;     /* of gates and y: vectors from step to step and from sequence to sequence */
  int32_t kind, steps, batch, hidden, reverse, reset_after_product, couple_gates, length_type;
  float clip, cell_clip;
  ek_activation f, g, h;
} ek_recurrent;
/* The recurrence is graph operator `recurrent`'s. The states of a sequence live in last_h and last_c. */

/* How many steps a sequence has. */
static inline int32_t ek_recurrent_length(const ek_recurrent *a, int32_t row) {
  int64_t length = a->steps;
  if (a->lengths) length = a->length_type == EK_TYPE_INT32 ? ((const int32_t *)a->lengths)[row] : ((const int64_t *)a->lengths)[row];
  return length < 0 ? 0 : length < a->steps ? (int32_t)length : a->steps;
}

/* Results whose size depends on data: y has room for `bound` entries; those past the entries found are zeros. `count`
 * receives how many there are, which may be more than the bound: then the first ones are in y. */
typedef struct {
  const void *x; void *y;              /* slots 0, 1: x [outer][axis][inner] -> y [outer][bound][inner] */
  const int64_t *count;                /* slot 2: entries that are copied; what is beyond axis or bound is not */
  int64_t outer, axis, inner, bound;
  int32_t element_bytes, reserved;
  uint8_t fill[8];                     /* what elements of other entries become */
} ek_crop;
typedef struct {
  const void *x; int64_t *y, *count;   /* slots 0...2: coordinates [rank][bound], in row-major order; NaN is not zero */
  int64_t elements, bound, dims[EK_MAX_RANK];
  int32_t rank, type;
} ek_non_zero;
typedef struct {
  const void *x; void *y;              /* slots 0, 1: x [outer][axis][inner] -> y [outer][bound][inner] */
  int64_t *first, *inverse, *counts, *count;  /* slots 2...5: [bound], [axis], [bound], one */
  int64_t outer, axis, inner, bound;
  int32_t type, sorted;                /* entries ascend element by element, NaN after all numbers; or in the order of `first` */
} ek_unique;
typedef struct {
  const float *boxes, *scores;         /* slots 0, 1: [batches][boxes][4], [batches][classes][boxes] */
  int64_t *y, *count;                  /* slots 2, 3: [bound][3] of batch, class, box; by batch, class, falling score */
  int64_t batches, classes, box_count, most, bound;   /* box_count fits 32 bits */
  float overlap, threshold;            /* a box goes that overlaps a chosen one more; scores must be above the threshold */
  int32_t has_threshold, centered;
} ek_nms;
/* Of equal scores the lower index is first. Boxes without area overlap nothing. All in float, in the order
 * (x1 - x0) * (y1 - y0), intersection / (area1 + area2 - intersection). */

/* ---- Training ---- */

typedef struct {
  ek_pool pool;                        /* slots 0, 1: x, and y: the gradient of x, dense. As of the pool itself */
  const float *dy;                     /* slot EK_POOL_GRADIENT_DY: [n][oh][ow][c], dense */
  int32_t is_max, reserved;
} ek_pool_gradient;
enum { EK_POOL_GRADIENT_DY = offsetof(ek_pool_gradient, dy) / sizeof(void *) };
/* Each window adds to y, which begins as zeros, in the order of oh, ow. Maximum: dy to the pixel that is the maximum, the first of
 * equals in the order kh, kw; a NaN is one, and then the first NaN has it. Average: dy / Float(count) to each real pixel, with the
 * pool's count; x may then be NULL. A window without a real pixel adds nothing. The clamp is not looked at. One rounding for each
 * operation, no fused ones: every set gives the same bits. */

/* Sums over rows, for each channel. With n rows, they are cut into `blocks` equal parts (the last ones may be shorter or empty:
 * block i has rows i * ceil(n / blocks) ...), and a unit sums one part in order: the result does not depend on the threads. Two
 * sums of a row's element x (and dy):
 *   EK_SUMS_MEAN              x                                 y [blocks][1][c]
 *   EK_SUMS_VARIANCE          (x - mean)^2                      y [blocks][1][c]
 *   EK_SUMS_GRADIENT          dy, dy * (x - mean)               y [blocks][2][c] */
enum { EK_SUMS_MEAN = 0, EK_SUMS_VARIANCE, EK_SUMS_GRADIENT, EK_SUMS_NONE /* of ek_channel_combine alone */ };
typedef struct {
  const float *x, *dy, *mean; float *y;  /* slots 0...3; x, dy [rows][c] */
  int64_t rows; int32_t c, blocks, function, reserved;
} ek_channel_sums;

/* Adds the blocks' sums in order from the first one's, and makes of them, with n rows and s = 1 / sqrt(variance + epsilon):
 *   EK_SUMS_MEAN, _VARIANCE   y0 = sum / n
 *   EK_SUMS_GRADIENT          y0 = sum1 * s (of scale), y1 = sum0 (of bias), and factors [3][c] of EK_CHANNEL_AFFINE_F32 for the
 *                             gradient of x: dy * f0 + x * f1 + f2 with f0 = scale s, f1 = -scale s^3 sum1 / n,
 *                             f2 = -scale s sum0 / n - f1 mean
 *   EK_SUMS_NONE              factors of the normalization itself, x * f0 + f2: f0 = scale s, f1 = 0, f2 = bias - mean f0
 * with one rounding for each operation. A unit is 16 channels. */
typedef struct {
  const float *sums, *scale, *bias, *mean, *variance; float *y0, *y1, *factors;  /* slots 0...7; those of other functions are NULL */
  int64_t rows; int32_t c, blocks, function; float epsilon;
} ek_channel_combine;

/* y = clamp(x * f[0][c] (+ z * f[1][c]) + f[2][c]), one rounding for each operation, from the left, none fused; x, z, y [rows][c]; z may be NULL; y may be x or z. */
typedef struct {
  const float *x, *z, *factors; float *y;  /* slots 0...3 */
  int64_t rows; int32_t c; float clamp_min, clamp_max;
} ek_channel_affine;

typedef struct {
  const float *w, *g, *rates, *factor; /* slots 0...3; factor: one float or NULL */
  const float *m, *v;                  /* slots 4, 5: first moment (rmsprop: its only one), second moment or NULL */
  float *w_out, *m_out, *v_out;        /* slots 6...8; each may be its operand */
  int64_t count; int32_t kind; float rate, decay;
} ek_optimizer_step;
/* Graph operator `optimizerStep`'s kinds, with l = rates[0] * rate, b1 = rates[1], b2 = rates[2], e = rates[3], d = rates[4] * decay,
 * c1 = rates[5], c2 = rates[6], and first g = g * factor where there is one. One rounding for each operation, in the order
 * written, from the left; every set gives the same bits, so nothing is fused, and no division becomes a multiplication.
 *   sgd       g = g + d * w; m = b1 * m + g; w = w - l * m
 *   nesterov  g = g + d * w; m = b1 * m + g; w = w - l * (g + b1 * m)
 *   adam      g = g + d * w; m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g * g; w = w - l * (m / c1) / (sqrt(v / c2) + e) - 0 * v
 *   adamW     w = w - l * d * w; then as adam, without its first formula
 *   rmsprop   g = g + d * w; m = b2 * m + (1 - b2) * g * g; w = w - l * g / (sqrt(m) + e) - 0 * m
 * The last terms change no parameter, but one whose mean of squares has overflowed: it becomes NaN. Otherwise it would never move
 * again, and nobody would notice. */

typedef struct { float *y; const int64_t *number; int64_t count, seed; } ek_random;  /* slots 0, 1 */
/* y[i] = (the upper 24 bits of hash(seed, number, i)) * 2^-24, with
 *     hash = mix(mix(seed * 0x9E3779B97F4A7C15 + number) + i),
 *     mix(z): z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9; z = (z ^ z >> 27) * 0x94D049BB133111EB; z ^ z >> 31    (Steele et al. 2014)
 * all modulo 2^64. */

typedef struct {
  const char *name;                                              /* operation_isa_tile, for plans, tests and benchmarks */
  void (*run)(const void *args, int64_t begin, int64_t end, void *scratch);
  int64_t (*units)(const void *args);
  int64_t (*scratch_bytes)(const void *args);                    /* for one thread */
  int64_t (*packed_bytes)(const void *args);                     /* NULL: the kernel reads plain weights. Sparse and Winograd's u8 kernels look at weights here */
  void (*pack)(const void *args, void *packed);                  /* reads weights, bias, scale; packed is 64-byte aligned */
} ek_kernel;

typedef struct {
  const char *isa;                     /* "reference", "sse2", "avx2", "avx512vnni", "avx512bf16", "neon", "neondot" */
  ek_kernel kernels[EK_OPERATION_COUNT];  /* run == NULL: this set does not have the operation; use the reference */
} ek_table;

static inline const ek_kernel *ek_table_kernel(const ek_table *t, int32_t operation) { return &t->kernels[operation]; }
static inline ek_kernel *ek_table_entry(ek_table *t, int32_t operation) { return &t->kernels[operation]; }

/* Each fills a table; the caller provides it zeroed. Present in a build as the architecture allows. */
void ek_fill_reference(ek_table *table);
void ek_fill_sse2(ek_table *table);
void ek_fill_avx2(ek_table *table);
void ek_fill_avx512vnni(ek_table *table);
void ek_fill_avx512bf16(ek_table *table);
void ek_fill_neon(ek_table *table);
void ek_fill_neondot(ek_table *table);
#endif
