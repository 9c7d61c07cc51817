/* Threads, parking and atomics for the runtime's pool. Only atomics of 32 bits and of pointers, which every supported
 * CPU has without a library. EDGEAI_FREESTANDING builds have no threads: ep_threads_available() is 0, ep_thread_start
 * fails, and the runtime does everything on the calling thread. */
#ifndef EDGEAI_THREADS_H
#define EDGEAI_THREADS_H
#include <stdint.h>
#include <stddef.h>

/* A started thread. Lives in caller's memory, unmoved, from ep_thread_start to ep_thread_join. */
typedef struct {
  void (*body)(void *context);
  void *context;
  uint64_t handle;
  int64_t process;
} ep_thread;

/* 1 when threads can be started. */
int32_t ep_threads_available(void);
/* Processors that this thread may run on, at least 1. */
int32_t ep_processors(void);
/* Runs body(context) on a new thread; 0, or an errno value. */
int32_t ep_thread_start(ep_thread *thread, void (*body)(void *context), void *context);
/* Returns at once in a child process that was forked after the start: the thread is not there. */
void ep_thread_join(ep_thread *thread);
/* Lets another thread have the CPU. */
void ep_thread_yield(void);

/* Parks while *word == expected; may return early. */
void ep_futex_wait(uint32_t *word, uint32_t expected);
/* Wakes up to `count` threads parked on the word. */
void ep_futex_wake(uint32_t *word, int32_t count);

static inline uint32_t ep_atomic_load(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static inline uint32_t ep_atomic_load_ordered(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static inline void ep_atomic_store(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
static inline void ep_atomic_store_ordered(uint32_t *word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }
/* The value before. */
static inline uint32_t ep_atomic_add(uint32_t *word, uint32_t value) { return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST); }
static inline uint32_t ep_atomic_exchange(uint32_t *word, uint32_t value) { return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST); }
/* 1 when *word was *expected and is now `desired`; otherwise *expected becomes the value seen. */
static inline int32_t ep_atomic_compare_exchange(uint32_t *word, uint32_t *expected, uint32_t desired) {
  return __atomic_compare_exchange_n(word, expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}
static inline void *ep_atomic_load_pointer(void *const *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
/* Sets a pointer that is NULL; gives the one that was there. */
static inline void *ep_atomic_set_pointer(void **word, void *desired) {
  void *found = NULL;
  __atomic_compare_exchange_n(word, &found, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
  return found;
}

/* Tells the core that this is a spin loop. */
static inline void ep_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
#endif
