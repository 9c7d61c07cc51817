#include "edgeai_platform.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const int32_t ep_unsupported = ENOSYS;
const char *ep_error_text(int32_t code) { return strerror(code); }

#if defined(EDGEAI_FREESTANDING)
const char *ep_environment(const char *name) { (void)name; return NULL; }
uint64_t ep_nanoseconds(void) { return 0; }
int32_t ep_file_map(const char *path, const void **data, size_t *size) { (void)path; (void)data; (void)size; return ENOSYS; }
void ep_file_unmap(const void *data, size_t size) { (void)data; (void)size; }
int32_t ep_file_write(const char *path, const void *data, size_t size) { (void)path; (void)data; (void)size; return ENOSYS; }
#else
#include <fcntl.h>
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
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  struct stat st;
  int32_t result = 0;
  if (fstat(fd, &st) != 0) result = errno;
  else if (S_ISDIR(st.st_mode)) result = EISDIR;
  else if (st.st_size == 0) { *data = NULL; *size = 0; }
  else {
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) result = errno;
    else { *data = p; *size = (size_t)st.st_size; }
  }
  close(fd);
  return result;
}

void ep_file_unmap(const void *data, size_t size) {
  if (data) munmap((void *)(uintptr_t)data, size);
}

static int32_t write_all(int fd, const char *p, size_t n) {
  while (n > 0) {
    ssize_t k = write(fd, p, n);
    if (k < 0) { if (errno == EINTR) continue; return errno; }
    p += k;
    n -= (size_t)k;
  }
  return fsync(fd) == 0 ? 0 : errno;
}

int32_t ep_file_write(const char *path, const void *data, size_t size) {
  static const char suffix[] = ".XXXXXX";
  size_t length = strlen(path);
  char *temporary = ep_allocate(length + sizeof suffix, 1);
  if (!temporary) return ENOMEM;
  memcpy(temporary, path, length);
  memcpy(temporary + length, suffix, sizeof suffix);
  int fd = mkstemp(temporary);
  int32_t result = fd < 0 ? errno : write_all(fd, data, size);
  if (fd >= 0) {
    fchmod(fd, 0644);
    if (close(fd) != 0 && result == 0) result = errno;
    if (result == 0 && rename(temporary, path) != 0) result = errno;
    if (result != 0) unlink(temporary);
  }
  ep_deallocate(temporary);
  return result;
}
#endif
