/* What a session tells about itself. All but inputs and outputs, which never change, wait for a run to end. */
#include "session.h"

/* Calls `tell` with the session open and its lock held. */
static PyObject *locked(PyObject *self, PyObject *(*tell)(SessionObject *)) {
  SessionObject *session = (SessionObject *)self;
  session_lock(session);
  PyObject *result = session_open(session) ? tell(session) : NULL;
  session_unlock(session);
  return result;
}

static PyObject *info_list(const edgeai_tensor_info *infos, size_t count) {
  PyObject *list = PyList_New(0);
  for (size_t i = 0; list && i < count; i++) {
    PyObject *dict = tensor_dict(&infos[i]);
    if (!dict || PyList_Append(list, dict)) Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

PyObject *step_dict(const edgeai_step_info *info) {
  PyObject *dict = PyDict_New(), *shape = dict ? PyList_New(info->rank) : NULL;
  for (int32_t d = 0; shape && d < info->rank; d++) {
    PyObject *dim = PyLong_FromLongLong(info->dims[d]);
    if (!dim || PyList_SetItem(shape, d, dim)) Py_CLEAR(shape);
  }
  if (!dict || dict_take(dict, "shape", shape) || dict_take(dict, "name", text_or_none(info->name)) ||
      dict_take(dict, "op", text_or_none(info->op)) || dict_take(dict, "kernel", text_or_none(info->kernel)) ||
      dict_take(dict, "isa", text_or_none(info->isa)) || dict_take(dict, "note", text_or_none(info->note)) ||
      dict_take(dict, "dtype", text_or_none(edgeai_dtype_name(info->dtype))) ||
      dict_take(dict, "result_bytes", PyLong_FromUnsignedLongLong(info->result_bytes)) ||
      dict_take(dict, "bytes", PyLong_FromUnsignedLongLong(info->bytes)) || dict_take(dict, "parts", PyLong_FromLong(info->parts)) ||
      dict_take(dict, "macs", PyLong_FromUnsignedLongLong(info->multiply_adds)))
    Py_CLEAR(dict);
  return dict;
}

static PyObject *plan(SessionObject *session) {
  PyObject *list = PyList_New(0);
  for (size_t i = 0, n = edgeai_session_plan_count(session->handle); list && i < n; i++) {
    edgeai_step_info info = {.struct_size = sizeof info};
    edgeai_step_times times = {.struct_size = sizeof times};
    ERROR_INIT(error);
    PyObject *dict = edgeai_session_plan_info(session->handle, i, &info, &error) == EDGEAI_OK &&
                             edgeai_session_step_times(session->handle, i, &times, &error) == EDGEAI_OK
                         ? step_dict(&info)
                         : raise_error(&error);
    if (!dict || dict_take(dict, "peak_gops", PyFloat_FromDouble(times.peak_gops)) ||
        dict_take(dict, "last_ns", PyLong_FromUnsignedLongLong(times.last)) ||
        dict_take(dict, "runs", PyLong_FromUnsignedLongLong(times.runs)) ||
        dict_take(dict, "least_ns", PyLong_FromUnsignedLongLong(times.least)) ||
        dict_take(dict, "most_ns", PyLong_FromUnsignedLongLong(times.most)) ||
        dict_take(dict, "total_ns", PyLong_FromUnsignedLongLong(times.total)) || PyList_Append(list, dict))
      Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

/* A text that a function of the library gives in snprintf's manner. */
static PyObject *text_of(SessionObject *session, edgeai_status (*give)(const edgeai_session *, char *, size_t, size_t *, edgeai_error *)) {
  size_t length = 0;
  ERROR_INIT(error);
  if (give(session->handle, NULL, 0, &length, &error) != EDGEAI_OK) return raise_error(&error);
  char *text = PyMem_Malloc(length + 1);
  if (!text) return PyErr_NoMemory();
  PyObject *result = give(session->handle, text, length + 1, &length, &error) == EDGEAI_OK
                         ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "replace")
                         : raise_error(&error);
  PyMem_Free(text);
  return result;
}

static PyObject *plan_text(SessionObject *session) { return text_of(session, edgeai_session_plan_text); }
static PyObject *trace(SessionObject *session) { return text_of(session, edgeai_session_write_trace); }

static PyObject *tuning(SessionObject *session) {
  size_t bytes = 0;
  ERROR_INIT(error);
  if (edgeai_session_tuning(session->handle, NULL, 0, &bytes, &error) != EDGEAI_OK) return raise_error(&error);
  PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes);
  if (result && edgeai_session_tuning(session->handle, PyBytes_AsString(result), bytes, &bytes, &error) != EDGEAI_OK) {
    Py_CLEAR(result);
    raise_error(&error);
  }
  return result;
}

static PyObject *measure_peak(SessionObject *session) {
  ERROR_INIT(error);
  if (edgeai_session_measure_peak(session->handle, &error) != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

static PyObject *memory(SessionObject *session) {
  edgeai_memory_stats stats = {.struct_size = sizeof stats};
  ERROR_INIT(error);
  if (edgeai_session_memory_stats(session->handle, &stats, &error) != EDGEAI_OK) return raise_error(&error);
  return Py_BuildValue("{sKsKsKsKsK}", "total", (unsigned long long)stats.total_bytes, "activations",
                       (unsigned long long)stats.activation_bytes, "packed_weights", (unsigned long long)stats.packed_weight_bytes,
                       "scratch", (unsigned long long)stats.scratch_bytes, "other", (unsigned long long)stats.other_bytes);
}

static PyObject *reset_times(SessionObject *session) {
  ERROR_INIT(error);
  if (edgeai_session_reset_times(session->handle, &error) != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

static PyObject *reset(SessionObject *session) {
  ERROR_INIT(error);
  if (edgeai_session_reset(session->handle, &error) != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

PyObject *session_inputs(PyObject *self, PyObject *unused) {
  (void)unused;
  SessionObject *session = (SessionObject *)self;
  return session_open(session) ? info_list(session->inputs, session->input_count) : NULL;
}
PyObject *session_outputs(PyObject *self, PyObject *unused) {
  (void)unused;
  SessionObject *session = (SessionObject *)self;
  return session_open(session) ? info_list(session->outputs, session->output_count) : NULL;
}
PyObject *session_plan(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, plan);
}
PyObject *session_plan_text(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, plan_text);
}
PyObject *session_memory(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, memory);
}
PyObject *session_reset(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, reset);
}
PyObject *session_reset_times(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, reset_times);
}
PyObject *session_measure_peak(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, measure_peak);
}
PyObject *session_trace(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, trace);
}
PyObject *session_tuning(PyObject *self, PyObject *unused) {
  (void)unused;
  return locked(self, tuning);
}
