/* edgeai._core.compress and stage_report: a search within a budget, and what stages of compression left of a model. */
#include "core.h"

typedef struct {
  Callbacks callbacks;
  PyObject *quality;  /* a callable that takes a model's file as bytes, or None */
} Search;

/* The names of the dict's entries are those of the options. 0, or -1 with an exception. */
static int search_options(PyObject *dict, edgeai_compress_options *options) {
  edgeai_compress_options_init(options, sizeof *options);
  struct { const char *name; int32_t *value; } integers[] = {
    {"method", &options->method}, {"block_rows", &options->block_rows}, {"block_columns", &options->block_columns},
    {"scan_samples", &options->scan_samples}, {"threads", &options->threads}};
  struct { const char *name; uint64_t *value; } sizes[] = {
    {"target_bytes", &options->target_bytes}, {"target_nanoseconds", &options->target_nanoseconds}};
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
    PyObject *item = PyDict_GetItemString(dict, integers[i].name);
    long value = item ? PyLong_AsLong(item) : 0;
    if (!item || (value == -1 && PyErr_Occurred())) return -1;
    *integers[i].value = (int32_t)value;
  }
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    PyObject *item = PyDict_GetItemString(dict, sizes[i].name);
    unsigned long long value = item ? PyLong_AsUnsignedLongLong(item) : 0;
    if (!item || (value == (unsigned long long)-1 && PyErr_Occurred())) return -1;
    *sizes[i].value = value;
  }
  PyObject *drop = PyDict_GetItemString(dict, "max_drop");
  options->max_drop = drop ? PyFloat_AsDouble(drop) : -1;
  return drop && !(options->max_drop == -1 && PyErr_Occurred()) ? 0 : -1;
}

/* compress_state_bytes(model, options) -> int */
static PyObject *compress_state_bytes(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model, *dict;
  edgeai_compress_options options;
  if (!PyArg_ParseTuple(arguments, "O!O!", model_type, &model, &PyDict_Type, &dict) || search_options(dict, &options)) return NULL;
  size_t bytes = 0;
  ERROR_INIT(error);
  ModelUse use;
  edgeai_status status = edgeai_compress_state_bytes(model_use_begin(&use, model), &options, &bytes, &error);
  model_use_end(&use);
  return status == EDGEAI_OK ? PyLong_FromSize_t(bytes) : raise_error(&error);
}

/* An edgeai_quality_fn, called without the GIL. NaN cancels, with the exception set. */
static double judge(void *context, const edgeai_model *model) {
  PyGILState_STATE state = PyGILState_Ensure();
  double quality = Py_NAN;
  size_t bytes = 0;
  ERROR_INIT(error);
  PyObject *image = NULL, *result = NULL;
  if (edgeai_model_save_memory_required(model, &bytes, &error) != EDGEAI_OK) raise_error(&error);
  else image = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes);
  if (image && edgeai_model_save_memory(model, PyBytes_AsString(image), bytes, &bytes, &error) != EDGEAI_OK) {
    raise_error(&error);
    Py_CLEAR(image);
  }
  if (image) result = PyObject_CallFunctionObjArgs(((Search *)context)->quality, image, NULL);
  if (result) quality = PyFloat_AsDouble(result);
  if (quality != quality && !PyErr_Occurred()) raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, NULL, "the quality of a model is not a number");
  Py_XDECREF(result);
  Py_XDECREF(image);
  PyGILState_Release(state);
  return quality;
}

/* compress(model, options, data, state, quality, progress) -> (Model, Report); state: a writable buffer, empty for none */
static PyObject *compress(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model, *dict, *data;
  Py_buffer state;
  Search search = {0};
  edgeai_compress_options options;
  if (!PyArg_ParseTuple(arguments, "O!O!Ow*OO", model_type, &model, &PyDict_Type, &dict, &data, &state, &search.quality,
                        &search.callbacks.progress))
    return NULL;
  Feed *feed = search_options(dict, &options) ? NULL : feed_begin(((ModelObject *)model)->handle, data);
  if (!feed) {
    PyBuffer_Release(&state);
    return NULL;
  }
  options.state = state.len ? state.buf : NULL;
  options.state_bytes = (size_t)state.len;
  options.progress = callbacks_progress;
  options.progress_context = &search.callbacks;
  if (search.quality != Py_None) {
    options.quality = judge;
    options.quality_context = &search;
  }
  edgeai_model *made = NULL;
  edgeai_report *report = NULL;
  ERROR_INIT(error);
  edgeai_status status;
  ModelUse use;
  const edgeai_model *handle = model_use_begin(&use, model);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_compress(handle, &options, feed_next, feed, &made, &report, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use);
  feed_end(feed);
  PyBuffer_Release(&state);
  return status == EDGEAI_OK ? model_and_report(made, model, report) : raise_error(&error);
}

/* stage_report(original, [model], [name], data) -> Report */
static PyObject *stage_report(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model, *stages, *names, *data;
  if (!PyArg_ParseTuple(arguments, "O!O!O!O", model_type, &model, &PyList_Type, &stages, &PyList_Type, &names, &data)) return NULL;
  size_t count = 0;
  const char **texts = string_array(names, &count);
  ModelUse *uses = texts ? PyMem_Calloc(count + 1, sizeof *uses) : NULL;
  const edgeai_model **handles = uses ? PyMem_Calloc(count + 1, sizeof *handles) : NULL;
  if (texts && !handles) PyErr_NoMemory();
  if (handles && (size_t)PyList_Size(stages) != count) PyErr_SetString(PyExc_ValueError, "as many names as models");
  for (size_t i = 0; handles && !PyErr_Occurred() && i < count; i++) {
    if (!PyObject_TypeCheck(PyList_GetItem(stages, (Py_ssize_t)i), model_type)) PyErr_SetString(PyExc_TypeError, "a stage is not a model");
  }
  Feed *feed = handles && !PyErr_Occurred() ? feed_begin(((ModelObject *)model)->handle, data) : NULL;
  edgeai_report *report = NULL;
  ERROR_INIT(error);
  edgeai_status status = EDGEAI_OK;
  if (feed) {
    ModelUse use;
    const edgeai_model *handle = model_use_begin(&use, model);
    for (size_t i = 0; i < count; i++) handles[i] = model_use_begin(&uses[i], PyList_GetItem(stages, (Py_ssize_t)i));
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_report_stages(handle, handles, texts, count, feed_next, feed, &report, &error);
    Py_END_ALLOW_THREADS
    for (size_t i = count; i > 0; i--) model_use_end(&uses[i - 1]);
    model_use_end(&use);
    if (status != EDGEAI_OK) raise_error(&error);
  }
  feed_end(feed);
  PyMem_Free((void *)handles);
  PyMem_Free(uses);
  PyMem_Free((void *)texts);
  return feed && status == EDGEAI_OK ? report_wrap(report) : NULL;
}

static PyMethodDef functions[] = {{"compress_state_bytes", compress_state_bytes, METH_VARARGS, NULL},
                                  {"compress", compress, METH_VARARGS, NULL},
                                  {"stage_report", stage_report, METH_VARARGS, NULL},
                                  {NULL, NULL, 0, NULL}};

int add_compress_functions(PyObject *module) { return PyModule_AddFunctions(module, functions); }
