/* edgeai._core.Calibration: feeds samples, then quantizes. And compare(), which feeds two models. */
#include "core.h"

PyTypeObject *calibration_type;

typedef struct {
  PyObject_HEAD
  edgeai_calibration *handle;
  PyObject *model, *progress;
  PyThread_type_lock lock;  /* one call at a time; a second thread's waits */
  unsigned long owner;      /* the thread that holds the lock, else 0 */
} CalibrationObject;

static void calibration_dealloc(PyObject *self) {
  CalibrationObject *calibration = (CalibrationObject *)self;
  edgeai_calibration_destroy(calibration->handle);
  Py_XDECREF(calibration->model);
  Py_XDECREF(calibration->progress);
  if (calibration->lock) PyThread_free_lock(calibration->lock);
  free_object(self);
}

/* -1 with an exception when this thread already holds the lock: the call comes from the progress callback. */
static int calibration_begin(CalibrationObject *calibration) {
  if (calibration->owner == PyThread_get_thread_ident()) {
    raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, NULL, "a progress callback cannot use its own calibration");
    return -1;
  }
  lock_without_gil(calibration->lock);
  calibration->owner = PyThread_get_thread_ident();
  return 0;
}

static void calibration_end(CalibrationObject *calibration) {
  calibration->owner = 0;
  PyThread_release_lock(calibration->lock);
}

/* Called without the GIL. Non-zero cancels: a signal (Ctrl-C) or an exception of the callable, which stays set. */
static int32_t report_progress(void *context, const char *stage, uint64_t done, uint64_t total) {
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *callable = ((CalibrationObject *)context)->progress;
  int stop = PyErr_Occurred() ? -1 : PyErr_CheckSignals();
  if (!stop && callable && callable != Py_None) {
    PyObject *result = PyObject_CallFunction(callable, "sKK", stage, (unsigned long long)done, (unsigned long long)total);
    stop = result ? 0 : -1;
    Py_XDECREF(result);
  }
  PyGILState_Release(state);
  return stop;
}

const char **string_array(PyObject *list, size_t *count) {
  Py_ssize_t n = PyList_Size(list);
  const char **texts = n < 0 ? NULL : PyMem_Calloc((size_t)n + 1, sizeof *texts);
  for (Py_ssize_t i = 0; texts && i < n; i++) {
    texts[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(list, i), NULL);
    if (!texts[i]) {
      PyMem_Free(texts);
      return NULL;
    }
  }
  if (!texts && !PyErr_Occurred()) PyErr_NoMemory();
  *count = n < 0 ? 0 : (size_t)n;
  return texts;
}

/* Ranges of a list of (str, float, float), which must outlive them; free with PyMem_Free. NULL with an exception. */
static edgeai_tensor_range *tensor_ranges(PyObject *list, size_t *count) {
  Py_ssize_t n = PyList_Size(list);
  edgeai_tensor_range *ranges = PyMem_Calloc((size_t)n + 1, sizeof *ranges);
  if (!ranges) PyErr_NoMemory();
  for (Py_ssize_t i = 0; ranges && i < n; i++) {
    PyObject *name;
    if (!PyArg_ParseTuple(PyList_GetItem(list, i), "Uff", &name, &ranges[i].min, &ranges[i].max) ||
        !(ranges[i].tensor = PyUnicode_AsUTF8AndSize(name, NULL))) {
      PyMem_Free(ranges);
      return NULL;
    }
  }
  *count = (size_t)n;
  return ranges;
}

/* open_calibration(model, calibrator, per_channel, strict, threads, report_samples, percentile, momentum, names, types, ranges, progress) */
static PyObject *open_calibration(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model, *names, *types, *range_list, *progress;
  edgeai_quantize_options options;
  edgeai_quantize_options_init(&options, sizeof options);
  int calibrator, per_channel, strict, threads, report_samples;
  if (!PyArg_ParseTuple(arguments, "O!ippiiffO!O!O!O", model_type, &model, &calibrator, &per_channel, &strict, &threads, &report_samples,
                        &options.percentile, &options.momentum, &PyList_Type, &names, &PyList_Type, &types, &PyList_Type, &range_list,
                        &progress))
    return NULL;
  options.calibrator = calibrator;
  options.per_channel = per_channel;
  options.strict = strict;
  options.threads = threads;
  options.report_samples = report_samples;
  CalibrationObject *calibration = (CalibrationObject *)allocate_object(calibration_type);
  if (!calibration) return NULL;
  if (!(calibration->lock = PyThread_allocate_lock())) {
    Py_DECREF(calibration);
    return PyErr_NoMemory();
  }
  calibration->model = Py_NewRef(model);
  calibration->progress = Py_NewRef(progress);
  options.progress = report_progress;
  options.progress_context = calibration;
  const char **name_texts = string_array(names, &options.float_name_count);
  const char **type_texts = name_texts ? string_array(types, &options.float_type_count) : NULL;
  edgeai_tensor_range *ranges = type_texts ? tensor_ranges(range_list, &options.range_count) : NULL;
  edgeai_status status = EDGEAI_OK;
  ERROR_INIT(error);
  if (ranges) {
    options.ranges = ranges;
    options.float_names = name_texts;
    options.float_types = type_texts;
    ModelUse use;
    const edgeai_model *handle = model_use_begin(&use, model);
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_calibration_create(handle, &options, &calibration->handle, &error);
    Py_END_ALLOW_THREADS
    model_use_end(&use);
    if (status != EDGEAI_OK) raise_error(&error);
  }
  PyMem_Free(name_texts);
  PyMem_Free(type_texts);
  PyMem_Free(ranges);
  if (!ranges || status != EDGEAI_OK) Py_CLEAR(calibration);
  return (PyObject *)calibration;
}

enum { MAX_INPUTS = 64 };

/* Borrows a tuple of arrays for the inputs of a model. The number borrowed, or -1 with an exception. */
static int borrow_inputs(const edgeai_model *model, PyObject *arrays, Py_buffer *views, edgeai_span *spans) {
  size_t count = edgeai_model_input_count(model);
  if (!PyTuple_Check(arrays) || (size_t)PyTuple_Size(arrays) != count) {
    raise_status(EDGEAI_ERROR_SHAPE_MISMATCH, NULL, "the model has %d inputs; give a tuple of as many arrays", (int)count);
    return -1;
  }
  if (count > MAX_INPUTS) {
    raise_status(EDGEAI_ERROR_LIMIT_EXCEEDED, NULL, "the model has %d inputs; Python feeds at most %d", (int)count, MAX_INPUTS);
    return -1;
  }
  for (size_t i = 0; i < count; i++) {
    edgeai_tensor_info info = {.struct_size = sizeof info};
    ERROR_INIT(error);
    int failed = edgeai_model_input_info(model, i, &info, &error) != EDGEAI_OK;
    if (failed) raise_error(&error);
    else failed = array_borrow(PyTuple_GetItem(arrays, (Py_ssize_t)i), &info, 1, 0, &views[i]);
    if (!failed && array_has_nonfinite(&views[i], info.dtype)) {
      raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, info.name, "the array for tensor '%s' holds NaN or infinity", info.name);
      PyBuffer_Release(&views[i]);
      failed = 1;
    }
    if (failed) {
      while (i > 0) PyBuffer_Release(&views[--i]);
      return -1;
    }
    spans[i].data = views[i].buf;
    spans[i].bytes = (size_t)views[i].len;
  }
  return (int)count;
}

static PyObject *calibration_feed(PyObject *self, PyObject *arrays) {
  CalibrationObject *calibration = (CalibrationObject *)self;
  Py_buffer views[MAX_INPUTS];
  edgeai_span spans[MAX_INPUTS];
  int count = borrow_inputs(((ModelObject *)calibration->model)->handle, arrays, views, spans);
  if (count < 0) return NULL;
  ERROR_INIT(error);
  edgeai_status status;
  if (calibration_begin(calibration)) {
    while (count > 0) PyBuffer_Release(&views[--count]);
    return NULL;
  }
  ModelUse use;
  model_use_begin(&use, calibration->model);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_calibration_feed(calibration->handle, spans, (size_t)count, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use);
  calibration_end(calibration);
  while (count > 0) PyBuffer_Release(&views[--count]);
  if (status != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

static PyObject *calibration_finish(PyObject *self, PyObject *unused) {
  (void)unused;
  CalibrationObject *calibration = (CalibrationObject *)self;
  ERROR_INIT(error);
  if (calibration_begin(calibration)) return NULL;
  edgeai_status status = edgeai_calibration_finish(calibration->handle, &error);
  calibration_end(calibration);
  if (status != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

static PyObject *calibration_samples(PyObject *self, PyObject *unused) {
  (void)unused;
  CalibrationObject *calibration = (CalibrationObject *)self;
  if (calibration_begin(calibration)) return NULL;
  uint64_t count = edgeai_calibration_sample_count(calibration->handle);
  calibration_end(calibration);
  return PyLong_FromUnsignedLongLong(count);
}

/* quantize() -> (Model, Report) */
static PyObject *calibration_quantize(PyObject *self, PyObject *unused) {
  (void)unused;
  edgeai_model *model = NULL;
  edgeai_report *report = NULL;
  ERROR_INIT(error);
  edgeai_status status;
  CalibrationObject *calibration = (CalibrationObject *)self;
  if (calibration_begin(calibration)) return NULL;
  ModelUse use;
  model_use_begin(&use, calibration->model);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_quantize(calibration->handle, &model, &report, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use);
  calibration_end(calibration);
  return status == EDGEAI_OK ? model_and_report(model, calibration->model, report) : raise_error(&error);
}

struct Feed {
  const edgeai_model *model;
  PyObject *iterator, *arrays;
  Py_buffer views[MAX_INPUTS];
  int borrowed;
};

Feed *feed_begin(const edgeai_model *model, PyObject *iterator) {
  Feed *feed = PyMem_Calloc(1, sizeof *feed);
  if (!feed) {
    PyErr_NoMemory();
    return NULL;
  }
  feed->model = model;
  feed->iterator = iterator;
  return feed;
}

static void feed_release(Feed *feed) {
  while (feed->borrowed > 0) PyBuffer_Release(&feed->views[--feed->borrowed]);
  Py_CLEAR(feed->arrays);
}

void feed_end(Feed *feed) {
  if (!feed) return;
  feed_release(feed);
  PyMem_Free(feed);
}

/* Called without the GIL. A negative number cancels, with the exception set. */
int32_t feed_next(void *context, uint64_t index, edgeai_span *inputs, size_t input_count) {
  (void)index;
  (void)input_count;
  Feed *feed = context;
  PyGILState_STATE state = PyGILState_Ensure();
  int32_t result = -1;
  feed_release(feed);
  if (PyErr_CheckSignals() == 0) {
    feed->arrays = PyIter_Next(feed->iterator);
    if (!feed->arrays) result = PyErr_Occurred() ? -1 : 0;
    else {
      int count = borrow_inputs(feed->model, feed->arrays, feed->views, inputs);
      if (count >= 0) {
        feed->borrowed = count;
        result = 1;
      }
    }
  }
  PyGILState_Release(state);
  return result;
}

/* compare(model, other, iterator of tuples of arrays) -> Report */
static PyObject *compare(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model, *other, *iterator;
  if (!PyArg_ParseTuple(arguments, "O!O!O", model_type, &model, model_type, &other, &iterator)) return NULL;
  Feed *feed = feed_begin(((ModelObject *)model)->handle, iterator);
  if (!feed) return NULL;
  ModelUse use, use_other;
  const edgeai_model *handle = model_use_begin(&use, model);
  const edgeai_model *other_handle = model_use_begin(&use_other, other);
  edgeai_report *report = NULL;
  ERROR_INIT(error);
  edgeai_status status;
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_compare(handle, other_handle, feed_next, feed, &report, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use_other);
  model_use_end(&use);
  feed_end(feed);
  return status == EDGEAI_OK ? report_wrap(report) : raise_error(&error);
}

static PyMethodDef methods[] = {
  {"feed", calibration_feed, METH_O, NULL},
  {"finish", calibration_finish, METH_NOARGS, NULL},
  {"samples", calibration_samples, METH_NOARGS, NULL},
  {"quantize", calibration_quantize, METH_NOARGS, NULL},
  {NULL, NULL, 0, NULL}};
static PyType_Slot slots[] = {{Py_tp_dealloc, calibration_dealloc}, {Py_tp_methods, methods}, {0, NULL}};
static PyType_Spec spec = {"edgeai._core.Calibration", sizeof(CalibrationObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
static PyMethodDef functions[] = {{"open_calibration", open_calibration, METH_VARARGS, NULL},
                                  {"compare", compare, METH_VARARGS, NULL},
                                  {NULL, NULL, 0, NULL}};

int add_calibration_type(PyObject *module) {
  calibration_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return !calibration_type || PyModule_AddObjectRef(module, "Calibration", (PyObject *)calibration_type)
             ? -1
             : PyModule_AddFunctions(module, functions);
}
