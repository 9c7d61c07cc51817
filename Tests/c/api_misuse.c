/* Wrong arguments get a typed error, leave out-parameters alone, and the process lives on.
 *     api_misuse MODEL STATEFUL     a model with one float32 input and a symbolic batch; one with state, of one input
 *                                   and of one output whose size depends on data */
#define _GNU_SOURCE /* syscall */
#include "check.h"
#include <edgeai.h>
#include <edgeai_compress.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Stands in front of the C library's: not every file system can map its files. */
static int cannot_map;
void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  if (cannot_map) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}

static edgeai_error error;
static edgeai_model *const untouched_model = (edgeai_model *)(uintptr_t)0x5A5A5A50;
static edgeai_session *const untouched_session = (edgeai_session *)(uintptr_t)0x5A5A5A50;

static void versions(void) {
  CHECK(edgeai_version_number() == EDGEAI_VERSION_NUMBER);
  CHECK(strcmp(edgeai_version_string(), "0.1.0") == 0);
  CHECK_STATUS(edgeai_abi_check(EDGEAI_ABI_VERSION), EDGEAI_OK);
  CHECK_STATUS(edgeai_abi_check(EDGEAI_ABI_VERSION + 1), EDGEAI_ERROR_ABI_MISMATCH);
  CHECK(edgeai_feature_enabled(NULL) == 0);
  CHECK(edgeai_feature_enabled("flying") == 0);
  CHECK(edgeai_feature_enabled("reference") == 1);
  CHECK(edgeai_feature_enabled("train") == 1);
  CHECK(edgeai_isa_count() >= 1);
  CHECK(edgeai_isa_name(-1) == NULL);
  CHECK(edgeai_isa_name(edgeai_isa_count()) == NULL);
  CHECK(strcmp(edgeai_isa_name(edgeai_isa_count() - 1), "reference") == 0);
  CHECK(strcmp(edgeai_status_name(103), "EDGEAI_ERROR_BUFFER_TOO_SMALL") == 0);
  CHECK(strcmp(edgeai_status_name(77), "EDGEAI_ERROR_UNKNOWN") == 0);
  CHECK(edgeai_dtype_size(EDGEAI_DTYPE_INT32) == 4 && edgeai_dtype_size(0) == 0 && edgeai_dtype_size(-1) == 0);
}

static void structures(const char *path) {
  struct { edgeai_model_options options; uint64_t more[2]; } newer;
  edgeai_model_options options;
  edgeai_error old;
  edgeai_model *model = untouched_model;
  memset(&options, 0xFF, sizeof options);
  edgeai_model_options_init(NULL, sizeof options);
  edgeai_model_options_init(&options, sizeof options - 1); /* does nothing */
  CHECK(options.struct_size == 0xFFFFFFFFu);
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_ABI_MISMATCH);
  options.struct_size = 8;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_ABI_MISMATCH);
  CHECK(error.status == EDGEAI_ERROR_ABI_MISMATCH && error.message[0] != 0);
  edgeai_model_options_init(&newer.options, sizeof newer);
  CHECK(newer.options.struct_size == sizeof newer && newer.more[1] == 0);
  newer.more[1] = 1; /* an option of the future */
  CHECK_STATUS(edgeai_model_open_file(path, &newer.options, &model, &error), EDGEAI_ERROR_ABI_MISMATCH);
  newer.more[1] = 0;
  CHECK_STATUS(edgeai_model_open_file(path, &newer.options, &model, &error), EDGEAI_OK);
  edgeai_model_destroy(model);
  model = untouched_model;
  memset(&old, 0, sizeof old); /* no init */
  CHECK_STATUS(edgeai_model_open_file(path, NULL, &model, &old), EDGEAI_ERROR_ABI_MISMATCH);
  CHECK(model == untouched_model && old.status == 0);
}

static void opening(const char *path) {
  edgeai_model_options options;
  edgeai_allocator allocator;
  edgeai_model *model = untouched_model;
  CHECK_STATUS(edgeai_model_open_file(NULL, NULL, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_open_file(path, NULL, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_open_file("/no/such/model", NULL, &model, &error), EDGEAI_ERROR_IO);
  CHECK(strstr(error.message, "/no/such/model") != NULL);
  CHECK_STATUS(edgeai_model_open_file("/no/such/model", NULL, &model, NULL), EDGEAI_ERROR_IO);
  CHECK_STATUS(edgeai_model_open_file("/", NULL, &model, &error), EDGEAI_ERROR_IO);
  CHECK_STATUS(edgeai_model_open_file("/dev/null", NULL, &model, &error), EDGEAI_ERROR_IO);
  CHECK(strstr(error.message, "no regular file") != NULL);
  cannot_map = 1;
  CHECK_STATUS(edgeai_model_open_file(path, NULL, &model, &error), EDGEAI_ERROR_IO);
  cannot_map = 0;
  CHECK(strstr(error.message, strerror(EINVAL)) != NULL);
  CHECK_STATUS(edgeai_model_open_memory(NULL, 10, NULL, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_open_memory("", 0, NULL, &model, &error), EDGEAI_ERROR_TRUNCATED_MODEL);
  CHECK(edgeai_model_open_memory("certainly no model", 18, NULL, &model, &error) / 100 == 2);
  CHECK_STATUS(edgeai_model_open_memory("x", SIZE_MAX, NULL, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  edgeai_model_options_init(&options, sizeof options);
  options.max_file_bytes = 16;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_LIMIT_EXCEEDED);
  edgeai_model_options_init(&options, sizeof options);
  options.max_operators = 1;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_LIMIT_EXCEEDED);
  edgeai_model_options_init(&options, sizeof options);
  edgeai_allocator_init(&allocator, sizeof allocator);
  allocator.allocate = NULL;
  options.allocator = &allocator;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  edgeai_model_options_init(&options, sizeof options);
  edgeai_input_binding binding;
  memset(&binding, 0, sizeof binding);
  options.binding_count = 1;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  options.bindings = &binding;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_ABI_MISMATCH);
  binding.struct_size = sizeof binding;
  binding.rank = EDGEAI_MAX_RANK + 1;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  binding.rank = -1;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  binding.rank = 1;
  binding.dims[0] = 4;
  binding.bytes = 8;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  binding.data = &binding;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT); /* no element type */
  binding.dtype = EDGEAI_DTYPE_INT64;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  binding.dims[0] = INT64_MAX;
  binding.bytes = UINT64_MAX;
  CHECK(edgeai_model_open_file(path, &options, &model, &error) != EDGEAI_OK);
  options.binding_count = UINT64_MAX;
  CHECK_STATUS(edgeai_model_open_file(path, &options, &model, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(model == untouched_model);
  edgeai_model_destroy(NULL);
}

static void questions(edgeai_model *model) {
  edgeai_tensor_info info;
  edgeai_model_info about;
  edgeai_op_info op;
  const char *text = NULL, *key = NULL;
  const void *data = NULL;
  int64_t tensor = -7;
  size_t bytes = 77, length = 0, coded = 0;
  char small[8];
  memset(&info, 0, sizeof info);
  CHECK_STATUS(edgeai_model_input_info(model, 0, &info, &error), EDGEAI_ERROR_ABI_MISMATCH);
  info.struct_size = sizeof info;
  CHECK_STATUS(edgeai_model_input_info(NULL, 0, &info, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_input_info(model, 0, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_input_info(model, edgeai_model_input_count(model), &info, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_input_info(model, SIZE_MAX, &info, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(info.rank == 0);
  CHECK_STATUS(edgeai_model_input_info(model, 0, &info, &error), EDGEAI_OK);
  CHECK(info.rank > 0 && info.dims[0] == EDGEAI_DIM_BATCH && info.dtype == EDGEAI_DTYPE_FLOAT32 && info.name[0] != 0);
  about.struct_size = sizeof about;
  CHECK_STATUS(edgeai_model_describe(model, &about, &error), EDGEAI_OK);
  CHECK(about.op_count == edgeai_model_op_count(model) && about.parameters > 0 && about.multiply_adds > 0);
  op.struct_size = sizeof op;
  CHECK_STATUS(edgeai_model_op_info(model, edgeai_model_op_count(model), &op, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_op_info(model, 0, &op, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_op_input(model, 0, 1000, &tensor, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_op_input(model, 0, 0, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(tensor == -7);
  CHECK_STATUS(edgeai_model_op_output(model, 0, 0, &tensor, &error), EDGEAI_OK);
  CHECK(tensor >= 0 && (size_t)tensor < edgeai_model_tensor_count(model));
  CHECK_STATUS(edgeai_model_tensor_data(model, (size_t)tensor, &data, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_tensor_scales(model, SIZE_MAX, NULL, NULL, 0, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(data == NULL && bytes == 77);
  CHECK(edgeai_model_tensor_count(NULL) == 0 && edgeai_model_op_count(NULL) == 0 && edgeai_model_metadata_count(NULL) == 0);
  CHECK(edgeai_model_metadata_find(model, "no such key") == NULL && edgeai_model_metadata_find(NULL, "x") == NULL);
  CHECK_STATUS(edgeai_model_metadata_set(model, NULL, "x", &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_metadata_set(model, "\xC3(", "x", &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_metadata_set(model, "key", "\xFF", &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_metadata_set(model, "key", "value", &error), EDGEAI_OK);
  CHECK((text = edgeai_model_metadata_find(model, "key")) && strcmp(text, "value") == 0);
  CHECK_STATUS(edgeai_model_metadata_at(model, edgeai_model_metadata_count(model) - 1, &key, &text, &error), EDGEAI_OK);
  CHECK(strcmp(key, "key") == 0);
  CHECK_STATUS(edgeai_model_metadata_set(model, "key", NULL, &error), EDGEAI_OK);
  CHECK(edgeai_model_metadata_find(model, "key") == NULL);
  CHECK_STATUS(edgeai_model_check(model, &error), EDGEAI_OK);
  CHECK(edgeai_model_unsupported_count(model) == 0);
  CHECK_STATUS(edgeai_model_save_memory_required(model, &bytes, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_save_memory(model, small, sizeof small, &length, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK_STATUS(edgeai_model_save_memory(model, NULL, bytes, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(length == 0);
  CHECK_STATUS(edgeai_model_save_file(model, "/no/such/folder/model", &error), EDGEAI_ERROR_IO);
  CHECK_STATUS(edgeai_model_save_file(model, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_ADAPTIVE, &coded, &error), EDGEAI_OK);
  CHECK(coded > 0 && coded < bytes);
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_NONE, &length, &error), EDGEAI_OK);
  CHECK(length == bytes);
  length = 0;
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_HUFFMAN, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_save_coded_memory_required(NULL, EDGEAI_CODING_HUFFMAN, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, 3, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, -1, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_save_coded_memory(model, EDGEAI_CODING_ADAPTIVE, small, sizeof small, &length, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK_STATUS(edgeai_model_save_coded_memory(model, EDGEAI_CODING_ADAPTIVE, NULL, bytes, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(length == 0);
  CHECK_STATUS(edgeai_model_save_coded_file(model, EDGEAI_CODING_ADAPTIVE, "/no/such/folder/model", &error), EDGEAI_ERROR_IO);
  CHECK_STATUS(edgeai_model_save_coded_file(model, -2, "/dev/null", &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_export_onnx_memory_required(model, &bytes, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_export_onnx_memory_required(model, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_export_onnx_memory_required(NULL, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_model_export_onnx_memory(model, small, sizeof small, &length, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK_STATUS(edgeai_model_export_onnx_memory(model, NULL, bytes, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(length == 0);
  CHECK_STATUS(edgeai_model_export_onnx_file(model, "/no/such/folder/model", &error), EDGEAI_ERROR_IO);
  CHECK_STATUS(edgeai_model_export_onnx_file(model, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
}

static void sessions(const edgeai_model *model) {
  edgeai_session_options options;
  edgeai_session *session = untouched_session;
  edgeai_tensor_info info;
  edgeai_step_info step;
  size_t bytes = 0, alignment = 0, x_bytes, y_bytes, length = 0, i;
  unsigned char *allocated, *memory;
  void *x;
  const void *y;
  float *mine, *first;
  char text[64];
  edgeai_session_options_init(&options, sizeof options);
  options.threads = 0;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  options.threads = 100000;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  options.threads = 1;
  options.batch = -1;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  options.batch = INT32_MAX; /* sizes overflow or exceed all memory */
  CHECK(edgeai_session_create(model, &options, &session, &error) / 100 == 3);
  options.batch = 1;
  options.isa = "6502";
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  options.isa = NULL;
  options.struct_size = 4;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_ABI_MISMATCH);
  CHECK_STATUS(edgeai_session_create(NULL, NULL, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_create(model, NULL, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(session == untouched_session);

  CHECK_STATUS(edgeai_session_memory_required(model, NULL, NULL, &alignment, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_memory_required(model, NULL, &bytes, &alignment, &error), EDGEAI_OK);
  allocated = (unsigned char *)malloc(bytes + 3 * alignment);
  if (!allocated) return;
  memory = allocated + (alignment - (uintptr_t)allocated % alignment);
  x = memory;
  CHECK_STATUS(edgeai_session_create_in(model, NULL, x, bytes - 1, &session, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK_STATUS(edgeai_session_create_in(model, NULL, x, 0, &session, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK_STATUS(edgeai_session_create_in(model, NULL, (char *)x + 8, bytes + 64, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_create_in(model, NULL, NULL, bytes, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_create_in(model, NULL, x, SIZE_MAX, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(session == untouched_session);
  memset(allocated, 0xA5, bytes + 3 * alignment);
  CHECK_STATUS(edgeai_session_create_in(model, NULL, x, bytes, &session, &error), EDGEAI_OK);

  CHECK_STATUS(edgeai_session_input_buffer(session, 7, &x, &x_bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_input_buffer(NULL, 0, &x, &x_bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_input_buffer(session, 0, NULL, &x_bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_input_buffer(session, 0, &x, &x_bytes, &error), EDGEAI_OK);
  info.struct_size = sizeof info;
  CHECK_STATUS(edgeai_session_input_info(session, 0, &info, &error), EDGEAI_OK);
  CHECK(info.bytes == x_bytes && info.dims[0] == 1);
  for (i = 0; i < x_bytes / sizeof(float); i++) ((float *)x)[i] = (float)(i % 17) / 8.0f - 1.0f;
  CHECK_STATUS(edgeai_session_run(NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_output_buffer(session, 0, &y, &y_bytes, &error), EDGEAI_OK);
  first = (float *)malloc(y_bytes);
  mine = (float *)malloc(x_bytes + y_bytes + 4);
  if (!first || !mine) return;
  memcpy(first, y, y_bytes);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK(memcmp(first, y, y_bytes) == 0); /* inputs stay */
  for (i = 0; i < 2 * alignment - 64; i++) CHECK(memory[bytes + i] == 0xA5);

  CHECK_STATUS(edgeai_session_bind_input(session, 0, mine, x_bytes - 4, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK_STATUS(edgeai_session_bind_input(session, 0, mine, x_bytes + 4, &error), EDGEAI_ERROR_SHAPE_MISMATCH);
  CHECK_STATUS(edgeai_session_bind_input(session, 9, mine, x_bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_bind_input(session, 0, (char *)mine + 1, x_bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(strcmp(error.tensor, info.name) == 0 && strstr(error.message, info.name));
  CHECK_STATUS(edgeai_session_bind_input(session, 0, NULL, x_bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_bind_input(NULL, 0, mine, x_bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  memcpy(mine, x, x_bytes);
  CHECK_STATUS(edgeai_session_bind_input(session, 0, mine, x_bytes, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_bind_output(session, 0, (char *)mine + x_bytes, y_bytes, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK(memcmp((char *)mine + x_bytes, first, y_bytes) == 0 && memcmp(mine, x, x_bytes) == 0);
  CHECK_STATUS(edgeai_session_bind_input(session, 0, NULL, 0, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_bind_output(session, 0, NULL, 0, &error), EDGEAI_OK);

  CHECK_STATUS(edgeai_session_reset(NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_reset(session, &error), EDGEAI_OK);
  edgeai_session_cancel(NULL);
  edgeai_session_cancel(session);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_ERROR_CANCELLED);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK(memcmp(first, y, y_bytes) == 0);

  step.struct_size = sizeof step;
  CHECK(edgeai_session_plan_count(session) > 0 && edgeai_session_plan_count(NULL) == 0);
  CHECK_STATUS(edgeai_session_plan_info(session, edgeai_session_plan_count(session), &step, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_plan_info(session, 0, &step, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_plan_text(session, NULL, 10, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_plan_text(session, NULL, 0, &length, &error), EDGEAI_OK);
  memset(text, 'x', sizeof text);
  CHECK_STATUS(edgeai_session_plan_text(session, text, 32, &length, &error), EDGEAI_OK);
  CHECK(length > 32 && strlen(text) == 31 && text[32] == 'x');
  edgeai_session_destroy(session);
  edgeai_session_destroy(NULL);
  free(first);
  free(mine);
  free(allocated);
}

/* State is no input or output of the caller's. */
static void states(const char *path) {
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  void *x = NULL;
  const void *y = NULL;
  size_t bytes = 0;
  int64_t dims[EDGEAI_MAX_RANK];
  int32_t rank = 0;
  float mine[3] = {0, 0, 0};
  CHECK_STATUS(edgeai_model_open_file(path, NULL, &model, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  if (!session) return;
  CHECK(edgeai_session_input_count(session) == 1 && edgeai_session_output_count(session) == 1);
  CHECK_STATUS(edgeai_session_input_buffer(session, 1, &x, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_output_buffer(session, 1, &y, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_output_shape(session, 1, dims, &rank, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_bind_input(session, 1, mine, sizeof mine, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_bind_output(session, 1, mine, sizeof mine, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_input_buffer(session, 0, &x, &bytes, &error), EDGEAI_OK);
  ((float *)x)[0] = ((float *)x)[1] = 0;
  ((float *)x)[2] = 1;
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_output_shape(session, 0, dims, &rank, &error), EDGEAI_OK);
  CHECK(rank == 2 && dims[0] == 2 && dims[1] == 1);
  ((float *)x)[0] = 1;
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_output_shape(session, 0, dims, &rank, &error), EDGEAI_OK);
  CHECK(rank == 2 && dims[0] == 2 && dims[1] == 2);
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
}

/* What is in the trace is looked at by the Python tests. */
static void profiles(const edgeai_model *model) {
  edgeai_session_options options;
  edgeai_session *session = untouched_session;
  edgeai_step_info step;
  edgeai_step_times times;
  size_t length = 0, i;
  char small[16], *text;
  edgeai_session_options_init(&options, sizeof options);
  options.trace_runs = -1;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  options.trace_runs = INT32_MAX;
  CHECK(edgeai_session_create(model, &options, &session, &error) / 100 == 3);
  CHECK(session == untouched_session);

  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_write_trace(session, NULL, 0, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_save_trace(session, "/dev/null", &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_measure_peak(NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(length == 0);
  edgeai_session_destroy(session);

  options.trace_runs = 2;
  options.threads = 2;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_write_trace(NULL, NULL, 0, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_write_trace(session, NULL, 5, &length, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_write_trace(session, NULL, 0, &length, &error), EDGEAI_OK); /* before the first run */
  CHECK(length > 0);
  for (i = 0; i < 3; i++) CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_write_trace(session, small, sizeof small, &length, &error), EDGEAI_OK);
  CHECK(strncmp(small, "{\"displayTimeUni", 15) == 0 && small[15] == 0 && length > sizeof small);
  text = (char *)malloc(length + 1);
  if (!text) return;
  CHECK_STATUS(edgeai_session_write_trace(session, text, length + 1, &length, &error), EDGEAI_OK);
  CHECK(strlen(text) == length && text[length - 1] == '}' && strstr(text, "\"ph\":\"X\"") != NULL);
  free(text);
  CHECK_STATUS(edgeai_session_save_trace(session, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_save_trace(session, "/no/such/folder/trace", &error), EDGEAI_ERROR_IO);

  memset(&times, 0, sizeof times);
  CHECK_STATUS(edgeai_session_step_times(session, 0, &times, &error), EDGEAI_ERROR_ABI_MISMATCH);
  times.struct_size = sizeof times;
  CHECK_STATUS(edgeai_session_step_times(session, SIZE_MAX, &times, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_step_times(NULL, 0, &times, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_step_times(session, 0, &times, &error), EDGEAI_OK);
  CHECK(times.runs == 3 && times.least > 0 && times.least <= times.last && times.last <= times.most && times.total >= 3 * times.least);
  CHECK(times.mean > 0 && times.gbytes > 0 && times.peak_gops == 0 && times.peak_share == 0);
  CHECK_STATUS(edgeai_session_measure_peak(session, &error), EDGEAI_OK);
  for (i = 0; i < edgeai_session_plan_count(session); i++) {
    step.struct_size = sizeof step;
    CHECK_STATUS(edgeai_session_plan_info(session, i, &step, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_session_step_times(session, i, &times, &error), EDGEAI_OK);
    CHECK((times.gops > 0) == (step.multiply_adds > 0));
    CHECK(times.peak_gops > 0 && (times.peak_share > 0) == (times.gops > 0)); /* all of it is float32 */
  }
  CHECK_STATUS(edgeai_session_reset_times(session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_step_times(session, 0, &times, &error), EDGEAI_OK);
  CHECK(times.runs == 0 && times.mean == 0 && times.gops == 0 && times.gbytes == 0);
  edgeai_session_destroy(session);
}

static void precisions(const edgeai_model *model) {
  const int32_t wrong[] = {-1, 2, 255, 256, INT32_MIN, INT32_MAX};
  edgeai_session_options options;
  edgeai_session *session = untouched_session;
  size_t i;
  edgeai_session_options_init(&options, sizeof options);
  CHECK(options.precision == EDGEAI_PRECISION_FLOAT32);
  for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    options.precision = wrong[i];
    CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  }
  CHECK(session == untouched_session);
  options.precision = EDGEAI_PRECISION_BFLOAT16;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  edgeai_session_destroy(session);
}

static void tunings(const edgeai_model *model) {
  edgeai_session_options options;
  edgeai_session *session = untouched_session, *again = untouched_session;
  size_t bytes = 0, size = 77, alignment = 0, i;
  static char first[1 << 15], second[1 << 15];
  void *memory;
  unsigned char blob[1024];
  edgeai_session_options_init(&options, sizeof options);
  options.tune = 1;
  /* Nobody knows the size before. */
  CHECK_STATUS(edgeai_session_memory_required(model, &options, &size, &alignment, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(size == 77);
  if (posix_memalign(&memory, 64, 1 << 20)) return;
  CHECK_STATUS(edgeai_session_create_in(model, &options, memory, 1 << 20, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  free(memory);
  options.tuning = blob;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT); /* no bytes */
  options.tuning_bytes = UINT64_MAX;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  options.tuning_bytes = 64;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT); /* both */
  options.tuning = NULL;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT); /* no pointer */
  options.tune = 0;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  options.tuning = blob;
  options.tuning_bytes = 0;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_ERROR_TUNING_MISMATCH); /* as of a file cut to nothing */
  CHECK(session == untouched_session);
  options.tune = 1;
  options.tuning = NULL;
  CHECK_STATUS(edgeai_session_create(model, &options, &session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);

  CHECK_STATUS(edgeai_session_tuning(NULL, NULL, 0, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_tuning(session, NULL, 0, NULL, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK_STATUS(edgeai_session_tuning(session, NULL, 9, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
  CHECK(bytes == 0);
  CHECK_STATUS(edgeai_session_tuning(session, NULL, 0, &bytes, &error), EDGEAI_OK);
  CHECK(bytes == 8 * (3 + edgeai_session_plan_count(session)) && bytes < sizeof blob);
  memset(blob, 0xA5, sizeof blob);
  CHECK_STATUS(edgeai_session_tuning(session, blob, bytes - 1, &bytes, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK(blob[0] == 0xA5);
  CHECK_STATUS(edgeai_session_tuning(session, blob, sizeof blob, &bytes, &error), EDGEAI_OK);
  CHECK(blob[bytes] == 0xA5);

  options.tune = 0;
  options.tuning = blob;
  options.tuning_bytes = bytes;
  CHECK_STATUS(edgeai_session_memory_required(model, &options, &size, &alignment, &error), EDGEAI_OK);
  if (posix_memalign(&memory, alignment, size)) return;
  CHECK_STATUS(edgeai_session_create_in(model, &options, memory, size - 1, &again, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  CHECK_STATUS(edgeai_session_create_in(model, &options, memory, size, &again, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_plan_text(session, first, sizeof first, NULL, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_plan_text(again, second, sizeof second, NULL, &error), EDGEAI_OK);
  CHECK(strcmp(first, second) == 0);
  edgeai_session_destroy(again);
  free(memory);
  again = untouched_session;
  options.threads = 2;
  CHECK_STATUS(edgeai_session_create(model, &options, &again, &error), EDGEAI_ERROR_TUNING_MISMATCH);
  options.threads = 1;
  options.batch = 2;
  CHECK_STATUS(edgeai_session_create(model, &options, &again, &error), EDGEAI_ERROR_TUNING_MISMATCH);
  options.batch = 1;
  if (edgeai_isa_count() > 1) {
    options.isa = "reference";
    CHECK_STATUS(edgeai_session_create(model, &options, &again, &error), EDGEAI_ERROR_TUNING_MISMATCH);
    options.isa = NULL;
  }
  options.tuning_bytes = (uint64_t)1 << 60; /* more than there are: they are not read */
  CHECK_STATUS(edgeai_session_create(model, &options, &again, &error), EDGEAI_ERROR_TUNING_MISMATCH);
  options.tuning_bytes = UINT64_MAX;
  CHECK_STATUS(edgeai_session_create(model, &options, &again, &error), EDGEAI_ERROR_TUNING_MISMATCH);
  options.tuning_bytes = bytes;
  for (i = 0; i < bytes; i++) {
    blob[i] ^= 0x40;
    CHECK_STATUS(edgeai_session_create(model, &options, &again, &error), EDGEAI_ERROR_TUNING_MISMATCH);
    blob[i] ^= 0x40;
    options.tuning_bytes = i + 1;
    if (i + 1 < bytes) CHECK_STATUS(edgeai_session_create(model, &options, &again, &error), EDGEAI_ERROR_TUNING_MISMATCH);
    options.tuning_bytes = bytes;
  }
  CHECK(again == untouched_session);
  edgeai_session_destroy(session);
}

int main(int argc, char **argv) {
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  if (argc != 3) return 2;
  edgeai_error_init(NULL, sizeof error);
  edgeai_error_init(&error, sizeof error);
  versions();
  structures(argv[1]);
  opening(argv[1]);
  states(argv[2]);
  CHECK_STATUS(edgeai_model_open_file(argv[1], NULL, &model, &error), EDGEAI_OK);
  if (!model) return check_result("api_misuse");
  questions(model);
  sessions(model);
  profiles(model);
  precisions(model);
  tunings(model);
  /* A session outlives the handle of its model. */
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  edgeai_model_destroy(model);
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  edgeai_session_destroy(session);
  return check_result("api_misuse");
}
