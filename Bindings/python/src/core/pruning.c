/* edgeai._core.prune, sensitivity and factorize: a model and typical inputs in, a model and its report out. */
#include "core.h"

int32_t callbacks_progress(void *context, const char *stage, uint64_t done, uint64_t total) {
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *callable = ((Callbacks *)context)->progress;
  int stop = PyErr_Occurred() ? -1 : PyErr_CheckSignals();
  if (!stop && callable && callable != Py_None) {
    PyObject *result = PyObject_CallFunction(callable, "sKK", stage, (unsigned long long)done, (unsigned long long)total);
    stop = result ? 0 : -1;
    Py_XDECREF(result);
  }
  PyGILState_Release(state);
  return stop;
}

edgeai_layer_value *layer_values(PyObject *list, size_t *count) {
  Py_ssize_t n = PyList_Size(list);
  edgeai_layer_value *values = n < 0 ? NULL : PyMem_Calloc((size_t)n + 1, sizeof *values);
  if (!values && !PyErr_Occurred()) PyErr_NoMemory();
  for (Py_ssize_t i = 0; values && i < n; i++) {
    PyObject *name;
    if (!PyArg_ParseTuple(PyList_GetItem(list, i), "Ud", &name, &values[i].value) ||
        !(values[i].name = PyUnicode_AsUTF8AndSize(name, NULL))) {
      PyMem_Free(values);
      return NULL;
    }
  }
  *count = n < 0 ? 0 : (size_t)n;
  return values;
}

/* The same for rows (layer, fraction, noise). */
static edgeai_sensitivity_row *sensitivity_rows(PyObject *list, size_t *count) {
  Py_ssize_t n = PyList_Size(list);
  edgeai_sensitivity_row *rows = n < 0 ? NULL : PyMem_Calloc((size_t)n + 1, sizeof *rows);
  if (!rows && !PyErr_Occurred()) PyErr_NoMemory();
  for (Py_ssize_t i = 0; rows && i < n; i++) {
    PyObject *name;
    if (!PyArg_ParseTuple(PyList_GetItem(list, i), "Udd", &name, &rows[i].fraction, &rows[i].noise) ||
        !(rows[i].layer = PyUnicode_AsUTF8AndSize(name, NULL))) {
      PyMem_Free(rows);
      return NULL;
    }
  }
  *count = n < 0 ? 0 : (size_t)n;
  return rows;
}

PyObject *model_and_report(edgeai_model *model, PyObject *source, edgeai_report *report) {
  PyObject *wrapped_model = model_wrap_made(model, source), *wrapped_report = report_wrap(report), *result = NULL;
  if (wrapped_model && wrapped_report) result = PyTuple_Pack(2, wrapped_model, wrapped_report);
  Py_XDECREF(wrapped_model);
  Py_XDECREF(wrapped_report);
  return result;
}

typedef struct {
  edgeai_prune_options options;
  const char **names;
  edgeai_layer_value *layers;
  edgeai_sensitivity_row *rows;
} PruneArguments;

static void prune_arguments_free(PruneArguments *arguments) {
  PyMem_Free(arguments->names);
  PyMem_Free(arguments->layers);
  PyMem_Free(arguments->rows);
}

/* The tuple of numbers and the lists of edgeai.pruning; -1 with an exception. */
static int prune_arguments(PruneArguments *arguments, PyObject *numbers, PyObject *names, PyObject *layers, PyObject *sensitivity) {
  memset(arguments, 0, sizeof *arguments);
  edgeai_prune_options *o = &arguments->options;
  edgeai_prune_options_init(o, sizeof *o);
  if (!PyArg_ParseTuple(numbers, "idiiiiippiiipiid", &o->method, &o->amount, &o->block_rows, &o->block_columns, &o->norm,
                        &o->pattern_kept, &o->pattern_group, &o->include_depthwise, &o->include_first, &o->repair, &o->rounds,
                        &o->windows, &o->sequential, &o->threads, &o->report_samples, &o->damping) ||
      !(arguments->names = string_array(names, &o->name_count)) || !(arguments->layers = layer_values(layers, &o->layer_count)) ||
      !(arguments->rows = sensitivity_rows(sensitivity, &o->sensitivity_count))) {
    prune_arguments_free(arguments);
    return -1;
  }
  o->names = arguments->names;
  o->layers = arguments->layers;
  o->sensitivity = arguments->rows;
  return 0;
}

/* prune(model, numbers, names, layers, sensitivity, data, progress) -> (Model, Report) */
static PyObject *prune(PyObject *module, PyObject *tuple) {
  (void)module;
  PyObject *model, *numbers, *names, *layers, *sensitivity, *data;
  Callbacks callbacks = {NULL, NULL};
  PruneArguments arguments;
  if (!PyArg_ParseTuple(tuple, "O!O!O!O!O!OO", model_type, &model, &PyTuple_Type, &numbers, &PyList_Type, &names, &PyList_Type, &layers,
                        &PyList_Type, &sensitivity, &data, &callbacks.progress) ||
      prune_arguments(&arguments, numbers, names, layers, sensitivity))
    return NULL;
  Feed *feed = NULL;
  if (data != Py_None && !(feed = feed_begin(((ModelObject *)model)->handle, data))) {
    prune_arguments_free(&arguments);
    return NULL;
  }
  arguments.options.progress = callbacks_progress;
  arguments.options.progress_context = &callbacks;
  edgeai_model *pruned = NULL;
  edgeai_report *report = NULL;
  ERROR_INIT(error);
  edgeai_status status;
  ModelUse use;
  const edgeai_model *handle = model_use_begin(&use, model);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_prune(handle, &arguments.options, feed ? feed_next : NULL, feed, &pruned, &report, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use);
  feed_end(feed);
  prune_arguments_free(&arguments);
  return status == EDGEAI_OK ? model_and_report(pruned, model, report) : raise_error(&error);
}

static int32_t take_row(void *context, const edgeai_sensitivity_row *row) {
  PyGILState_STATE state = PyGILState_Ensure();
  int stop = PyErr_CheckSignals();
  if (!stop) {
    PyObject *item = Py_BuildValue("sddKKKK", row->layer, row->fraction, row->noise, (unsigned long long)row->weights,
                                   (unsigned long long)row->kept, (unsigned long long)row->same_top1, (unsigned long long)row->samples);
    stop = !item || PyList_Append(((Callbacks *)context)->rows, item) ? -1 : 0;
    Py_XDECREF(item);
  }
  PyGILState_Release(state);
  uint64_t done = 0;
  return stop ? stop : callbacks_progress(context, row->layer, done, done);
}

/* sensitivity(model, numbers, names, fractions, data, progress) -> rows; progress(layer, 0, 0) after each */
static PyObject *sensitivity(PyObject *module, PyObject *tuple) {
  (void)module;
  PyObject *model, *numbers, *names, *fractions, *data;
  Callbacks callbacks = {NULL, NULL};
  PruneArguments arguments;
  if (!PyArg_ParseTuple(tuple, "O!O!O!O!OO", model_type, &model, &PyTuple_Type, &numbers, &PyList_Type, &names, &PyList_Type, &fractions,
                        &data, &callbacks.progress))
    return NULL;
  PyObject *none = PyList_New(0);
  if (!none || prune_arguments(&arguments, numbers, names, none, none)) {
    Py_XDECREF(none);
    return NULL;
  }
  Py_DECREF(none);
  Py_ssize_t count = PyList_Size(fractions);
  double *shares = PyMem_Calloc((size_t)count + 1, sizeof *shares);
  if (!shares) PyErr_NoMemory();
  for (Py_ssize_t i = 0; shares && i < count; i++) shares[i] = PyFloat_AsDouble(PyList_GetItem(fractions, i));
  Feed *feed = PyErr_Occurred() ? NULL : feed_begin(((ModelObject *)model)->handle, data);
  callbacks.rows = feed ? PyList_New(0) : NULL;
  if (callbacks.rows) {
    ERROR_INIT(error);
    edgeai_status status;
    ModelUse use;
    const edgeai_model *handle = model_use_begin(&use, model);
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_sensitivity(handle, &arguments.options, shares, (size_t)count, feed_next, feed, take_row, &callbacks, &error);
    Py_END_ALLOW_THREADS
    model_use_end(&use);
    if (status != EDGEAI_OK) {
      Py_CLEAR(callbacks.rows);
      raise_error(&error);
    }
  }
  feed_end(feed);
  PyMem_Free(shares);
  prune_arguments_free(&arguments);
  return callbacks.rows;
}

/* factorize(model, rank, amount, spatial, windows, threads, report_samples, names, layers, data, progress) -> (Model, Report) */
static PyObject *factorize(PyObject *module, PyObject *tuple) {
  (void)module;
  PyObject *model, *names, *layers, *data;
  Callbacks callbacks = {NULL, NULL};
  edgeai_factorize_options options;
  edgeai_factorize_options_init(&options, sizeof options);
  if (!PyArg_ParseTuple(tuple, "O!idpiiiO!O!OO", model_type, &model, &options.rank, &options.amount, &options.spatial, &options.windows,
                        &options.threads, &options.report_samples, &PyList_Type, &names, &PyList_Type, &layers, &data,
                        &callbacks.progress))
    return NULL;
  const char **name_texts = string_array(names, &options.name_count);
  edgeai_layer_value *values = name_texts ? layer_values(layers, &options.layer_count) : NULL;
  Feed *feed = values && data != Py_None ? feed_begin(((ModelObject *)model)->handle, data) : NULL;
  PyObject *result = NULL;
  if (!PyErr_Occurred()) {
    options.names = name_texts;
    options.layers = values;
    options.progress = callbacks_progress;
    options.progress_context = &callbacks;
    edgeai_model *factorized = NULL;
    edgeai_report *report = NULL;
    ERROR_INIT(error);
    edgeai_status status;
    ModelUse use;
    const edgeai_model *handle = model_use_begin(&use, model);
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_factorize(handle, &options, feed ? feed_next : NULL, feed, &factorized, &report, &error);
    Py_END_ALLOW_THREADS
    model_use_end(&use);
    result = status == EDGEAI_OK ? model_and_report(factorized, model, report) : raise_error(&error);
  }
  feed_end(feed);
  PyMem_Free(name_texts);
  PyMem_Free(values);
  return result;
}

static PyObject *prune_schedule(PyObject *module, PyObject *tuple) {
  (void)module;
  double initial, target;
  unsigned long long step, steps;
  if (!PyArg_ParseTuple(tuple, "ddKK", &initial, &target, &step, &steps)) return NULL;
  return PyFloat_FromDouble(edgeai_prune_schedule(initial, target, step, steps));
}

static PyMethodDef functions[] = {{"prune", prune, METH_VARARGS, NULL},
                                  {"sensitivity", sensitivity, METH_VARARGS, NULL},
                                  {"factorize", factorize, METH_VARARGS, NULL},
                                  {"prune_schedule", prune_schedule, METH_VARARGS, NULL},
                                  {NULL, NULL, 0, NULL}};

int add_pruning(PyObject *module) { return PyModule_AddFunctions(module, functions); }
