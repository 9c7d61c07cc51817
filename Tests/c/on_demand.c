/* A coded model that is decoded on demand: what its session takes of memory, that it computes the same, and what its errors are; and what
 * coding takes. */
#include "check.h"
#include "failing_allocator.h"
#include <edgeai_compress.h>
#include <edgeai_train.h>
#include <pthread.h>
#include <string.h>

static edgeai_error error;
static edgeai_allocator allocator;
static const uint32_t widths[7] = {256, 512, 512, 512, 512, 512, 10};
/* Five layers of 512 x 512 floats and less. */
enum { LARGEST = 512 * 512 * 4, DECODED = 4 * (256 * 512 + 4 * 512 * 512), TABLES = 1400000, CODING_TABLES = 10000000, SMALL = 100000 };

static void *coded;
static size_t coded_bytes;

static void architecture(edgeai_architecture_options *network) {
  edgeai_architecture_options_init(network, sizeof *network);
  network->architecture = EDGEAI_ARCHITECTURE_MLP;
  network->widths = widths;
  network->width_count = 7;
}

static void make_file(void) {
  edgeai_architecture_options network;
  edgeai_model *model = NULL;
  architecture(&network);
  CHECK_STATUS(edgeai_model_create(&network, &model, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_ADAPTIVE, &coded_bytes, &error), EDGEAI_OK);
  CHECK((coded = malloc(coded_bytes)) != NULL);
  CHECK_STATUS(edgeai_model_save_coded_memory(model, EDGEAI_CODING_ADAPTIVE, coded, coded_bytes, NULL, &error), EDGEAI_OK);
  edgeai_model_destroy(model);
}

static edgeai_status open_file(const void *bytes, int on_demand, edgeai_model **model) {
  edgeai_model_options options;
  edgeai_model_options_init(&options, sizeof options);
  options.allocator = &allocator;
  options.decode_on_demand = on_demand;
  return edgeai_model_open_memory(bytes, coded_bytes, &options, model, &error);
}

static void run(edgeai_session *session, float *result) {
  void *x = NULL;
  const void *y = NULL;
  size_t x_bytes = 0, y_bytes = 0, i;
  CHECK_STATUS(edgeai_session_input_buffer(session, 0, &x, &x_bytes, &error), EDGEAI_OK);
  for (i = 0; i < x_bytes / 4; i++) ((float *)x)[i] = (float)(i * 37 % 64) / 32 - 1;
  CHECK_STATUS(edgeai_session_run(session, &error), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_output_buffer(session, 0, &y, &y_bytes, &error), EDGEAI_OK);
  CHECK(y_bytes == 40);
  memcpy(result, y, 40);
}

static void memory_and_results(void) {
  edgeai_model *model = NULL, *whole = NULL;
  edgeai_session *session = NULL, *plain = NULL;
  float results[2][10];
  size_t block = 0, alignment = 0, again = 0;
  void *memory = NULL;
  long opened;
  live_bytes = most_bytes = 0;
  CHECK_STATUS(open_file(coded, 1, &model), EDGEAI_OK);
  CHECK(live_bytes < SMALL && most_bytes < TABLES);
  opened = live_bytes;
  CHECK_STATUS(edgeai_session_memory_required(model, NULL, &block, &alignment, &error), EDGEAI_OK);
  CHECK(live_bytes == opened);
  most_bytes = live_bytes;
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  printf("on demand: block %ld bytes, at most %ld at once, %ld in the end; decoded constants %d\n", (long)block, most_bytes, live_bytes, DECODED);
  CHECK(most_bytes < opened + (long)block + LARGEST + TABLES && most_bytes < opened + (long)block + DECODED);
  CHECK(live_bytes < opened + (long)block + SMALL);
  run(session, results[0]);
  edgeai_session_destroy(session);

  /* In given memory: exactly so much, and not a byte less. */
  CHECK(posix_memalign(&memory, alignment, block) == 0);
  CHECK_STATUS(edgeai_session_create_in(model, NULL, memory, block - 1, &session, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  most_bytes = live_bytes;
  CHECK_STATUS(edgeai_session_create_in(model, NULL, memory, block, &session, &error), EDGEAI_OK);
  CHECK(most_bytes < opened + LARGEST + TABLES);
  run(session, results[1]);
  CHECK(memcmp(results[0], results[1], sizeof results[0]) == 0);
  edgeai_session_destroy(session);
  free(memory);

  CHECK_STATUS(open_file(coded, 0, &whole), EDGEAI_OK);
  CHECK(live_bytes > opened + DECODED);
  CHECK_STATUS(edgeai_session_create(whole, NULL, &plain, &error), EDGEAI_OK);
  run(plain, results[1]);
  CHECK(memcmp(results[0], results[1], sizeof results[0]) == 0);
  edgeai_session_destroy(plain);

  /* What needs all constants has them. */
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_ADAPTIVE, &again, &error), EDGEAI_OK);
  CHECK(again == coded_bytes);
  edgeai_model_destroy(whole);
  edgeai_model_destroy(model);
  CHECK(live_bytes == 0);
}

/* Out of memory anywhere: an error, and what was taken is given back. */
static void running_dry(void) {
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  long opened, needed, n;
  CHECK_STATUS(open_file(coded, 1, &model), EDGEAI_OK);
  opened = live_bytes;
  taken = 0;
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  edgeai_session_destroy(session);
  needed = taken;
  /* The large blocks are the last ones. */
  for (n = 1; n < needed; n += n < needed - 4 ? needed / 8 + 1 : 1) {
    taken = 0;
    budget = n;
    CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_ERROR_OUT_OF_MEMORY);
    budget = -1;
    CHECK(live_bytes == opened);
  }
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  edgeai_session_destroy(session);
  CHECK(live_bytes == opened);
  edgeai_model_destroy(model);
  live_bytes = 0; /* an object that a call ran dry on may stay */
}

/* A constant that finds no memory is named with its size. */
static void no_memory_for_a_constant(void) {
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  void *memory = NULL;
  size_t block = 0, alignment = 0;
  long opened;
  CHECK_STATUS(open_file(coded, 1, &model), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_memory_required(model, NULL, &block, &alignment, &error), EDGEAI_OK);
  CHECK(posix_memalign(&memory, alignment, block) == 0);
  opened = live_bytes;
  largest_block = LARGEST;
  CHECK_STATUS(edgeai_session_create_in(model, NULL, memory, block, &session, &error), EDGEAI_ERROR_OUT_OF_MEMORY);
  largest_block = SIZE_MAX;
  CHECK(strcmp(error.message, "no memory for a constant of 1048576 bytes") == 0);
  /* The second layer's: the first one's is smaller. */
  CHECK(strcmp(error.tensor, "fc2/weights") == 0);
  CHECK(session == NULL && live_bytes == opened);
  free(memory);
  edgeai_model_destroy(model);
  live_bytes = 0; /* an object that a call ran dry on may stay */
}

/* A message of protobuf, and how fields get into it. */
struct message {
  unsigned char *bytes;
  size_t count;
};
static void put_number(struct message *message, size_t number) {
  CHECK((message->bytes = (unsigned char *)realloc(message->bytes, message->count + 10)) != NULL);
  for (; number > 127; number >>= 7) message->bytes[message->count++] = (unsigned char)(number | 128);
  message->bytes[message->count++] = (unsigned char)number;
}
static void put_int(struct message *message, int field, size_t value) {
  put_number(message, (size_t)field << 3);
  put_number(message, value);
}
static void put_bytes(struct message *message, int field, const void *bytes, size_t count) {
  put_number(message, (size_t)field << 3 | 2);
  put_number(message, count);
  CHECK((message->bytes = (unsigned char *)realloc(message->bytes, message->count + count)) != NULL);
  memcpy(message->bytes + message->count, bytes, count);
  message->count += count;
}
static void put_text(struct message *message, int field, const char *text) { put_bytes(message, field, text, strlen(text)); }
static void put_message(struct message *message, int field, struct message part) {
  put_bytes(message, field, part.bytes, part.count);
  free(part.bytes);
}

static struct message floats(const char *name, size_t count) {
  struct message dim = {NULL, 0}, shape = {NULL, 0}, tensor = {NULL, 0}, type = {NULL, 0}, info = {NULL, 0};
  put_int(&dim, 1, count);
  put_message(&shape, 1, dim);
  put_int(&tensor, 1, 1);
  put_message(&tensor, 2, shape);
  put_message(&type, 1, tensor);
  put_text(&info, 1, name);
  put_message(&info, 2, type);
  return info;
}

/* A model that adds a constant of this name to its input. It uses `file`, which the caller frees after it. */
static edgeai_model *sum(const char *name, const float *values, size_t count, struct message *file) {
  struct message node = {NULL, 0}, constant = {NULL, 0}, graph = {NULL, 0}, opset = {NULL, 0};
  edgeai_model_options options;
  edgeai_model *model = NULL;
  put_text(&node, 1, "x");
  put_text(&node, 1, name);
  put_text(&node, 2, "y");
  put_text(&node, 4, "Add");
  put_int(&constant, 1, count);
  put_int(&constant, 2, 1);
  put_text(&constant, 8, name);
  put_bytes(&constant, 9, values, count * sizeof *values);
  put_message(&graph, 1, node);
  put_text(&graph, 2, "sum");
  put_message(&graph, 5, constant);
  put_message(&graph, 11, floats("x", count));
  put_message(&graph, 12, floats("y", count));
  put_int(&opset, 2, 14);
  file->bytes = NULL;
  file->count = 0;
  put_int(file, 1, 8);
  put_message(file, 7, graph);
  put_message(file, 8, opset);
  edgeai_model_options_init(&options, sizeof options);
  options.allocator = &allocator;
  CHECK_STATUS(edgeai_model_open_memory(file->bytes, file->count, &options, &model, &error), EDGEAI_OK);
  return model;
}

/* A name that is too long for an error ends with a character. */
static void long_names(void) {
  enum { COUNT = 1 << 18 };
  float *values = (float *)calloc(COUNT, sizeof *values);
  char name[141];
  int shift, i;
  CHECK(values != NULL);
  values[1] = 1;
  for (shift = 0; shift < 2; shift++) {
    edgeai_model *model, *lazy = NULL;
    edgeai_session *session = NULL;
    edgeai_model_options options;
    struct message file;
    void *coded_sum = NULL, *memory = NULL;
    size_t bytes = 0, block = 0, alignment = 0;
    for (i = 0; i < 140; i++) name[i] = i < shift ? 'n' : (i - shift) % 2 ? '\xA9' : '\xC3'; /* e with an accent */
    name[138 + shift] = 0;
    model = sum(name, values, COUNT, &file);
    CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_ADAPTIVE, &bytes, &error), EDGEAI_OK);
    CHECK((coded_sum = malloc(bytes)) != NULL);
    CHECK_STATUS(edgeai_model_save_coded_memory(model, EDGEAI_CODING_ADAPTIVE, coded_sum, bytes, NULL, &error), EDGEAI_OK);
    edgeai_model_destroy(model);
    free(file.bytes);
    edgeai_model_options_init(&options, sizeof options);
    options.allocator = &allocator;
    options.decode_on_demand = 1;
    CHECK_STATUS(edgeai_model_open_memory(coded_sum, bytes, &options, &lazy, &error), EDGEAI_OK);
    CHECK_STATUS(edgeai_session_memory_required(lazy, NULL, &block, &alignment, &error), EDGEAI_OK);
    CHECK(posix_memalign(&memory, alignment, block) == 0);
    largest_block = COUNT * sizeof *values - 1;
    CHECK_STATUS(edgeai_session_create_in(lazy, NULL, memory, block, &session, &error), EDGEAI_ERROR_OUT_OF_MEMORY);
    largest_block = SIZE_MAX;
    /* 127 bytes have room; the first name would end in the middle of its last character. */
    CHECK(strlen(error.tensor) == (size_t)(126 + shift) && strncmp(error.tensor, name, strlen(error.tensor)) == 0);
    edgeai_model_destroy(lazy);
    live_bytes = 0; /* an object that a call ran dry on may stay */
    free(memory);
    free(coded_sum);
  }
  free(values);
}

/* Coding takes tables, and what a pruned constant takes coded, but nothing for each of its weights. */
static void coding_pruned_weights(void) {
  enum { COUNT = 6 << 20 };
  float *values = (float *)calloc(COUNT, sizeof *values);
  struct message file;
  edgeai_model *model;
  size_t bytes = 0;
  long opened;
  int i;
  CHECK(values != NULL);
  for (i = 0; i < COUNT; i += 64) values[i] = i % 128 ? -0.5f : 0.5f;
  model = sum("ternary", values, COUNT, &file);
  free(values);
  opened = most_bytes = live_bytes;
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_ADAPTIVE, &bytes, &error), EDGEAI_OK);
  printf("coding: %ld bytes to find that a file has %ld\n", most_bytes - opened, (long)bytes);
  CHECK(most_bytes - opened < CODING_TABLES + 3 * (long)bytes);
  edgeai_model_destroy(model);
  free(file.bytes);
  CHECK(live_bytes == 0);
}

static long bytes_to_prune(int on_demand) {
  edgeai_model *model = NULL, *pruned = NULL;
  edgeai_report *report = NULL;
  CHECK_STATUS(open_file(coded, on_demand, &model), EDGEAI_OK);
  taken_bytes = 0;
  CHECK_STATUS(edgeai_prune(model, NULL, NULL, NULL, &pruned, &report, &error), EDGEAI_OK);
  edgeai_report_destroy(report);
  edgeai_model_destroy(pruned);
  edgeai_model_destroy(model);
  CHECK(live_bytes == 0);
  return taken_bytes;
}

/* A method decodes the model once, also for its report. */
static void a_method_decodes_once(void) {
  long decoding = bytes_to_prune(1) - bytes_to_prune(0);
  CHECK(decoding > DECODED && decoding < DECODED + 2 * TABLES);
}

/* A graph that was validated when its file was read is not when a session's plan is asked for. */
static void a_graph_is_validated_once(void) {
  edgeai_architecture_options network;
  edgeai_model *models[2] = {NULL, NULL};
  long blocks[2][3];
  int i;
  architecture(&network);
  network.allocator = &allocator;
  CHECK_STATUS(edgeai_model_create(&network, &models[0], &error), EDGEAI_OK);
  CHECK_STATUS(open_file(coded, 0, &models[1]), EDGEAI_OK);
  for (i = 0; i < 2; i++) {
    edgeai_session *session = NULL;
    size_t bytes = 0, alignment = 0;
    CHECK_STATUS(edgeai_session_create(models[i], NULL, &session, &error), EDGEAI_OK);
    taken = 0;
    CHECK_STATUS(edgeai_session_memory_required(models[i], NULL, &bytes, &alignment, &error), EDGEAI_OK);
    blocks[i][0] = taken;
    CHECK_STATUS(edgeai_session_plan_text(session, NULL, 0, &bytes, &error), EDGEAI_OK);
    blocks[i][1] = taken - blocks[i][0];
    CHECK_STATUS(edgeai_session_tuning(session, NULL, 0, &bytes, &error), EDGEAI_OK);
    blocks[i][2] = taken - blocks[i][0] - blocks[i][1];
    edgeai_session_destroy(session);
  }
  for (i = 0; i < 3; i++) CHECK(blocks[1][i] < blocks[0][i]);
  edgeai_model_destroy(models[0]);
  edgeai_model_destroy(models[1]);
  CHECK(live_bytes == 0);
}

struct asker {
  pthread_t thread;
  const edgeai_model *model;
  const void *data;
};
static void *ask(void *context) {
  struct asker *asker = (struct asker *)context;
  size_t bytes = 0, i;
  edgeai_error own;
  edgeai_error_init(&own, sizeof own);
  for (i = 0; i < edgeai_model_tensor_count(asker->model) && !asker->data; i++)
    if (edgeai_model_tensor_data(asker->model, i, &asker->data, &bytes, &own) != EDGEAI_OK) asker->data = NULL;
  return NULL;
}

/* Whoever asks first: all get the same constants, which stay. */
static void many_ask_for_constants(void) {
  struct asker askers[4];
  edgeai_model_options options;
  edgeai_model *model = NULL;
  int i;
  edgeai_model_options_init(&options, sizeof options);
  options.decode_on_demand = 1;
  CHECK_STATUS(edgeai_model_open_memory(coded, coded_bytes, &options, &model, &error), EDGEAI_OK);
  for (i = 0; i < 4; i++) {
    askers[i].model = model;
    askers[i].data = NULL;
    CHECK(pthread_create(&askers[i].thread, NULL, ask, &askers[i]) == 0);
  }
  for (i = 0; i < 4; i++) pthread_join(askers[i].thread, NULL);
  for (i = 0; i < 4; i++) CHECK(askers[i].data != NULL && askers[i].data == askers[0].data);
  edgeai_model_destroy(model);
}

static void constants(void) {
  edgeai_model *model = NULL, *whole = NULL;
  size_t i, compared = 0;
  CHECK_STATUS(open_file(coded, 1, &model), EDGEAI_OK);
  CHECK_STATUS(open_file(coded, 0, &whole), EDGEAI_OK);
  for (i = 0; i < edgeai_model_tensor_count(model); i++) {
    const void *one = NULL, *other = NULL;
    size_t bytes = 0, other_bytes = 0;
    if (edgeai_model_tensor_data(whole, i, &other, &other_bytes, &error) != EDGEAI_OK) {
      CHECK_STATUS(edgeai_model_tensor_data(model, i, &one, &bytes, &error), EDGEAI_ERROR_INVALID_ARGUMENT);
      continue;
    }
    CHECK_STATUS(edgeai_model_tensor_data(model, i, &one, &bytes, &error), EDGEAI_OK);
    CHECK(bytes == other_bytes && memcmp(one, other, bytes) == 0);
    compared++;
  }
  CHECK(compared >= 12);
  edgeai_model_destroy(model);
  edgeai_model_destroy(whole);
  CHECK(live_bytes == 0);
}

static uint32_t crc32c(const unsigned char *bytes, size_t count) {
  uint32_t crc = 0xFFFFFFFFu;
  int bit;
  while (count--) {
    crc ^= *bytes++;
    for (bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
  }
  return ~crc;
}

/* The same error as of the file that is decoded at once, but of what needs the constants. */
static void damage(void) {
  unsigned char *file = (unsigned char *)malloc(coded_bytes);
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  edgeai_error whole;
  uint32_t crc;
  size_t required = 0, alignment = 0;
  int i;
  CHECK(file != NULL);
  memcpy(file, coded, coded_bytes);
  /* The coded high bytes of layers' floats, behind the description, and much that is not coded. */
  for (i = 10000; i < (int)coded_bytes; i += 101) file[i] ^= 0x5A;
  crc = crc32c(file + 16, coded_bytes - 16);
  for (i = 0; i < 4; i++) file[12 + i] = (unsigned char)(crc >> 8 * i);
  CHECK(open_file(file, 0, &model) != EDGEAI_OK);
  whole = error;
  CHECK(whole.byte_offset > 0 && whole.tensor[0] != 0);
  CHECK_STATUS(open_file(file, 1, &model), EDGEAI_OK);
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), whole.status);
  CHECK(error.byte_offset == whole.byte_offset && strcmp(error.tensor, whole.tensor) == 0 && strcmp(error.message, whole.message) == 0);
  CHECK(session == NULL);
  CHECK_STATUS(edgeai_model_save_memory_required(model, &required, &error), whole.status);
  CHECK(error.byte_offset == whole.byte_offset);
  /* Planning for the size need not have met it. */
  (void)edgeai_session_memory_required(model, NULL, &required, &alignment, &error);
  edgeai_model_destroy(model);
  free(file);
  CHECK(live_bytes == 0);
}

int main(void) {
  edgeai_error_init(&error, sizeof error);
  hook_init(&allocator);
  make_file();
  memory_and_results();
  running_dry();
  no_memory_for_a_constant();
  long_names();
  coding_pruned_weights();
  a_method_decodes_once();
  a_graph_is_validated_once();
  many_ask_for_constants();
  constants();
  damage();
  free(coded);
  return check_result("on demand");
}
