/* edgeai._core.Session: a model planned for one batch size. One run at a time; a second thread's call waits. */
#include "session.h"

PyTypeObject *session_type;

static void session_release(SessionObject *session) {
  edgeai_session_destroy(session->handle);
  session->handle = NULL;
  if (session->memory.obj) PyBuffer_Release(&session->memory);
  session->memory.obj = NULL;
}

static void session_dealloc(PyObject *self) {
  SessionObject *session = (SessionObject *)self;
  session_release(session);
  Py_XDECREF(session->model);
  for (size_t i = 0; i < session->input_count; i++) Py_XDECREF(session->input_names[i]);
  for (size_t i = 0; i < session->output_count; i++) Py_XDECREF(session->output_shapes[i]);
  if (session->lock) PyThread_free_lock(session->lock);
  free_object(self);
}

int session_open(SessionObject *session) {
  if (session->handle && !session->closed) return 1;
  raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, NULL, "the session is closed");
  return 0;
}

void session_unbind(SessionObject *session) {
  if (!session->bound) return;
  session->bound = 0;
  for (size_t i = 0; i < session->input_count; i++) edgeai_session_bind_input(session->handle, i, NULL, 0, NULL);
  for (size_t i = 0; i < session->output_count; i++) edgeai_session_bind_output(session->handle, i, NULL, 0, NULL);
}

void session_lock(SessionObject *session) { lock_without_gil(session->lock); }
void session_unlock(SessionObject *session) { PyThread_release_lock(session->lock); }

static void read_options(edgeai_session_options *options, int batch, int threads, int spin, int strict, long long iterations,
                         int precision, int compact, int profile, const char *isa, long long max_extent, int trace_runs, int tune,
                         const Py_buffer *tuning) {
  edgeai_session_options_init(options, sizeof *options);
  options->trace_runs = trace_runs;
  options->tune = tune;
  /* No bytes are a damaged tuning; only None is none. */
  options->tuning = tuning->obj && !tuning->buf ? "" : tuning->buf;
  options->tuning_bytes = (uint64_t)tuning->len;
  options->batch = batch;
  options->threads = threads;
  if (spin >= 0) options->spin_microseconds = spin;
  options->strict = strict;
  if (iterations >= 0) options->max_iterations = iterations;
  options->precision = precision;
  options->compact = compact;
  options->profile = profile;
  options->isa = isa;
  if (max_extent >= 0) options->max_extent = max_extent;
}

/* A session of its own, or in memory that is not None. */
static PyObject *open_with(PyObject *model, const edgeai_session_options *options, int check_finite, PyObject *memory) {
  SessionObject *session = (SessionObject *)allocate_object(session_type);
  if (!session) return NULL;
  session->model = Py_NewRef(model);
  session->check_finite = check_finite;
  if (!(session->lock = PyThread_allocate_lock())) {
    Py_DECREF(session);
    return PyErr_NoMemory();
  }
  if (memory != Py_None && PyObject_GetBuffer(memory, &session->memory, PyBUF_WRITABLE)) {
    session->memory.obj = NULL;
    Py_DECREF(session);
    PyErr_Clear();
    return raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, NULL, "memory must be a writable buffer without gaps");
  }
  ERROR_INIT(error);
  edgeai_status status;
  ModelUse use;
  const edgeai_model *handle = model_use_begin(&use, model);
  Py_BEGIN_ALLOW_THREADS
  if (session->memory.obj)
    status = edgeai_session_create_in(handle, options, session->memory.buf, (size_t)session->memory.len, &session->handle, &error);
  else status = edgeai_session_create(handle, options, &session->handle, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use);
  session->input_count = status == EDGEAI_OK ? edgeai_session_input_count(session->handle) : 0;
  size_t outputs = status == EDGEAI_OK ? edgeai_session_output_count(session->handle) : 0;
  if (session->input_count > MAX_TENSORS || outputs > MAX_TENSORS) {
    raise_status(EDGEAI_ERROR_LIMIT_EXCEEDED, NULL, "the model has %d inputs and %d outputs; a Python session takes at most %d of each",
                 (int)session->input_count, (int)outputs, MAX_TENSORS);
    Py_DECREF(session);
    return NULL;
  }
  session->output_count = outputs;
  for (size_t i = 0; i < session->input_count && status == EDGEAI_OK; i++) {
    session->inputs[i].struct_size = sizeof session->inputs[i];
    status = edgeai_session_input_info(session->handle, i, &session->inputs[i], &error);
    if (status != EDGEAI_OK) break;
    if (!(session->input_names[i] = text_or_none(session->inputs[i].name))) {
      Py_DECREF(session);
      return NULL;
    }
    if (session->inputs[i].dtype == EDGEAI_DTYPE_BFLOAT16) session->has_bfloat16 = 1;
  }
  for (size_t i = 0; i < session->output_count && status == EDGEAI_OK; i++) {
    session->outputs[i].struct_size = sizeof session->outputs[i];
    status = edgeai_session_output_info(session->handle, i, &session->outputs[i], &error);
    if (status == EDGEAI_OK && !(session->output_shapes[i] = shape_tuple(&session->outputs[i]))) {
      Py_DECREF(session);
      return NULL;
    }
    if (status != EDGEAI_OK) break;
    if (session->outputs[i].dtype == EDGEAI_DTYPE_BFLOAT16) session->has_bfloat16 = 1;
    if (session->outputs[i].bounded_axis >= 0) session->has_bounded_output = 1;
  }
  if (status != EDGEAI_OK) {
    Py_DECREF(session);
    return raise_error(&error);
  }
  return (PyObject *)session;
}

/* open_session(model, batch, threads, spin, strict, iterations, precision, compact, profile, isa, max_extent, trace_runs, tune, tuning,
 * check_finite, memory) */
static PyObject *open_session(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model, *memory;
  int batch, threads, spin, strict, precision, compact, profile, trace_runs, tune, check_finite;
  long long iterations;
  const char *isa;
  long long max_extent;
  Py_buffer tuning;
  if (!PyArg_ParseTuple(arguments, "O!iiipLippzLipz*pO", model_type, &model, &batch, &threads, &spin, &strict, &iterations, &precision,
                        &compact, &profile, &isa, &max_extent, &trace_runs, &tune, &tuning, &check_finite, &memory))
    return NULL;
  edgeai_session_options options;
  read_options(&options, batch, threads, spin, strict, iterations, precision, compact, profile, isa, max_extent, trace_runs, tune, &tuning);
  PyObject *session = open_with(model, &options, check_finite, memory);
  PyBuffer_Release(&tuning);
  return session;
}

/* memory_required(model, batch, threads, spin, strict, iterations, precision, compact, profile, isa, max_extent, trace_runs, tune,
 * tuning) -> (bytes, alignment) */
static PyObject *memory_required(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model;
  int batch, threads, spin, strict, precision, compact, profile, trace_runs, tune;
  long long iterations;
  const char *isa;
  long long max_extent;
  Py_buffer tuning;
  if (!PyArg_ParseTuple(arguments, "O!iiipLippzLipz*", model_type, &model, &batch, &threads, &spin, &strict, &iterations, &precision,
                        &compact, &profile, &isa, &max_extent, &trace_runs, &tune, &tuning))
    return NULL;
  edgeai_session_options options;
  read_options(&options, batch, threads, spin, strict, iterations, precision, compact, profile, isa, max_extent, trace_runs, tune, &tuning);
  size_t bytes = 0, alignment = 0;
  ERROR_INIT(error);
  edgeai_status status = edgeai_session_memory_required(((ModelObject *)model)->handle, &options, &bytes, &alignment, &error);
  PyBuffer_Release(&tuning);
  if (status != EDGEAI_OK) return raise_error(&error);
  return Py_BuildValue("nn", (Py_ssize_t)bytes, (Py_ssize_t)alignment);
}

static PyObject *session_array(PyObject *self, PyObject *argument, int input) {
  SessionObject *session = (SessionObject *)self;
  size_t index = PyLong_AsSize_t(argument);
  if (index == (size_t)-1 && PyErr_Occurred()) return NULL;
  const void *data = NULL;
  size_t bytes = 0;
  ERROR_INIT(error);
  edgeai_status status = EDGEAI_OK;
  session_lock(session);
  int open = session_open(session);
  if (open) session_unbind(session);
  if (open && input) {
    void *writable = NULL;
    status = edgeai_session_input_buffer(session->handle, index, &writable, &bytes, &error);
    data = writable;
  } else if (open) status = edgeai_session_output_buffer(session->handle, index, &data, &bytes, &error);
  if (open && status == EDGEAI_OK) session->lent = 1;
  session_unlock(session);
  if (!open) return NULL;
  if (status != EDGEAI_OK) return raise_error(&error);
  return array_over(self, data, input ? &session->inputs[index] : &session->outputs[index], input);
}
static PyObject *session_input_array(PyObject *self, PyObject *argument) { return session_array(self, argument, 1); }
static PyObject *session_output_array(PyObject *self, PyObject *argument) { return session_array(self, argument, 0); }

/* output_shape(index): of the last run. */
static PyObject *session_output_shape(PyObject *self, PyObject *argument) {
  SessionObject *session = (SessionObject *)self;
  size_t index = PyLong_AsSize_t(argument);
  if (index == (size_t)-1 && PyErr_Occurred()) return NULL;
  int64_t dims[EDGEAI_MAX_RANK];
  int32_t rank = 0;
  ERROR_INIT(error);
  session_lock(session);
  int open = session_open(session);
  edgeai_status status = open ? edgeai_session_output_shape(session->handle, index, dims, &rank, &error) : EDGEAI_OK;
  session_unlock(session);
  if (!open) return NULL;
  if (status != EDGEAI_OK) return raise_error(&error);
  PyObject *shape = PyTuple_New(rank);
  for (int32_t i = 0; shape && i < rank; i++) {
    PyObject *dim = PyLong_FromLongLong(dims[i]);
    if (!dim || PyTuple_SetItem(shape, i, dim)) Py_CLEAR(shape);
  }
  return shape;
}

static PyObject *session_cancel(PyObject *self, PyObject *unused) {
  (void)unused;
  SessionObject *session = (SessionObject *)self;
  if (session->handle) edgeai_session_cancel(session->handle);
  Py_RETURN_NONE;
}

static PyObject *session_close(PyObject *self, PyObject *unused) {
  (void)unused;
  SessionObject *session = (SessionObject *)self;
  session_lock(session);
  session->closed = 1;
  if (!session->lent) session_release(session);
  session_unlock(session);
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
  {"run", session_run, METH_VARARGS, NULL},         {"run_bound", session_run_bound, METH_NOARGS, NULL},
  {"run_alike", (PyCFunction)(void (*)(void))session_run_alike, METH_FASTCALL, NULL},
  {"input_array", session_input_array, METH_O, NULL}, {"output_array", session_output_array, METH_O, NULL},
  {"output_shape", session_output_shape, METH_O, NULL},
  {"inputs", session_inputs, METH_NOARGS, NULL},    {"outputs", session_outputs, METH_NOARGS, NULL},
  {"plan", session_plan, METH_NOARGS, NULL},        {"plan_text", session_plan_text, METH_NOARGS, NULL},
  {"memory", session_memory, METH_NOARGS, NULL},    {"reset_times", session_reset_times, METH_NOARGS, NULL},
  {"cancel", session_cancel, METH_NOARGS, NULL},    {"close", session_close, METH_NOARGS, NULL},
  {"reset", session_reset, METH_NOARGS, NULL},      {"measure_peak", session_measure_peak, METH_NOARGS, NULL},
  {"trace", session_trace, METH_NOARGS, NULL},      {"tuning", session_tuning, METH_NOARGS, NULL},
  {NULL, NULL, 0, NULL}};
static PyType_Slot slots[] = {{Py_tp_dealloc, session_dealloc}, {Py_tp_methods, methods}, {0, NULL}};
static PyType_Spec spec = {"edgeai._core.Session", sizeof(SessionObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           slots};
static PyMethodDef functions[] = {{"open_session", open_session, METH_VARARGS, NULL},
                                  {"memory_required", memory_required, METH_VARARGS, NULL},
                                  {NULL, NULL, 0, NULL}};

int add_session_type(PyObject *module) {
  session_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return !session_type || PyModule_AddObjectRef(module, "Session", (PyObject *)session_type) ? -1
                                                                                            : PyModule_AddFunctions(module, functions);
}
