#include "edgeai_platform.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const int32_t ep_unsupported = ENOSYS;
/* Not an errno. */
enum { NO_REGULAR_FILE = -1 };
const char *ep_error_text(int32_t code) { return code == NO_REGULAR_FILE ? "it is no regular file" : strerror(code); }

#if defined(__x86_64__) && !defined(EDGEAI_FREESTANDING)
#include <cpuid.h>

/* Leaf 0x80000007: the counter never changes its rate or stops. Threads that ask at once find the same. */
uint64_t ep_ticks(void) {
  static int32_t known; /* 0: not asked yet */
  int32_t found = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (!found) {
    uint32_t a, b, c, d;
    found = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8) ? 1 : -1;
    __atomic_store_n(&known, found, __ATOMIC_RELAXED);
  }
  return found > 0 ? __builtin_ia32_rdtsc() : ep_nanoseconds();
}
#else
uint64_t ep_ticks(void) { return ep_nanoseconds(); }
#endif

#if defined(EDGEAI_FREESTANDING)
const char *ep_environment(const char *name) { (void)name; return NULL; }
uint64_t ep_nanoseconds(void) { return 0; }
int32_t ep_file_map(const char *path, const void **data, size_t *size) { (void)path; (void)data; (void)size; return ENOSYS; }
void ep_file_unmap(const void *data, size_t size) { (void)data; (void)size; }
void ep_file_rest(const void *data, size_t size) { (void)data; (void)size; }
int32_t ep_file_write(const char *path, const void *data, size_t size) { (void)path; (void)data; (void)size; return ENOSYS; }
#else
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *ep_environment(const char *name) { return getenv(name); }

uint64_t ep_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int32_t ep_file_map(const char *path, const void **data, size_t *size) {
  /* Without O_NONBLOCK, opening a FIFO that nobody writes to waits for ever. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno;
  struct stat st;
  int32_t result = 0;
  if (fstat(fd, &st) != 0) result = errno;
  else if (S_ISDIR(st.st_mode)) result = EISDIR;
  else if (!S_ISREG(st.st_mode)) result = NO_REGULAR_FILE;
  else if ((uintmax_t)st.st_size > SIZE_MAX) result = EFBIG;
  else if (st.st_size == 0) { *data = NULL; *size = 0; }
  else {
    int flags = MAP_PRIVATE;
#if defined(MAP_POPULATE)
    /* A file of this size is read whole anyway: asking once takes less than a fault for each few pages. */
    if (st.st_size <= (off_t)64 << 20) flags |= MAP_POPULATE;
#endif
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, flags, fd, 0);
    if (p == MAP_FAILED) result = errno;
    else { *data = p; *size = (size_t)st.st_size; }
  }
  close(fd);
  return result;
}

void ep_file_unmap(const void *data, size_t size) {
  if (data) munmap((void *)(uintptr_t)data, size);
}

void ep_file_rest(const void *data, size_t size) {
  if (data) madvise((void *)(uintptr_t)data, size, MADV_DONTNEED);
}

enum { TEMPORARY_DIGITS = 16 };

static int32_t write_all(int fd, const char *p, size_t n) {
  while (n > 0) {
    ssize_t k = write(fd, p, n);
    if (k < 0) { if (errno == EINTR) continue; return errno; }
    p += k;
    n -= (size_t)k;
  }
  return fsync(fd) == 0 ? 0 : errno;
}

/* Makes a new file; replaces the digits at the end of its name. Not mkstemp: that gives mode 0600, and the umask,
 * which the file is to honour, cannot be asked for without changing it for other threads. */
static int create_temporary(char *digits, const char *name, mode_t mode) {
  uint64_t number = ep_nanoseconds() ^ (uint64_t)getpid() << 32;
  for (int attempt = 0; attempt < 100; ++attempt) {
    uint64_t rest = number += UINT64_C(0x9E3779B97F4A7C15);
    for (int digit = 0; digit < TEMPORARY_DIGITS; ++digit, rest >>= 4) digits[digit] = "0123456789abcdef"[rest & 15];
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

int32_t ep_file_write(const char *path, const void *data, size_t size) {
  static const char name[1 + TEMPORARY_DIGITS + 1] = ".";
  char resolved[PATH_MAX];
  struct stat old;
  int exists = stat(path, &old) == 0;
  if (exists) {
    if (!S_ISREG(old.st_mode)) return S_ISDIR(old.st_mode) ? EISDIR : NO_REGULAR_FILE;
    /* The file that a link stands for is replaced, not the link. */
    if (!realpath(path, resolved)) return errno;
    path = resolved;
  } else {
    int32_t reason = errno;
    if (lstat(path, &old) == 0) return reason; /* a link to nothing */
  }
  const char *slash = strrchr(path, '/');
  size_t length = slash ? (size_t)(slash - path) + 1 : 0;
  char *temporary = ep_allocate(length + sizeof name, 1);
  if (!temporary) return ENOMEM;
  memcpy(temporary, path, length);
  memcpy(temporary + length, name, sizeof name);
  /* From the beginning: what is in a private file is nobody else's to read meanwhile. */
  int fd = create_temporary(temporary + length + 1, temporary, exists ? old.st_mode & 0777 : 0666);
  int32_t result = fd < 0 || (exists && fchmod(fd, old.st_mode & 07777) != 0) ? errno : write_all(fd, data, size);
  if (fd >= 0) {
    if (close(fd) != 0 && result == 0) result = errno;
    if (result == 0 && rename(temporary, path) != 0) result = errno;
    if (result != 0) unlink(temporary);
  }
  ep_deallocate(temporary);
  return result;
}
#endif
