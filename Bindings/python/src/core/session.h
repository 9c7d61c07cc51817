/* What session.c, session_run.c and session_info.c share. */
#ifndef EDGEAI_PYTHON_SESSION_H
#define EDGEAI_PYTHON_SESSION_H
#include "core.h"

enum { MAX_TENSORS = 64 };

typedef struct {
  PyObject_HEAD
  edgeai_session *handle;
  PyObject *model;       /* keeps the model, and the memory it was opened from, alive */
  Py_buffer memory;      /* caller's memory of the session; obj is NULL otherwise */
  PyThread_type_lock lock;
  int check_finite;
  int closed;
  int lent;              /* arrays over the session's memory were given out: it lives until they are gone */
  int bound;             /* inputs and outputs are bound to the arrays of the last run, which may be gone */
  int has_bfloat16;      /* among inputs or outputs: numpy has no such type, and the package looks at those arrays */
  int has_bounded_output;
  size_t input_count, output_count;
  PyObject *input_names[MAX_TENSORS];
  PyObject *output_shapes[MAX_TENSORS];
  edgeai_tensor_info inputs[MAX_TENSORS], outputs[MAX_TENSORS];
} SessionObject;

/* 1, or 0 with an exception set when the session was closed. */
int session_open(SessionObject *session);
/* Around every use of the handle that gives the GIL up or must not meet a run. Waiting gives the GIL up, and the session may be closed meanwhile. */
void session_lock(SessionObject *session);
void session_unlock(SessionObject *session);
/* Makes inputs and outputs the session's own buffers again. With the lock. */
void session_unbind(SessionObject *session);

/* session_run.c: methods that run. */
PyObject *session_run(PyObject *self, PyObject *arguments);
PyObject *session_run_alike(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *session_run_bound(PyObject *self, PyObject *unused);

/* session_info.c: methods that tell about a session; METH_NOARGS. */
PyObject *session_inputs(PyObject *self, PyObject *unused);
PyObject *session_outputs(PyObject *self, PyObject *unused);
PyObject *session_plan(PyObject *self, PyObject *unused);
PyObject *session_plan_text(PyObject *self, PyObject *unused);
PyObject *session_memory(PyObject *self, PyObject *unused);
PyObject *session_reset_times(PyObject *self, PyObject *unused);
PyObject *session_reset(PyObject *self, PyObject *unused);
PyObject *session_measure_peak(PyObject *self, PyObject *unused);
PyObject *session_trace(PyObject *self, PyObject *unused);
PyObject *session_tuning(PyObject *self, PyObject *unused);
#endif
