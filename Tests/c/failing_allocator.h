/* An allocator hook that counts what it is asked for, checks sizes, and has no memory when a test says so. */
#ifndef FAILING_ALLOCATOR_H
#define FAILING_ALLOCATOR_H
#include <edgeai.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A test that stands in front of malloc says what is behind it. */
#ifndef HOOK_MEMALIGN
#define HOOK_MEMALIGN memalign
#define HOOK_FREE free
#endif

/* It runs dry after `budget` blocks (-1: never) and has none of more than `largest_block` bytes. With `unmapping` each block has
 * pages of its own, which go when it is given back: whoever still uses it dies. */
static long budget = -1;
static size_t largest_block = SIZE_MAX;
static int unmapping;
/* Blocks and bytes that were taken, those that are not given back, and the most bytes that were at once. */
static long taken, taken_bytes, live_blocks, live_bytes, most_bytes;
static int wrong_size;

/* In front of each block. All are on a list, so that what stays when a call ran dry is not taken for lost. */
struct hook_block {
  struct hook_block *next, **link;
  size_t size;
  int is_mapped;
};
static struct hook_block *hook_blocks;

static void *hook_take(void *context, size_t size, size_t alignment) {
  struct hook_block *block;
  const int is_mapped = unmapping;
  (void)context;
  if ((budget >= 0 && taken >= budget) || size > largest_block) return NULL;
  if (is_mapped) {
    block = (struct hook_block *)mmap(NULL, size + 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return NULL;
  } else {
    block = (struct hook_block *)HOOK_MEMALIGN(alignment < 64 ? 64 : alignment, size + 64);
    if (!block) return NULL;
  }
  block->size = size;
  block->is_mapped = is_mapped;
  block->next = hook_blocks;
  block->link = &hook_blocks;
  if (hook_blocks) hook_blocks->link = &block->next;
  hook_blocks = block;
  taken++;
  taken_bytes += (long)size;
  live_blocks++;
  live_bytes += (long)size;
  if (live_bytes > most_bytes) most_bytes = live_bytes;
  return (char *)block + 64;
}

static void hook_give(void *context, void *pointer, size_t size) {
  struct hook_block *block = (struct hook_block *)(void *)((char *)pointer - 64);
  (void)context;
  if (block->size != size) wrong_size = 1;
  *block->link = block->next;
  if (block->next) block->next->link = block->link;
  live_blocks--;
  live_bytes -= (long)size;
  if (block->is_mapped) munmap(block, block->size + 64);
  else HOOK_FREE(block);
}

static void hook_init(edgeai_allocator *allocator) {
  edgeai_allocator_init(allocator, sizeof *allocator);
  allocator->allocate = hook_take;
  allocator->deallocate = hook_give;
}
#endif
