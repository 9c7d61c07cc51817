/* calls MODEL THREADS: prints the microseconds of one run, the least of many, in a loop of C. Used by calls.py. */
#include <edgeai.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 400, RUNS = 500 };

static double microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
  edgeai_error error;
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  edgeai_session_options options;
  double least = 1e9;
  int round, run;

  if (argc != 3) return 2;
  edgeai_error_init(&error, sizeof error);
  edgeai_session_options_init(&options, sizeof options);
  options.threads = atoi(argv[2]);
  if (edgeai_model_open_file(argv[1], NULL, &model, &error) != EDGEAI_OK ||
      edgeai_session_create(model, &options, &session, &error) != EDGEAI_OK) {
    fprintf(stderr, "calls: %s: %s\n", argv[1], error.message);
    return 1;
  }
  for (round = 0; round < ROUNDS; round++) {
    double start = microseconds(), each;
    for (run = 0; run < RUNS; run++)
      if (edgeai_session_run(session, &error) != EDGEAI_OK) return 1;
    each = (microseconds() - start) / RUNS;
    if (each < least) least = each;
  }
  printf("%.4f\n", least);
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
  return 0;
}
