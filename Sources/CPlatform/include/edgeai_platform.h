/* What the Swift sources take from C: memory, files, threads, clock, CPU features. Hosted and bare-metal alike;
 * EDGEAI_FREESTANDING leaves out files, threads and the clock. */
#ifndef EDGEAI_PLATFORM_H
#define EDGEAI_PLATFORM_H
#include <stdint.h>
#include <stddef.h>

/* Memory for weights, arenas and file images: NULL when there is none, never a trap. alignment: a power of two. */
void *ep_allocate(size_t size, size_t alignment);
void *ep_allocate_zeroed(size_t size, size_t alignment);
void ep_deallocate(void *pointer);
/* The C library's memset to 0: Swift's own initialization writes byte by byte. */
void ep_zero(void *pointer, size_t size);

/* A caller's allocator; the same layout as edgeai_allocator. */
typedef struct ep_allocator {
  uint32_t struct_size;
  uint32_t reserved;
  void *context;
  void *(*allocate)(void *context, size_t size, size_t alignment);
  void (*deallocate)(void *context, void *pointer, size_t size);
} ep_allocator;

/* The C library's memory, in an allocator's manner. */
void *ep_system_allocate(size_t size, size_t alignment);
void ep_system_deallocate(void *pointer);

/* Contents for which ep_require found no memory: their size, 0 when it was something else that found none, and the beginning of
 * their name, ended by a zero byte. It is cut at any byte, one behind what an error has room for: who copies it there sees that, and
 * where the last character began. */
typedef struct ep_lost {
  size_t size;
  char name[129];
} ep_lost;

/* Calls body(context) while this thread allocates from `allocator` (NULL: the C library). 0, or ENOMEM when the
 * Swift runtime or ep_require found no memory: body was then left in the middle, its cleanups are done, the blocks it had made are freed
 * and `lost`, which the caller has set to zeros, says of what it was. Scopes nest. */
int32_t ep_scope(const ep_allocator *allocator, void (*body)(void *context), void *context, ep_lost *lost);

/* Memory for contents of this name (of `length` bytes, not ended by a zero byte) that nothing can go on without: where there
 * is none, the scope is abandoned; outside a scope the program ends. */
void *ep_require(size_t size, size_t alignment, const void *name, size_t length) __attribute__((returns_nonnull));

/* Something to do when the current scope is abandoned, before its blocks are freed; the last added is done first.
 * It lives in memory of its owner, who removes it before that memory goes. A scope that ends as it should forgets
 * its cleanups; outside a scope adding is nothing. `run` must not allocate. */
typedef struct ep_cleanup {
  struct ep_cleanup *next, **link; /* list of the scope; link is NULL when on none */
  void (*run)(void *context);
  void *context;
} ep_cleanup;
void ep_cleanup_add(ep_cleanup *cleanup, void (*run)(void *context), void *context);
void ep_cleanup_remove(ep_cleanup *cleanup);

/* The shipped library's malloc (of accessors that are coroutines), posix_memalign and free: packaging renames the
 * Swift objects' references to these. */
void *ep_swift_malloc(size_t size);
int ep_swift_memalign(void **result, size_t alignment, size_t size);
void ep_swift_free(void *pointer);

/* Instruction sets of this CPU (and of the operating system's context switch). */
enum { EP_CPU_AVX2 = 1, EP_CPU_AVX512VNNI = 2, EP_CPU_NEON = 4, EP_CPU_DOTPROD = 8, EP_CPU_AVX512BF16 = 16, EP_CPU_CRC32C = 32 };
uint32_t ep_cpu_features(void);

/* Value of an environment variable, or NULL (always NULL when freestanding). */
const char *ep_environment(const char *name);
/* The shortest decimal number that reads back as the same double (float when is_float), ended by a zero byte: "0.1",
 * "1.0", "1e-07", "1e+20", "inf", "nan"; with a point in every locale. */
#define EP_NUMBER_CAPACITY 32
void ep_number_text(double value, int32_t is_float, char *text);
/* "no memory for a constant of SIZE bytes", cut to the capacity. Allocates nothing. */
void ep_lost_text(void *text, size_t capacity, size_t size);
/* "OP: found ENTRIES entries; there is room for BOUND", cut to the capacity. Allocates nothing. */
void ep_overflow_text(void *text, size_t capacity, const char *op, int64_t entries, int64_t bound);

/* Nanoseconds of a monotonic clock; 0 when freestanding. */
uint64_t ep_nanoseconds(void);
/* A clock that takes half as long to read, of a fixed rate that nobody knows: the processor's time stamp counter where that never
 * changes its rate or stops, else ep_nanoseconds. */
uint64_t ep_ticks(void);

/* Whole files. ep_file_map: read-only image; 0 on success, -1 for what is neither a folder nor a regular file, else errno (EISDIR;
 * EFBIG: larger than the address space). Empty files map to NULL with size 0. */
int32_t ep_file_map(const char *path, const void **data, size_t *size);
void ep_file_unmap(const void *data, size_t size);
/* Gives the memory of a mapped file back; it is read again where it is looked at. */
void ep_file_rest(const void *data, size_t size);
/* Writes atomically: a temporary file beside it, then a rename. The mode is that of the file that is replaced, or 0666 less the
 * umask; a symbolic link stays, and its file is replaced. 0 on success, -1 where something that is neither a folder nor
 * a regular file is there, else errno (EISDIR; ENOENT: no folder, or a link to nothing). */
int32_t ep_file_write(const char *path, const void *data, size_t size);
/* What the file functions give in a build without files, and the text of their other results. */
extern const int32_t ep_unsupported;
const char *ep_error_text(int32_t code);
#endif
