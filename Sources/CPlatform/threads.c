#if !defined(EDGEAI_FREESTANDING)
#define _GNU_SOURCE
#endif
#include "edgeai_threads.h"

#if defined(EDGEAI_FREESTANDING)
int32_t ep_threads_available(void) { return 0; }
int32_t ep_processors(void) { return 1; }
int32_t ep_thread_start(ep_thread *thread, void (*body)(void *context), void *context) {
  (void)thread; (void)body; (void)context;
  return -1;
}
void ep_thread_join(ep_thread *thread) { (void)thread; }
void ep_thread_yield(void) {}
void ep_futex_wait(uint32_t *word, uint32_t expected) { (void)word; (void)expected; }
void ep_futex_wake(uint32_t *word, int32_t count) { (void)word; (void)count; }
#else
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_t) <= sizeof(uint64_t), "a thread handle fits its field");

static void *start(void *context) {
  ep_thread *thread = context;
  thread->body(thread->context);
  return NULL;
}

int32_t ep_threads_available(void) { return 1; }

int32_t ep_processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  long count = sysconf(_SC_NPROCESSORS_ONLN); /* more of them than the set has room for */
  return count > 0 ? (int32_t)count : 1;
}

int32_t ep_thread_start(ep_thread *thread, void (*body)(void *context), void *context) {
  thread->body = body;
  thread->context = context;
  thread->process = getpid();
  /* Signals belong to the program: a worker takes none. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t handle;
  int32_t result = pthread_create(&handle, NULL, start, thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (result == 0) thread->handle = (uint64_t)handle;
  return result;
}

void ep_thread_join(ep_thread *thread) {
  if (thread->process == getpid()) pthread_join((pthread_t)thread->handle, NULL);
}
void ep_thread_yield(void) { sched_yield(); }

void ep_futex_wait(uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void ep_futex_wake(uint32_t *word, int32_t count) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}
#endif
