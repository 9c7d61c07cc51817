/* What the Swift sources take from C: memory, files, threads, clock, CPU features. Hosted and bare-metal alike;
 * EDGEAI_FREESTANDING leaves out files, threads and the clock. */
#ifndef EDGEAI_PLATFORM_H
#define EDGEAI_PLATFORM_H
#include <stdint.h>
#include <stddef.h>

/* Memory for weights, arenas and file images: NULL when there is none, never a trap. alignment: a power of two. */
void *ep_allocate(size_t size, size_t alignment);
void ep_deallocate(void *pointer);

/* Instruction sets of this CPU (and of the operating system's context switch). */
enum { EP_CPU_AVX2 = 1, EP_CPU_AVX512VNNI = 2, EP_CPU_NEON = 4, EP_CPU_DOTPROD = 8 };
uint32_t ep_cpu_features(void);

/* Value of an environment variable, or NULL (always NULL when freestanding). */
const char *ep_environment(const char *name);
/* Nanoseconds of a monotonic clock; 0 when freestanding. */
uint64_t ep_nanoseconds(void);

/* Whole files. ep_file_map: read-only image; 0 on success, else errno. Empty files map to NULL with size 0. */
int32_t ep_file_map(const char *path, const void **data, size_t *size);
void ep_file_unmap(const void *data, size_t size);
/* Writes atomically: a temporary file beside it, then a rename. 0 on success, else errno. */
int32_t ep_file_write(const char *path, const void *data, size_t size);
#endif
