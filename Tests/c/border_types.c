/* Networks whose inputs and outputs are not float32: the types that the C API gives them, and what it says to a caller
 * who takes them for float32. */
#include "check.h"
#include <edgeai.h>
#include <stdint.h>
#include <string.h>

static edgeai_error error;

/* ONNX: y = Relu(x), both [2, 3]; the element types stand at bytes 31 and 52. */
static unsigned char file[69] =
    "\x08\x08\x3a\x3b\x0a\x0c\x0a\x01x\x12\x01y\x22\x04Relu\x12\x01g\x5a\x13\x0a\x01x\x12\x0e\x0a\x0c\x08\x0a\x12\x08\x0a\x02\x08"
    "\x02\x0a\x02\x08\x03\x62\x13\x0a\x01y\x12\x0e\x0a\x0c\x08\x0a\x12\x08\x0a\x02\x08\x02\x0a\x02\x08\x03\x42\x04\x0a\x00\x10\x0e";

/* Both: the six numbers -1, 0.5, 2, -0.25, 0, 3 and those after Relu, in the type. */
static void border(unsigned char onnx_type, int32_t dtype, const char *name, const void *x, const void *y, size_t bytes) {
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  edgeai_tensor_info info = {.struct_size = sizeof info};
  float wrong[6] = {0};
  const void *result = NULL;
  size_t result_bytes = 0;
  file[31] = file[52] = onnx_type;
  CHECK_STATUS(edgeai_model_open_memory(file, sizeof file, NULL, &model, &error), EDGEAI_OK);
  if (!model) return;
  CHECK_STATUS(edgeai_model_input_info(model, 0, &info, &error), EDGEAI_OK);
  CHECK(info.dtype == dtype && info.bytes == bytes && strcmp(edgeai_dtype_name(info.dtype), name) == 0);
  CHECK_STATUS(edgeai_model_output_info(model, 0, &info, &error), EDGEAI_OK);
  CHECK(info.dtype == dtype && info.bytes == bytes);
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  if (session) {
    if (bytes != sizeof wrong) {
      CHECK_STATUS(edgeai_session_bind_input(session, 0, wrong, sizeof wrong, &error),
                   bytes < sizeof wrong ? EDGEAI_ERROR_SHAPE_MISMATCH : EDGEAI_ERROR_BUFFER_TOO_SMALL);
      CHECK(strstr(error.message, name) && strstr(error.message, "float32") && strcmp(error.tensor, "x") == 0);
      CHECK_STATUS(edgeai_session_bind_output(session, 0, wrong, sizeof wrong, &error),
                   bytes < sizeof wrong ? EDGEAI_ERROR_SHAPE_MISMATCH : EDGEAI_ERROR_BUFFER_TOO_SMALL);
      CHECK(strstr(error.message, name) && strstr(error.message, "float32") && strcmp(error.tensor, "y") == 0);
    }
    CHECK_STATUS(edgeai_session_bind_input(session, 0, x, bytes, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_session_output_buffer(session, 0, &result, &result_bytes, &error), EDGEAI_OK);
    CHECK(result_bytes == bytes && memcmp(result, y, bytes) == 0);
  }
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
}

int main(void) {
  static const float x32[] = {-1, 0.5f, 2, -0.25f, 0, 3}, y32[] = {0, 0.5f, 2, 0, 0, 3};
  static const double x64[] = {-1, 0.5, 2, -0.25, 0, 3}, y64[] = {0, 0.5, 2, 0, 0, 3};
  static const uint16_t x16[] = {0xBC00, 0x3800, 0x4000, 0xB400, 0, 0x4200}, y16[] = {0, 0x3800, 0x4000, 0, 0, 0x4200};
  static const uint16_t xb[] = {0xBF80, 0x3F00, 0x4000, 0xBE80, 0, 0x4040}, yb[] = {0, 0x3F00, 0x4000, 0, 0, 0x4040};
  edgeai_error_init(&error, sizeof error);
  border(1, EDGEAI_DTYPE_FLOAT32, "float32", x32, y32, sizeof x32);
  border(10, EDGEAI_DTYPE_FLOAT16, "float16", x16, y16, sizeof x16);
  border(11, EDGEAI_DTYPE_FLOAT64, "float64", x64, y64, sizeof x64);
  border(16, EDGEAI_DTYPE_BFLOAT16, "bfloat16", xb, yb, sizeof xb);
  return check_result("border_types");
}
