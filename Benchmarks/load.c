/* load MODEL: opens the file, makes a session of one sample and one thread, runs it once on zeros, and prints the
 * milliseconds of processor time of that run and until the session was ready, and the greatest memory the process had, in
 * kilobytes. "load -" does nothing, to know what a process takes that only starts. Used by load.py. */
#include <edgeai.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double processor_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

/* The greatest resident memory since the program began; getrusage would count what forked it too. */
static long peak_kilobytes(void) {
  char line[128];
  long kilobytes = 0;
  FILE *status = fopen("/proc/self/status", "r");
  if (!status) return 0;
  while (fgets(line, sizeof line, status) && sscanf(line, "VmHWM: %ld", &kilobytes) != 1) {}
  fclose(status);
  return kilobytes;
}

int main(int argc, char **argv) {
  edgeai_error error;
  edgeai_model *model = NULL;
  edgeai_session *session = NULL;
  edgeai_session_options options;
  double start = processor_milliseconds(), ready = start, end = start;

  if (argc != 2) return 2;
  if (strcmp(argv[1], "-") != 0) {
    edgeai_error_init(&error, sizeof error);
    edgeai_session_options_init(&options, sizeof options);
    options.threads = 1;
    options.batch = 1;
    if (edgeai_model_open_file(argv[1], NULL, &model, &error) != EDGEAI_OK ||
        edgeai_session_create(model, &options, &session, &error) != EDGEAI_OK) {
      fprintf(stderr, "load: %s: %s\n", argv[1], error.message);
      return 1;
    }
    ready = processor_milliseconds();
    if (edgeai_session_run(session, &error) != EDGEAI_OK) {
      fprintf(stderr, "load: %s: %s\n", argv[1], error.message);
      return 1;
    }
    end = processor_milliseconds();
  }
  printf("%.4f %.4f %ld\n", end - ready, ready - start, peak_kilobytes());
  edgeai_session_destroy(session);
  edgeai_model_destroy(model);
  return 0;
}
