/* Where every block of the library comes from: the allocator of the current scope, or the C library.
 *
 * In front of each block stands a header that names its allocator, so freeing needs no scope. Inside a scope the
 * blocks made by it are on a list: when Swift's own runtime, which cannot report failure, finds no memory, the
 * scope frees them all and ends. What must happen before that, such as ending threads that live on a block, is on
 * a second list. */
#if defined(__linux__)
#define _DEFAULT_SOURCE
#include <sys/mman.h>
#endif
#include "edgeai_platform.h"
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct header {
  const ep_allocator *allocator; /* NULL: the C library */
  void *raw;
  size_t size;                   /* what was asked from the allocator */
  struct header *next, **link;   /* list of the scope; link is NULL when on none */
} header;

struct scope {
  const ep_allocator *allocator;
  struct scope *outer;
  header *blocks;
  ep_cleanup *cleanups;
  ep_lost *lost;
  jmp_buf escape;
};

#if defined(EDGEAI_FREESTANDING)
static struct scope *current;
#else
/* initial-exec: a load instead of a call into the dynamic linker. */
static _Thread_local struct scope *current __attribute__((tls_model("initial-exec")));
#endif

static void unlink_block(header *h) {
  if (!h->link) return;
  *h->link = h->next;
  if (h->next) h->next->link = h->link;
  h->link = NULL;
}

#if defined(__linux__) && defined(MADV_HUGEPAGE) && defined(__LP64__)
#define LARGE_PAGE ((size_t)2 << 20)
#else
#define LARGE_PAGE ((size_t)0)
#endif

/* Weights that stream through memory spend a third of their time finding pages of 4 KB, and each such page takes a
 * microsecond or two when it is touched first. Only a wish: the kernel may have no larger ones. */
static void prefer_large_pages(void *block, size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE) && defined(__LP64__)
  int before = errno;
  madvise(block, size, MADV_HUGEPAGE);
  errno = before;
#else
  (void)block;
  (void)size;
#endif
}

/* malloc aligns to 8 or 16 bytes; more is made up by moving the block inside a bigger one, whose address stands
 * in front of it. A block that fills half a large page or more begins with one, and ends with one where at least half
 * of that is used. */
static void *system_allocate(size_t size, size_t alignment, int zeroed) {
  if (alignment < 16) alignment = 16;
  if (size > PTRDIFF_MAX - 2 * LARGE_PAGE - alignment - sizeof(void *)) return NULL;
  size_t large = LARGE_PAGE && alignment <= LARGE_PAGE ? (size + LARGE_PAGE / 2) & ~(LARGE_PAGE - 1) : 0;
  if (large) alignment = LARGE_PAGE;
  size_t total = (large > size ? large : size) + alignment + sizeof(void *);
  char *raw = zeroed ? calloc(1, total) : malloc(total);
  if (!raw) return NULL;
  uintptr_t block = ((uintptr_t)raw + sizeof raw + alignment - 1) & ~(uintptr_t)(alignment - 1);
  if (large) prefer_large_pages((void *)block, large);
  ((void **)block)[-1] = raw;
  return (void *)block;
}

void *ep_system_allocate(size_t size, size_t alignment) { return system_allocate(size, alignment, 0); }

void ep_system_deallocate(void *pointer) {
  if (pointer) free(((void **)pointer)[-1]);
}

/* Whose blocks malloc aligns as they must be. Most blocks are small, and what moves them would be a third of them. */
static void free_plain(void *context, void *pointer, size_t size) {
  (void)context;
  (void)size;
  free(pointer);
}
static const ep_allocator plain = {.struct_size = sizeof plain, .deallocate = free_plain};

static void *allocate(size_t size, size_t alignment, int zeroed) {
  if (alignment < 16) alignment = 16;
  size_t offset = (sizeof(header) + alignment - 1) & ~(alignment - 1);
  if (size > PTRDIFF_MAX - offset) return NULL;
  size_t total = size + offset;
  const ep_allocator *allocator = current ? current->allocator : NULL;
  const int is_plain = !allocator && alignment <= _Alignof(max_align_t) && (!LARGE_PAGE || total < LARGE_PAGE / 2);
  char *raw;
  if (is_plain) raw = zeroed ? calloc(1, total) : malloc(total);
  else raw = allocator ? allocator->allocate(allocator->context, total, alignment) : system_allocate(total, alignment, zeroed);
  if (!raw) return NULL;
  if (((uintptr_t)raw & (alignment - 1)) != 0) { /* a caller's allocator that does not keep its promise */
    allocator->deallocate(allocator->context, raw, total);
    return NULL;
  }
  char *block = raw + offset;
  header *h = (header *)(void *)block - 1;
  h->allocator = is_plain ? &plain : allocator;
  h->raw = raw;
  h->size = total;
  h->next = NULL;
  h->link = NULL;
  if (current) {
    h->next = current->blocks;
    h->link = &current->blocks;
    if (h->next) h->next->link = &h->next;
    current->blocks = h;
  }
  /* The C library knows of pages that are zero already. */
  if (zeroed && allocator) memset(block, 0, size);
  return block;
}

void *ep_allocate(size_t size, size_t alignment) { return allocate(size, alignment, 0); }
void *ep_allocate_zeroed(size_t size, size_t alignment) { return allocate(size, alignment, 1); }

void ep_deallocate(void *pointer) {
  if (!pointer) return;
  header *h = (header *)pointer - 1;
  unlink_block(h);
  if (h->allocator) h->allocator->deallocate(h->allocator->context, h->raw, h->size);
  else ep_system_deallocate(h->raw);
}

void ep_zero(void *memory, size_t size) { memset(memory, 0, size); }

void ep_cleanup_add(ep_cleanup *cleanup, void (*run)(void *context), void *context) {
  cleanup->run = run;
  cleanup->context = context;
  cleanup->next = NULL;
  cleanup->link = NULL;
  if (!current) return;
  cleanup->next = current->cleanups;
  cleanup->link = &current->cleanups;
  if (cleanup->next) cleanup->next->link = &cleanup->next;
  current->cleanups = cleanup;
}

void ep_cleanup_remove(ep_cleanup *cleanup) {
  if (!cleanup->link) return;
  *cleanup->link = cleanup->next;
  if (cleanup->next) cleanup->next->link = cleanup->link;
  cleanup->link = NULL;
}

int32_t ep_scope(const ep_allocator *allocator, void (*body)(void *context), void *context, ep_lost *lost) {
  struct scope scope = {.allocator = allocator, .outer = current, .lost = lost};
  if (setjmp(scope.escape) != 0) {
    struct scope *self = current; /* the same scope; the compiler may keep stale copies of the local one */
    while (self->cleanups) {
      ep_cleanup *cleanup = self->cleanups;
      ep_cleanup_remove(cleanup);
      cleanup->run(cleanup->context);
    }
    while (self->blocks) ep_deallocate(self->blocks + 1);
    current = self->outer;
    return ENOMEM;
  }
  current = &scope;
  body(context);
  while (scope.cleanups) ep_cleanup_remove(scope.cleanups);
  while (scope.blocks) unlink_block(scope.blocks);
  current = scope.outer;
  return 0;
}

void *ep_require(size_t size, size_t alignment, const void *name, size_t length) {
  void *block = ep_allocate(size, alignment);
  if (block) return block;
  if (!current) __builtin_trap();
  ep_lost *lost = current->lost;
  lost->size = size;
  if (length) memcpy(lost->name, name, length < sizeof lost->name ? length : sizeof lost->name - 1);
  longjmp(current->escape, 1);
}

void *ep_swift_malloc(size_t size) {
  void *block = NULL;
  return ep_swift_memalign(&block, 16, size) == 0 ? block : NULL;
}

int ep_swift_memalign(void **result, size_t alignment, size_t size) {
  void *block = ep_allocate(size ? size : 1, alignment);
  if (!block) {
    if (current) longjmp(current->escape, 1);
    return ENOMEM;
  }
  *result = block;
  return 0;
}

void ep_swift_free(void *pointer) { ep_deallocate(pointer); }

/* ep_scope for Swift, whose closures are a function and a context in a register of their own. */
typedef __attribute__((swiftcall)) void (*swift_body)(__attribute__((swift_context)) void *context);

struct closure {
  swift_body body;
  void *context;
};

static void call_closure(void *closure) { ((struct closure *)closure)->body(((struct closure *)closure)->context); }

__attribute__((swiftcall)) int32_t ep_swift_scope(const ep_allocator *allocator, ep_lost *lost, swift_body body, void *context);

__attribute__((swiftcall)) int32_t ep_swift_scope(const ep_allocator *allocator, ep_lost *lost, swift_body body, void *context) {
  struct closure closure = {body, context};
  return ep_scope(allocator, call_closure, &closure, lost);
}
