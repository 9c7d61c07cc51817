/* edgeai.h - run a neural network on a device. Version 0.1.0.
 *
 * The short way:
 *
 *     edgeai_error error;
 *     edgeai_model *model = NULL;
 *     edgeai_session *session = NULL;
 *     edgeai_error_init(&error, sizeof error);
 *     if (edgeai_model_open_file("net.edgeai", NULL, &model, &error) != EDGEAI_OK) die(error.message);
 *     if (edgeai_session_create(model, NULL, &session, &error) != EDGEAI_OK) die(error.message);
 *     edgeai_session_input_buffer(session, 0, &x, &x_bytes, &error);      fill x
 *     edgeai_session_run(session, &error);
 *     edgeai_session_output_buffer(session, 0, &y, &y_bytes, &error);     read y
 *     edgeai_session_destroy(session);
 *     edgeai_model_destroy(model);
 *
 * Rules for every function, unless its comment says otherwise:
 *
 * - Result. A function that can fail returns an edgeai_status and takes an `edgeai_error *` last, which may be
 *   NULL. On success the error is untouched; on failure the other out-parameters are untouched.
 * - Threads. A `const` handle may be used by several threads at once. Any other handle belongs to one call at a
 *   time. Different handles are independent. The library has no global state. In a child process made by fork while
 *   no call was running handles go on, but their threads are not there: the child's calling thread does everything.
 * - NULL. A pointer documented as optional may be NULL. Any other NULL gives EDGEAI_ERROR_INVALID_ARGUMENT; a
 *   count of a NULL handle is 0. `destroy` accepts NULL.
 * - Ownership. What `open` or `create` returned is given back to the `destroy` of its type, in any order: a
 *   session keeps its model alive. Pointers given in are borrowed for the call, except the memory handed to
 *   edgeai_model_open_memory, edgeai_session_create_in and edgeai_session_bind_*, which their comments describe.
 * - Memory. Everything is allocated while opening and creating, through the caller's allocator if there is one.
 *   edgeai_session_run allocates nothing, and neither does any function whose comment does not mention memory.
 * - Strings are UTF-8 and end with a zero byte. A string handed out lives as long as its handle.
 * - Structures that may grow begin with `struct_size`, set to the size the caller's header gives them: by the
 *   `init` function for options and errors, by hand (info.struct_size = sizeof info) for results. A size smaller
 *   than that of version 0.1, or an option this library is too old to know, `reserved` included, gives
 *   EDGEAI_ERROR_ABI_MISMATCH. A number whose comment says "1:" is a flag: 0 is off, anything else on.
 */
#ifndef EDGEAI_H
#define EDGEAI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EDGEAI_API __attribute__((visibility("default")))
#else
#define EDGEAI_API
#endif

/* ---- Version ------------------------------------------------------------------------------------------- */

#define EDGEAI_VERSION_MAJOR 0
#define EDGEAI_VERSION_MINOR 1
#define EDGEAI_VERSION_PATCH 0
/* Major, minor and patch in one number that grows with every release. */
#define EDGEAI_VERSION_NUMBER (EDGEAI_VERSION_MAJOR * 1000000 + EDGEAI_VERSION_MINOR * 1000 + EDGEAI_VERSION_PATCH)
/* The generation of the binary interface; the number in the name libedgeai.so.0 changes with it. */
#define EDGEAI_ABI_VERSION 1

/* EDGEAI_VERSION_NUMBER of the library. Since 0.1. */
EDGEAI_API uint32_t edgeai_version_number(void);

/* Version of the library, such as "0.1.0". Since 0.1. */
EDGEAI_API const char *edgeai_version_string(void);

/* Asks whether the library understands callers of a header: edgeai_abi_check(EDGEAI_ABI_VERSION).
 * EDGEAI_OK, or EDGEAI_ERROR_ABI_MISMATCH. Since 0.1. */
EDGEAI_API int32_t edgeai_abi_check(uint32_t header_abi);

/* One line about the build: version, architecture, instruction sets. Since 0.1. */
EDGEAI_API const char *edgeai_build_info(void);

/* 1 when the build has a feature, else 0 (also for NULL and unknown names): "files", "threads", "onnx", "tflite",
 * "compress", "train", or the name of an instruction set. Since 0.1. */
EDGEAI_API int32_t edgeai_feature_enabled(const char *name);

/* Instruction sets that both this build and this processor have, best first; the last one is always "reference".
 * A session uses the first unless told otherwise. The name of an index out of range is NULL. Since 0.1. */
EDGEAI_API int32_t edgeai_isa_count(void);
EDGEAI_API const char *edgeai_isa_name(int32_t index);

/* ---- Status and error ---------------------------------------------------------------------------------- */

/* 0 is success. The hundreds say what kind of failure it is; callers treat unknown codes by their hundred. */
typedef int32_t edgeai_status;

#define EDGEAI_OK 0
/* 1xx: an argument is wrong. */
#define EDGEAI_ERROR_INVALID_ARGUMENT 100
#define EDGEAI_ERROR_SHAPE_MISMATCH 101
#define EDGEAI_ERROR_DTYPE_MISMATCH 102
#define EDGEAI_ERROR_BUFFER_TOO_SMALL 103
#define EDGEAI_ERROR_ABI_MISMATCH 104
#define EDGEAI_ERROR_FREE_SHAPE 105  /* an input has dimensions of open size: give its shape when opening */
#define EDGEAI_ERROR_TUNING_MISMATCH 106  /* a tuning is damaged, or was made for something else: tune again */
/* 2xx: a model file is wrong. */
#define EDGEAI_ERROR_MALFORMED_MODEL 200
#define EDGEAI_ERROR_TRUNCATED_MODEL 201
#define EDGEAI_ERROR_CHECKSUM_MISMATCH 202
#define EDGEAI_ERROR_NEWER_VERSION 203
#define EDGEAI_ERROR_INVALID_GRAPH 204
/* 3xx: memory, or a limit. */
#define EDGEAI_ERROR_OUT_OF_MEMORY 300
#define EDGEAI_ERROR_LIMIT_EXCEEDED 301
/* 4xx: this build cannot do it. */
#define EDGEAI_ERROR_UNSUPPORTED_OPERATOR 400
#define EDGEAI_ERROR_UNSUPPORTED_FEATURE 401
/* 5xx: files. */
#define EDGEAI_ERROR_IO 500
/* 6xx: stopped on request. */
#define EDGEAI_ERROR_CANCELLED 600
/* 9xx: a defect of the library. */
#define EDGEAI_ERROR_INTERNAL 900

/* Name of a status, such as "EDGEAI_ERROR_IO"; "EDGEAI_ERROR_UNKNOWN" for other numbers. Since 0.1. */
EDGEAI_API const char *edgeai_status_name(edgeai_status status);

/* A sentence for a status, in English. Since 0.1. */
EDGEAI_API const char *edgeai_status_string(edgeai_status status);

#define EDGEAI_NAME_CAPACITY 128
#define EDGEAI_MESSAGE_CAPACITY 512

/* What went wrong and where. Lives in the caller's memory; texts that do not fit are cut at a character. */
typedef struct edgeai_error {
  uint32_t struct_size;
  edgeai_status status;
  int64_t byte_offset;                    /* in the model file, or -1 */
  int32_t node_index;                     /* of the operator in its model, or -1 */
  int32_t reserved;
  char node[EDGEAI_NAME_CAPACITY];        /* name of that operator, or "" */
  char tensor[EDGEAI_NAME_CAPACITY];      /* name of the tensor concerned, or "" */
  char message[EDGEAI_MESSAGE_CAPACITY];  /* a sentence for people */
} edgeai_error;

/* Makes an error empty: edgeai_error_init(&error, sizeof error). Does nothing for NULL or a size that is too
 * small. Since 0.1. */
EDGEAI_API void edgeai_error_init(edgeai_error *error, size_t struct_size);

/* ---- Hooks --------------------------------------------------------------------------------------------- */

/* Where the library takes memory from. It is asked by the thread that calls the library, never by a worker
 * thread, and never during edgeai_session_run. The structure stays valid until the last handle made with it is
 * destroyed.
 * allocate: at least `size` (> 0) bytes at a multiple of `alignment` (a power of two), or NULL. When a block is
 *   refused the call that needed it gives EDGEAI_ERROR_OUT_OF_MEMORY, ends the threads it started, gives back all it
 *   took, and its handles stay usable. But references that the call held on the model, session or calibration it
 *   was given may never be counted down: then that object, and the model it was made from, stay in memory after
 *   their handles are destroyed, until the process ends. So choose a pool large enough, and do not use running dry
 *   to find out what fits.
 * deallocate: `size` is what was asked for. */
typedef struct edgeai_allocator {
  uint32_t struct_size;
  uint32_t reserved;
  void *context;
  void *(*allocate)(void *context, size_t size, size_t alignment);
  void (*deallocate)(void *context, void *pointer, size_t size);
} edgeai_allocator;

/* Fills in an allocator that uses the C library: edgeai_allocator_init(&allocator, sizeof allocator); the caller
 * then replaces the functions. Since 0.1. */
EDGEAI_API void edgeai_allocator_init(edgeai_allocator *allocator, size_t struct_size);

#define EDGEAI_LOG_INFO 1
#define EDGEAI_LOG_WARNING 2

/* Receives messages while models are opened, converted and planned. The text is valid during the call, which
 * must not use the library. */
typedef void (*edgeai_log_fn)(void *context, int32_t level, const char *message);

/* ---- Tensors ------------------------------------------------------------------------------------------- */

#define EDGEAI_DTYPE_FLOAT32 1
#define EDGEAI_DTYPE_UINT8 2
#define EDGEAI_DTYPE_INT8 3
#define EDGEAI_DTYPE_INT32 4
#define EDGEAI_DTYPE_INT64 5
#define EDGEAI_DTYPE_BOOL 6
#define EDGEAI_DTYPE_FLOAT16 7   /* IEEE 754 binary16 */
#define EDGEAI_DTYPE_FLOAT64 8
#define EDGEAI_DTYPE_INT16 9
#define EDGEAI_DTYPE_UINT16 10
#define EDGEAI_DTYPE_UINT32 11
#define EDGEAI_DTYPE_UINT64 12
#define EDGEAI_DTYPE_BFLOAT16 13 /* the upper half of a float32 */

/* "float32" and so on, or "unknown". Since 0.1. */
EDGEAI_API const char *edgeai_dtype_name(int32_t dtype);

/* Bytes of one element, or 0 for unknown numbers. Since 0.1. */
EDGEAI_API size_t edgeai_dtype_size(int32_t dtype);

#define EDGEAI_MAX_RANK 8
/* Stands in dims for the number of samples, which a session fixes. */
#define EDGEAI_DIM_BATCH (-1)

#define EDGEAI_QUANTIZATION_NONE 0
#define EDGEAI_QUANTIZATION_PER_TENSOR 1  /* real = (q - zero_point) * scale */
#define EDGEAI_QUANTIZATION_PER_AXIS 2    /* one scale for each index along quantization_axis */

/* A tensor: dense, row-major, little-endian. Set struct_size before the call. */
typedef struct edgeai_tensor_info {
  uint32_t struct_size;
  int32_t dtype;               /* EDGEAI_DTYPE_* */
  const char *name;
  int64_t dims[EDGEAI_MAX_RANK];
  uint64_t bytes;              /* for one sample when the batch is symbolic */
  int32_t rank;                /* number of dims in use */
  int32_t quantization;        /* EDGEAI_QUANTIZATION_* */
  int32_t quantization_axis;   /* or -1 */
  int32_t scale_count;         /* 0 without quantization */
  float scale;                 /* the first scale; 0 without quantization */
  int32_t zero_point;          /* the first zero point */
  int32_t is_constant;         /* 1 for weights and other constants */
  int32_t bounded_axis;        /* the axis whose size depends on data, or -1: dims has the most it can be, of a model
                                * with a symbolic batch for one sample */
} edgeai_tensor_info;

/* ---- Model --------------------------------------------------------------------------------------------- */

/* A network: operators, tensors, weights. */
typedef struct edgeai_model edgeai_model;

/* The shape or the value of a network's input, given when an ONNX model is opened. The shape takes the place of
 * dimensions that the file leaves open, in every input that names the same dimension. A value makes the input a constant:
 * the network no longer has it, and shapes that are computed from it are known. Set struct_size to
 * sizeof(edgeai_input_binding) in each element of an array. */
typedef struct edgeai_input_binding {
  uint32_t struct_size;
  int32_t rank;                   /* number of dims in use */
  const char *name;               /* NULL: the next input without a value in the file, in its order, not given by name */
  int64_t dims[EDGEAI_MAX_RANK];  /* EDGEAI_DIM_BATCH in the first place leaves the batch to the session */
  const void *data;               /* optional: the value, dense and row-major; copied */
  uint64_t bytes;                 /* of the value */
  int32_t dtype;                  /* of the value: the input's own EDGEAI_DTYPE_* */
  int32_t reserved;
} edgeai_input_binding;

/* How to open a model. Limits: a file that asks for more gives EDGEAI_ERROR_LIMIT_EXCEEDED. The allocator and the
 * log serve the model and everything made from it. */
typedef struct edgeai_model_options {
  uint32_t struct_size;
  int32_t allow_unsupported;   /* 1: a file with unsupported operators opens too, to be asked about them */
  uint64_t max_file_bytes;     /* of the file and each file it refers to */
  uint64_t max_tensor_bytes;   /* of one tensor; tables that an importer makes for operators take a quarter together */
  uint64_t max_operators;
  uint64_t max_tensors;
  uint64_t max_name_bytes;
  const edgeai_allocator *allocator;  /* optional: NULL is the C library */
  edgeai_log_fn log;                  /* optional */
  void *log_context;
  const edgeai_input_binding *bindings;  /* optional: shapes and values of inputs */
  uint64_t binding_count;
  int32_t decode_on_demand;    /* 1: coded constants of a `.edgeai` file are decoded when they are needed: see below */
  int32_t reserved;            /* 0 */
} edgeai_model_options;

/* Defaults: edgeai_model_options_init(&options, sizeof options). Does nothing for NULL or a size that is too
 * small. Since 0.1. */
EDGEAI_API void edgeai_model_options_init(edgeai_model_options *options, size_t struct_size);

/* Opens a `.edgeai`, `.onnx` or `.tflite` file; the contents decide which it is. Weights that an ONNX file keeps in other
 * files are looked for relative to it, never outside its folder. A `.edgeai` file stays mapped and its weights
 * are used in place: do not change it while the model lives (replacing it by a rename is fine).
 * options: optional. Memory: the model and its tables.
 * Opening a file again with other bindings is how a network is planned for another shape.
 * decode_on_demand, for a device that cannot hold the decoded model and a session's packed weights both: of a `.edgeai` file
 * with coded constants everything else is read and checked, and the constants stay coded. edgeai_session_create decodes
 * one after the other into one buffer and packs it into the session's block; constants that runs read as they are stand in the block
 * too (edgeai_session_memory_required says so). In memory there are then the file, the block, the constants of one layer, small
 * constants, 1 MB of tables, and what planning lays out anew (weights of depthwise layers), until the session is there. That takes the
 * constants' time to decode twice, or more often where they stand in another order than the nodes that read them, which in the end
 * takes the memory of all. Everything else that needs constants decodes all of them, each time; edgeai_model_tensor_data keeps them.
 * What is wrong with coded constants is then an error of the function that decodes them. Without effect for other files.
 * Errors: IO, LIMIT_EXCEEDED, any 2xx, FREE_SHAPE (the message lists the open dimensions by name, or says which node needs a fixed batch), INVALID_ARGUMENT,
 * SHAPE_MISMATCH or DTYPE_MISMATCH for a binding that does not fit the file or another binding, UNSUPPORTED_OPERATOR (the message lists all of them),
 * UNSUPPORTED_FEATURE in a build without files. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_open_file(const char *path, const edgeai_model_options *options, edgeai_model **model,
                                                edgeai_error *error);

/* The same from memory, for instance flash. The bytes stay the caller's, unchanged and valid until the model and
 * everything made from it are destroyed: weights are used in place. Best aligned to 64 bytes; any alignment
 * works. An ONNX model with external weights is refused. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_open_memory(const void *data, size_t size, const edgeai_model_options *options,
                                                  edgeai_model **model, edgeai_error *error);

EDGEAI_API void edgeai_model_destroy(edgeai_model *model);

/* EDGEAI_OK when sessions can run the model, else EDGEAI_ERROR_UNSUPPORTED_OPERATOR: only after opening with
 * allow_unsupported. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_check(const edgeai_model *model, edgeai_error *error);

/* An operator that this build cannot run. */
typedef struct edgeai_unsupported_info {
  uint32_t struct_size;
  int32_t node_index;   /* in the source file */
  const char *node;     /* its name there; may be "" */
  const char *type;     /* operator type as the source file names it */
  const char *reason;
} edgeai_unsupported_info;

EDGEAI_API size_t edgeai_model_unsupported_count(const edgeai_model *model);
EDGEAI_API edgeai_status edgeai_model_unsupported_info(const edgeai_model *model, size_t index, edgeai_unsupported_info *info,
                                                       edgeai_error *error);

#define EDGEAI_SOURCE_MEMORY 0  /* made by this library: quantized, ... */
#define EDGEAI_SOURCE_EDGEAI 1
#define EDGEAI_SOURCE_ONNX 2
#define EDGEAI_SOURCE_TFLITE 3

typedef struct edgeai_model_info {
  uint32_t struct_size;
  int32_t source;             /* EDGEAI_SOURCE_* */
  const char *name;
  uint64_t parameters;        /* elements of the constant tensors that operators read, each once */
  uint64_t constant_bytes;    /* bytes of all constant tensors */
  uint64_t multiply_adds;     /* for one sample */
  uint64_t input_count, output_count, op_count, tensor_count, metadata_count;
} edgeai_model_info;

EDGEAI_API edgeai_status edgeai_model_describe(const edgeai_model *model, edgeai_model_info *info, edgeai_error *error);

/* Inputs and outputs of the network. Index out of range: INVALID_ARGUMENT. Since 0.1. */
EDGEAI_API size_t edgeai_model_input_count(const edgeai_model *model);
EDGEAI_API edgeai_status edgeai_model_input_info(const edgeai_model *model, size_t index, edgeai_tensor_info *info,
                                                 edgeai_error *error);
EDGEAI_API size_t edgeai_model_output_count(const edgeai_model *model);
EDGEAI_API edgeai_status edgeai_model_output_info(const edgeai_model *model, size_t index, edgeai_tensor_info *info,
                                                  edgeai_error *error);

/* Operators, in an order in which every one follows those it depends on. */
typedef struct edgeai_op_info {
  uint32_t struct_size;
  int32_t index;
  const char *name;
  const char *type;           /* "Convolution", "Dense", ... */
  uint64_t parameters;        /* elements of its constant inputs */
  uint64_t multiply_adds;     /* for one sample */
  int32_t input_count, output_count;
} edgeai_op_info;

EDGEAI_API size_t edgeai_model_op_count(const edgeai_model *model);
EDGEAI_API edgeai_status edgeai_model_op_info(const edgeai_model *model, size_t index, edgeai_op_info *info, edgeai_error *error);

/* Index (for edgeai_model_tensor_info) of the position-th input or output of an operator; an optional input that
 * is absent has the index -1. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_op_input(const edgeai_model *model, size_t op, size_t position, int64_t *tensor,
                                               edgeai_error *error);
EDGEAI_API edgeai_status edgeai_model_op_output(const edgeai_model *model, size_t op, size_t position, int64_t *tensor,
                                                edgeai_error *error);

/* All tensors: inputs, constants and results. Since 0.1. */
EDGEAI_API size_t edgeai_model_tensor_count(const edgeai_model *model);
EDGEAI_API edgeai_status edgeai_model_tensor_info(const edgeai_model *model, size_t index, edgeai_tensor_info *info,
                                                  edgeai_error *error);

/* Contents of a constant tensor, valid as long as the model; in general not aligned. INVALID_ARGUMENT for a tensor
 * that is not constant. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_tensor_data(const edgeai_model *model, size_t index, const void **data, size_t *bytes,
                                                  edgeai_error *error);

/* Copies the scales and zero points of a quantized tensor (scale_count of each; either array may be NULL).
 * capacity: elements each array has room for; fewer than scale_count: BUFFER_TOO_SMALL. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_tensor_scales(const edgeai_model *model, size_t index, float *scales, int32_t *zero_points,
                                                    size_t capacity, edgeai_error *error);

/* Free text the file carries: pairs of key and value. Since 0.1. */
EDGEAI_API size_t edgeai_model_metadata_count(const edgeai_model *model);
EDGEAI_API edgeai_status edgeai_model_metadata_at(const edgeai_model *model, size_t index, const char **key, const char **value,
                                                  edgeai_error *error);
/* The value of a key, or NULL. Since 0.1. */
EDGEAI_API const char *edgeai_model_metadata_find(const edgeai_model *model, const char *key);
/* Sets the value of a key; NULL removes it. Metadata strings handed out before are no longer valid.
 * Memory: the texts. Errors: INVALID_ARGUMENT (no key), LIMIT_EXCEEDED (a key of more than 4096 bytes, or a value of more than
 * 1 GiB, which no file would open with). Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_metadata_set(edgeai_model *model, const char *key, const char *value, edgeai_error *error);

/* Writes the model as a `.edgeai` file, whole or not at all (a temporary file, then a rename, which keeps the mode of a file that
 * is replaced, and symbolic links, which must lead to a file). The same model gives the same bytes. Memory: the file's image, during the call.
 * Errors: IO, OUT_OF_MEMORY, UNSUPPORTED_FEATURE in a build without files. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_save_file(const edgeai_model *model, const char *path, edgeai_error *error);

/* The same into memory. bytes: size of the image. Memory: the image, during the call. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_save_memory_required(const edgeai_model *model, size_t *bytes, edgeai_error *error);
/* written: optional, the bytes used. BUFFER_TOO_SMALL leaves the buffer untouched. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_save_memory(const edgeai_model *model, void *buffer, size_t capacity, size_t *written,
                                                  edgeai_error *error);

/* How the constants of a saved model are coded. Every reader of `.edgeai` files reads all of them, exactly: no value
 * changes. */
#define EDGEAI_CODING_NONE 0     /* as they are in memory, used in place when the file is mapped: edgeai_model_save_* */
#define EDGEAI_CODING_HUFFMAN 1  /* relative indices and Huffman codes, as in Deep Compression (arXiv 1510.00149) */
#define EDGEAI_CODING_ADAPTIVE 2 /* adaptive arithmetic coding: small, and planned to decode in a time, see below */

/* Saves as edgeai_model_save_*, with coded constants: a file of format version 2, smaller where weights have few distinct
 * values, many zeros, or any structure else. Opening it decodes the weights into memory of the model. For that
 * EDGEAI_CODING_ADAPTIVE plans, with figures of one core of a Zen 4, at most 5 ns for each byte of the constants in their own types, or
 * 20 ms where that is more: forms that take more time for fewer bytes are used while there is time. Long names, many scales,
 * plain float32 weights (neither quantized nor shared), and constants that would grow by more than a byte for each 32 ns can take
 * longer. coding: EDGEAI_CODING_*; another number: INVALID_ARGUMENT. Files and errors as edgeai_model_save_*, and LIMIT_EXCEEDED (all but the
 * constants, metadata included, has more than 64 MiB); each call codes anew.
 * Memory, during the call: twice the coded file, 10 MB for tables, and for one constant at a time what its coded bytes take while
 * they grow and scratch. The scratch is none for pruned weights of few values, 2 bytes for each weight that is coded with fixed
 * probabilities, and the elements that are not zero of a constant of too many values. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_save_coded_file(const edgeai_model *model, int32_t coding, const char *path,
                                                      edgeai_error *error);
EDGEAI_API edgeai_status edgeai_model_save_coded_memory_required(const edgeai_model *model, int32_t coding, size_t *bytes,
                                                                 edgeai_error *error);
EDGEAI_API edgeai_status edgeai_model_save_coded_memory(const edgeai_model *model, int32_t coding, void *buffer, size_t capacity,
                                                        size_t *written, edgeai_error *error);

/* Writes the model as an ONNX file, operator set 17 (20 where an operator needs it), that other tools run: quantized
 * operators stand between QuantizeLinear and DequantizeLinear, images are NCHW. A call of its own and not a case of
 * saving, because what comes back from the file need not be this graph node by node, and because ONNX cannot say
 * everything. State becomes the last inputs and outputs. Files, memory and errors as edgeai_model_save_*, and
 * UNSUPPORTED_OPERATOR naming all operators that ONNX has no form for, LIMIT_EXCEEDED beyond 2 GB. Since 0.1. */
EDGEAI_API edgeai_status edgeai_model_export_onnx_file(const edgeai_model *model, const char *path, edgeai_error *error);
EDGEAI_API edgeai_status edgeai_model_export_onnx_memory_required(const edgeai_model *model, size_t *bytes, edgeai_error *error);
EDGEAI_API edgeai_status edgeai_model_export_onnx_memory(const edgeai_model *model, void *buffer, size_t capacity, size_t *written,
                                                         edgeai_error *error);

/* ---- Session ------------------------------------------------------------------------------------------- */

/* A model made ready to run: kernels chosen, weights packed, every buffer placed in one block of memory. */
typedef struct edgeai_session edgeai_session;

/* What convolutions (depthwise and transposed ones apart) and dense layers of float models multiply in. Quantized layers
 * and all other operators are not concerned. */
enum {
  EDGEAI_PRECISION_FLOAT32 = 0,
  /* Operands are rounded to bfloat16, half to even, subnormal numbers to 0; sums are float32. Such a layer has the same
   * results on every processor, apart from products and sums on the way below 2^-126, which may be 0, or beyond the greatest
   * number, which may be infinity or NaN: one without bfloat16 instructions emulates it, which takes longer than
   * float32, says so in the plan and is refused with `strict` (UNSUPPORTED_FEATURE). 3x3
   * and 5x5 convolutions stay in float32 where the processor has Winograd's form and that takes less time. */
  EDGEAI_PRECISION_BFLOAT16 = 1
};

typedef struct edgeai_session_options {
  uint32_t struct_size;
  int32_t batch;              /* samples in one run, for models with a symbolic batch; default 1 */
  int32_t threads;            /* working threads, the caller's included; 1 (default) to 256. A session is planned for no more
                               * than the processors that the process may use when it is created */
  int32_t spin_microseconds;  /* how long an idle worker looks for work before it sleeps, up to 10000000; default 100. 0 sleeps at
                               * once. Below 10 it is woken for steps only that take longer than waking it: small networks run on
                               * the caller alone */
  int32_t strict;             /* 1: refuse a model of which some operator would compute on a reference kernel or, when
                               * it is quantized, in float. Steps that only move elements (as Gather, Pad, or Resize to the nearest
                               * do) are exempt, and so is all of a session whose `isa` is "reference" */
  int32_t profile;            /* 1: take the time of every step (one reading of the clock a step) */
  const char *isa;            /* optional: an edgeai_isa_name. NULL: the environment variable EDGEAI_ISA, else the best */
  int64_t max_extent;         /* most entries of a dimension whose size depends on data, at least 2; default 65536. Memory
                               * is for as many as there can be, or for this many where that is less */
  int64_t max_iterations;     /* of all the model's loops together, in one run; default 1000000. More end the run */
  int32_t precision;          /* EDGEAI_PRECISION_*; default float32 */
  int32_t tune;               /* 1: edgeai_session_create runs the model on zeros, seven times or more with each of the ways
                               * to compute it, and takes for every step the kernel and the number of parts that were fastest */
  int32_t trace_runs;         /* more than 0: keep begin and end of every step, and of every thread's share of it, for
                               * so many runs (as many steps as they have without loops): edgeai_session_write_trace.
                               * Takes the times of `profile` too */
  const void *tuning;         /* optional: what edgeai_session_tuning gave, tuning_bytes long; the plan comes out as it was
                               * there, and nothing is measured. NULL is none; no bytes are a damaged one. Borrowed for the call. Not
                               * together with `tune` */
  uint64_t tuning_bytes;
  int32_t compact;            /* 1: no convolution in Winograd's form, whose packed weights are 2 to 8 times as many: less
                               * memory, more time; int8 has the same results, float32 differs in the last digits */
  int32_t reserved;           /* 0 */
} edgeai_session_options;

/* Defaults: edgeai_session_options_init(&options, sizeof options). Does nothing for NULL or a size that is too
 * small. Since 0.1. */
EDGEAI_API void edgeai_session_options_init(edgeai_session_options *options, size_t struct_size);

/* Exact size of the block edgeai_session_create_in needs with the same model, options and processor, and its
 * alignment (64). options: optional. Memory: planning tables, during the call.
 * INVALID_ARGUMENT with `tune`, for which the size follows from what is measured: tune a session of its own once, and
 * give its `tuning` here and to edgeai_session_create_in. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_memory_required(const edgeai_model *model, const edgeai_session_options *options,
                                                        size_t *bytes, size_t *alignment, edgeai_error *error);

/* Makes a session in one newly allocated block. options: optional.
 * Errors: OUT_OF_MEMORY, INVALID_ARGUMENT (an option, or an unknown name of an instruction set), UNSUPPORTED_FEATURE
 * (an instruction set that this build or processor does not have; strict where bfloat16 would be emulated; tune in a build
 * without a clock), UNSUPPORTED_OPERATOR (strict, or after allow_unsupported), LIMIT_EXCEEDED (a loop always has more than
 * max_iterations), TUNING_MISMATCH (a tuning of another model, batch, number of threads, instruction set, precision or
 * `compact`, or damaged). Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_create(const edgeai_model *model, const edgeai_session_options *options,
                                               edgeai_session **session, edgeai_error *error);

/* Makes a session in the caller's memory, which belongs to the session until it is destroyed. `memory` is a multiple of
 * the alignment; `size` at least what edgeai_session_memory_required said: one byte less is BUFFER_TOO_SMALL.
 * INVALID_ARGUMENT with `tune`. The handle and the plan's names are small blocks from the model's allocator. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_create_in(const edgeai_model *model, const edgeai_session_options *options, void *memory,
                                                  size_t size, edgeai_session **session, edgeai_error *error);

/* Stops the worker threads and gives back the memory. Not during a run. Since 0.1. */
EDGEAI_API void edgeai_session_destroy(edgeai_session *session);

/* Inputs and outputs with the session's batch in place of EDGEAI_DIM_BATCH. Since 0.1. */
EDGEAI_API size_t edgeai_session_input_count(const edgeai_session *session);
EDGEAI_API edgeai_status edgeai_session_input_info(const edgeai_session *session, size_t index, edgeai_tensor_info *info,
                                                   edgeai_error *error);
EDGEAI_API size_t edgeai_session_output_count(const edgeai_session *session);
EDGEAI_API edgeai_status edgeai_session_output_info(const edgeai_session *session, size_t index, edgeai_tensor_info *info,
                                                    edgeai_error *error);

/* Where the session reads an input or writes an output: inside its block, or what was bound. bytes: optional, its
 * exact size. Runs leave inputs as they are. Outputs are valid until the next run. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_input_buffer(edgeai_session *session, size_t index, void **data, size_t *bytes,
                                                     edgeai_error *error);
EDGEAI_API edgeai_status edgeai_session_output_buffer(const edgeai_session *session, size_t index, const void **data, size_t *bytes,
                                                      edgeai_error *error);

/* Shape of an output in the last run: that of edgeai_session_output_info, but along bounded_axis the number of entries
 * that the run found. These are the first ones along that axis; the others mean nothing, and the bytes stay those of the
 * bound. dims: room for EDGEAI_MAX_RANK; rank: optional. Before the first run the number is 0. Allocates nothing.
 * Index out of range: INVALID_ARGUMENT. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_output_shape(const edgeai_session *session, size_t index, int64_t *dims, int32_t *rank,
                                                     edgeai_error *error);

/* Uses the caller's memory for an input or output of the next and later runs, without a copy; NULL with 0 bytes
 * goes back to the session's own. The memory stays valid until then, does not overlap other bound memory, is
 * aligned to its element (INVALID_ARGUMENT otherwise) and exactly the tensor's size (BUFFER_TOO_SMALL or
 * SHAPE_MISMATCH otherwise; the message names the element type). A bound input is not written to. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_bind_input(edgeai_session *session, size_t index, const void *data, size_t bytes,
                                                   edgeai_error *error);
EDGEAI_API edgeai_status edgeai_session_bind_output(edgeai_session *session, size_t index, void *data, size_t bytes,
                                                    edgeai_error *error);

/* Computes the outputs. Allocates nothing. Integer results are the same bytes for every instruction set, number
 * of threads and batch split; float results do not depend on the number of threads.
 * Where the model has state (variables of a streaming model), a run takes what the run before it left, the first one
 * what the file says; it lies in the session's memory. A run that ends with an error leaves it as it was.
 * Errors: CANCELLED; LIMIT_EXCEEDED naming the operator that found more entries than the session has room for (see
 * max_extent), or the loop that has more iterations than max_iterations allows. The outputs are then undefined and the
 * session can run again. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_run(edgeai_session *session, edgeai_error *error);

/* Makes the next run find the model's state as the first one did. Allocates nothing; does nothing to a model without
 * state. Not while the session runs. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_reset(edgeai_session *session, edgeai_error *error);

/* Asks a run in progress to stop before its next step. The request stays until a run takes it, with CANCELLED: when
 * none is in progress, or the last step has begun already, that is the next run. More requests until then count as
 * one. May be called by any thread while another runs the session, and from a signal handler. Since 0.1. */
EDGEAI_API void edgeai_session_cancel(const edgeai_session *session);

/* One step of the plan: a kernel and what it works on. */
typedef struct edgeai_step_info {
  uint32_t struct_size;
  int32_t dtype;             /* of the result: EDGEAI_DTYPE_* */
  const char *name;          /* of the operator */
  const char *op;            /* "Convolution", ... */
  const char *kernel;        /* operation, instruction set and tile; "control" of a step that decides which one is next. Steps
                              * between which much lies may run together, some lines at a time: the last one of them has the
                              * kernels of all, joined by " + ", and what they do and read; the others are "chained", with 0 */
  const char *isa;           /* of the kernel; where one of avx512bf16 writes bfloat16, of the float kernel in whose place it is */
  const char *note;          /* what was fused, why it runs in float, ...; may be "" */
  int64_t dims[EDGEAI_MAX_RANK];  /* shape of the result */
  int32_t rank;
  int32_t op_index;          /* index of the operator in the model, or -1 for a copy the plan added */
  uint64_t result_bytes;
  uint64_t bytes;            /* of all tensors it reads and writes, weights included */
  uint64_t multiply_adds;    /* for the session's batch */
  int32_t parts;             /* pieces handed out to the threads; 1: the caller's thread does it alone */
  int32_t reserved;
} edgeai_step_info;

EDGEAI_API size_t edgeai_session_plan_count(const edgeai_session *session);
EDGEAI_API edgeai_status edgeai_session_plan_info(const edgeai_session *session, size_t index, edgeai_step_info *info,
                                                  edgeai_error *error);

/* The plan as a table for people. Writes at most `capacity` bytes, the last one zero (buffer may be NULL when
 * capacity is 0); length: optional, bytes of the whole text without the zero. Memory: the text, during the call.
 * Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_plan_text(const edgeai_session *session, char *buffer, size_t capacity, size_t *length,
                                                  edgeai_error *error);

/* Times of one step since the session was created, or since edgeai_session_reset_times, in nanoseconds. Rates are billions
 * a second, in the run of the least time. Times and rates, but not peak_gops, are 0 without the options `profile` and
 * `trace_runs`. */
typedef struct edgeai_step_times {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t runs, last, least, most, total;
  double mean;         /* total / runs */
  double gops;         /* operations: two for each of edgeai_step_info.multiply_adds */
  double gbytes;       /* edgeai_step_info.bytes */
  double peak_gops;    /* operations at most, for the threads that share the step; 0 before edgeai_session_measure_peak,
                        * where the result is neither float32 nor of 8 bits, and for layers of signs on bits */
  double peak_share;   /* gops / peak_gops, or 0. More than 1 where a kernel needs fewer multiplications than
                        * multiply_adds counts (Winograd's form) */
} edgeai_step_times;

EDGEAI_API edgeai_status edgeai_session_step_times(const edgeai_session *session, size_t index, edgeai_step_times *times,
                                                   edgeai_error *error);
/* Begins anew with times and trace. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_reset_times(edgeai_session *session, edgeai_error *error);

/* Measures what peak_gops and the trace compare with: multiplies small matrices with the product kernel of the session's
 * instruction set, for a millisecond in each of float32, 8 bits and, where the session computes in it, bfloat16, on the
 * calling thread. A step that several threads share has as many times the peak of one. Memory: about 100 KB, during the call.
 * UNSUPPORTED_FEATURE in a build without a clock. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_measure_peak(edgeai_session *session, edgeai_error *error);

/* The last `trace_runs` runs in the JSON format of Chrome's trace events, which chrome://tracing and ui.perfetto.dev
 * show: for every step begin ("ts") and duration ("dur") in microseconds, operator, kernel, element type, shape, bytes and
 * rates; thread 0 is the caller, and what each thread did of a step it shared is an event of its own.
 * Writes at most `capacity` bytes, the last one zero (buffer may be NULL when capacity is 0); length: optional, bytes of
 * the whole text without the zero. Memory: the text, during the call. INVALID_ARGUMENT without the option. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_write_trace(const edgeai_session *session, char *buffer, size_t capacity, size_t *length,
                                                    edgeai_error *error);
/* The same to a file, whole or not at all. Also IO, UNSUPPORTED_FEATURE in a build without files. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_save_trace(const edgeai_session *session, const char *path, edgeai_error *error);

/* The kernel and the number of parts of every step, in 8 bytes a step and 24 more, for `tuning` in the options of another
 * session of the same model (the same operators and sizes; weights may differ, but not lose the zeros for which a step is
 * sparse), batch, number of threads, instruction set, precision and `compact`, in this process or another one; another
 * version of the library may refuse them. Of a session that was not tuned: what the planner chose.
 * Writes *bytes bytes; buffer may be NULL when capacity is 0: then only *bytes is set. BUFFER_TOO_SMALL leaves buffer and
 * *bytes untouched. Memory: planning tables, during the call. Since 0.1. */
EDGEAI_API edgeai_status edgeai_session_tuning(const edgeai_session *session, void *buffer, size_t capacity, size_t *bytes,
                                               edgeai_error *error);

/* Where the bytes of a session's block go. */
typedef struct edgeai_memory_stats {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t total_bytes;          /* the block: exactly edgeai_session_memory_required */
  uint64_t activation_bytes;     /* inputs, outputs and intermediate results, sharing space */
  uint64_t packed_weight_bytes;  /* weights laid out for the kernels */
  uint64_t scratch_bytes;        /* what working memory of the threads adds: most lies where activations leave room */
  uint64_t other_bytes;          /* the plan's own tables, padding */
} edgeai_memory_stats;

EDGEAI_API edgeai_status edgeai_session_memory_stats(const edgeai_session *session, edgeai_memory_stats *stats,
                                                     edgeai_error *error);

#ifdef __cplusplus
}
#endif
#endif
