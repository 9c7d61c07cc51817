/* A line for each check, and an exit code. */
#ifndef CHECK_H
#define CHECK_H
#include <stdio.h>
static int check_failures, check_count;
#define CHECK(condition)                                                            \
  do {                                                                              \
    check_count++;                                                                  \
    if (!(condition)) {                                                             \
      check_failures++;                                                             \
      printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
    }                                                                               \
  } while (0)
#define CHECK_STATUS(call, expected)                                                \
  do {                                                                              \
    int check_status = (int)(call);                                                 \
    check_count++;                                                                  \
    if (check_status != (expected)) {                                               \
      check_failures++;                                                             \
      printf("FAIL %s:%d: %s gives %s, not %s\n", __FILE__, __LINE__, #call,        \
             edgeai_status_name(check_status), edgeai_status_name(expected));       \
    }                                                                               \
  } while (0)
static int check_result(const char *name) {
  printf("%s: %d checks, %d failed\n", name, check_count, check_failures);
  return check_failures != 0;
}
#endif
