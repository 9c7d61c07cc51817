/* A coded model that is decoded on demand: what its session takes of memory, that it computes the same, and what its errors are. */
#include "check.h"
#include <edgeai.h>
#include <edgeai_train.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The hook: how much is taken, the most that was at once, and how many blocks; it runs dry after `budget` of them. */
static long live, most, blocks, budget = -1;
/* All blocks are on a list, so that what stays when a call ran dry is not taken for lost. */
struct block {
  struct block *next, **link;
};
static struct block *first;
static void *take(void *context, size_t size, size_t alignment) {
  void *memory = NULL;
  struct block *block;
  (void)context;
  if (budget >= 0 && blocks >= budget) return NULL;
  blocks++;
  if (posix_memalign(&memory, alignment < 64 ? 64 : alignment, size + 64)) return NULL;
  block = (struct block *)memory;
  block->next = first;
  block->link = &first;
  if (first) first->link = &block->next;
  first = block;
  live += (long)size;
  if (live > most) most = live;
  return (char *)memory + 64;
}
static void give(void *context, void *pointer, size_t size) {
  struct block *block = (struct block *)(void *)((char *)pointer - 64);
  (void)context;
  *block->link = block->next;
  if (block->next) block->next->link = block->link;
  live -= (long)size;
  free(block);
}

static edgeai_error error;
static edgeai_allocator allocator;
static const uint32_t widths[7] = {256, 512, 512, 512, 512, 512, 10};
/* Five layers of 512 x 512 floats and less. */
enum { LARGEST = 512 * 512 * 4, DECODED = 4 * (256 * 512 + 4 * 512 * 512), TABLES = 1400000, SMALL = 100000 };

static void *coded;
static size_t coded_bytes;

static void make_file(void) {
  edgeai_architecture_options network;
  edgeai_model *model = NULL;
  edgeai_architecture_options_init(&network, sizeof network);
  network.architecture = EDGEAI_ARCHITECTURE_MLP;
  network.widths = widths;
  network.width_count = 7;
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
  live = most = 0;
  CHECK_STATUS(open_file(coded, 1, &model), EDGEAI_OK);
  CHECK(live < SMALL && most < TABLES);
  opened = live;
  CHECK_STATUS(edgeai_session_memory_required(model, NULL, &block, &alignment, &error), EDGEAI_OK);
  CHECK(live == opened);
  most = live;
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  printf("on demand: block %ld bytes, at most %ld at once, %ld in the end; decoded constants %d\n", (long)block, most, live, DECODED);
  CHECK(most < opened + (long)block + LARGEST + TABLES && most < opened + (long)block + DECODED);
  CHECK(live < opened + (long)block + SMALL);
  run(session, results[0]);
  edgeai_session_destroy(session);

  /* In given memory: exactly so much, and not a byte less. */
  CHECK(posix_memalign(&memory, alignment, block) == 0);
  CHECK_STATUS(edgeai_session_create_in(model, NULL, memory, block - 1, &session, &error), EDGEAI_ERROR_BUFFER_TOO_SMALL);
  most = live;
  CHECK_STATUS(edgeai_session_create_in(model, NULL, memory, block, &session, &error), EDGEAI_OK);
  CHECK(most < opened + LARGEST + TABLES);
  run(session, results[1]);
  CHECK(memcmp(results[0], results[1], sizeof results[0]) == 0);
  edgeai_session_destroy(session);
  free(memory);

  CHECK_STATUS(open_file(coded, 0, &whole), EDGEAI_OK);
  CHECK(live > opened + DECODED);
  CHECK_STATUS(edgeai_session_create(whole, NULL, &plain, &error), EDGEAI_OK);
  run(plain, results[1]);
  CHECK(memcmp(results[0], results[1], sizeof results[0]) == 0);
  edgeai_session_destroy(plain);

  /* What needs all constants has them. */
  CHECK_STATUS(edgeai_model_save_coded_memory_required(model, EDGEAI_CODING_ADAPTIVE, &again, &error), EDGEAI_OK);
  CHECK(again == coded_bytes);
  edgeai_model_destroy(whole);
  edgeai_model_destroy(model);
  CHECK(live == 0);
}

/* Out of memory anywhere: an error, and what was taken is given back. */
static void running_dry(void) {
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  long opened, needed, n;
  CHECK_STATUS(open_file(coded, 1, &model), EDGEAI_OK);
  opened = live;
  blocks = 0;
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  edgeai_session_destroy(session);
  needed = blocks;
  /* The large blocks are the last ones. */
  for (n = 1; n < needed; n += n < needed - 4 ? needed / 8 + 1 : 1) {
    blocks = 0;
    budget = n;
    CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_ERROR_OUT_OF_MEMORY);
    budget = -1;
    CHECK(live == opened);
  }
  CHECK_STATUS(edgeai_session_create(model, NULL, &session, &error), EDGEAI_OK);
  edgeai_session_destroy(session);
  CHECK(live == opened);
  edgeai_model_destroy(model);
  live = 0; /* an object that a call ran dry on may stay */
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
  CHECK(live == 0);
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
  /* The coded high bytes of the first layer's floats, behind the description. */
  for (i = 10000; i < 10200; i++) file[i] ^= 0x5A;
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
  CHECK(live == 0);
}

int main(void) {
  edgeai_error_init(&error, sizeof error);
  edgeai_allocator_init(&allocator, sizeof allocator);
  allocator.allocate = take;
  allocator.deallocate = give;
  make_file();
  memory_and_results();
  running_dry();
  constants();
  damage();
  free(coded);
  return check_result("on demand");
}
