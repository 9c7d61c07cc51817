/* edgeai._core.share, binarize and quantize_weights: a model and, optionally, typical inputs in, a model and its report out. */
#include "core.h"

/* A call of the library with options of one of the three kinds. */
typedef edgeai_status Call(const edgeai_model *model, const void *options, Feed *feed, edgeai_model **made, edgeai_report **report,
                           edgeai_error *error);

static PyObject *run(PyObject *model, PyObject *data, Call *call, const void *options) {
  Feed *feed = data == Py_None ? NULL : feed_begin(((ModelObject *)model)->handle, data);
  if (!feed && data != Py_None) return NULL;
  edgeai_model *made = NULL;
  edgeai_report *report = NULL;
  ERROR_INIT(error);
  edgeai_status status;
  ModelUse use;
  const edgeai_model *handle = model_use_begin(&use, model);
  Py_BEGIN_ALLOW_THREADS
  status = call(handle, options, feed, &made, &report, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use);
  feed_end(feed);
  return status == EDGEAI_OK ? model_and_report(made, model, report) : raise_error(&error);
}

static edgeai_status call_share(const edgeai_model *model, const void *options, Feed *feed, edgeai_model **made,
                                edgeai_report **report, edgeai_error *error) {
  return edgeai_share(model, options, feed ? feed_next : NULL, feed, made, report, error);
}

static edgeai_status call_binarize(const edgeai_model *model, const void *options, Feed *feed, edgeai_model **made,
                                   edgeai_report **report, edgeai_error *error) {
  return edgeai_binarize(model, options, feed ? feed_next : NULL, feed, made, report, error);
}

static edgeai_status call_quantize_weights(const edgeai_model *model, const void *options, Feed *feed, edgeai_model **made,
                                           edgeai_report **report, edgeai_error *error) {
  return edgeai_quantize_weights(model, options, feed ? feed_next : NULL, feed, made, report, error);
}

/* share(model, (bits, start, iterations, seed, windows, threads, report_samples), names, layers, data, progress) */
static PyObject *share(PyObject *module, PyObject *tuple) {
  (void)module;
  PyObject *model, *names, *layers, *data;
  unsigned long long seed;
  Callbacks callbacks = {NULL, NULL};
  edgeai_share_options options;
  edgeai_share_options_init(&options, sizeof options);
  if (!PyArg_ParseTuple(tuple, "O!(iiiKiii)O!O!OO", model_type, &model, &options.bits, &options.start, &options.iterations, &seed,
                        &options.windows, &options.threads, &options.report_samples, &PyList_Type, &names, &PyList_Type, &layers,
                        &data, &callbacks.progress))
    return NULL;
  const char **texts = string_array(names, &options.name_count);
  edgeai_layer_value *values = texts ? layer_values(layers, &options.layer_count) : NULL;
  options.seed = seed;
  options.names = texts;
  options.layers = values;
  options.progress = callbacks_progress;
  options.progress_context = &callbacks;
  PyObject *result = values ? run(model, data, call_share, &options) : NULL;
  PyMem_Free(values);
  PyMem_Free(texts);
  return result;
}

/* binarize(model, (values, threshold, first, last, depthwise, windows, threads, report_samples), names, data, progress) */
static PyObject *binarize(PyObject *module, PyObject *tuple) {
  (void)module;
  PyObject *model, *names, *data;
  Callbacks callbacks = {NULL, NULL};
  edgeai_binarize_options options;
  edgeai_binarize_options_init(&options, sizeof options);
  if (!PyArg_ParseTuple(tuple, "O!(idpppiii)O!OO", model_type, &model, &options.values, &options.threshold, &options.include_first,
                        &options.include_last, &options.include_depthwise, &options.windows, &options.threads,
                        &options.report_samples, &PyList_Type, &names, &data, &callbacks.progress))
    return NULL;
  const char **texts = string_array(names, &options.name_count);
  options.names = texts;
  options.progress = callbacks_progress;
  options.progress_context = &callbacks;
  PyObject *result = texts ? run(model, data, call_binarize, &options) : NULL;
  PyMem_Free(texts);
  return result;
}

/* quantize_weights(model, (goal, amount, damping, keep_zeros, biases, sensitivity_samples, windows, threads, report_samples), names,
 * layers, data, progress) */
static PyObject *quantize_weights(PyObject *module, PyObject *tuple) {
  (void)module;
  PyObject *model, *names, *layers, *data;
  Callbacks callbacks = {NULL, NULL};
  edgeai_quantize_weights_options options;
  edgeai_quantize_weights_options_init(&options, sizeof options);
  if (!PyArg_ParseTuple(tuple, "O!(iddppiiii)O!O!OO", model_type, &model, &options.goal, &options.amount, &options.damping,
                        &options.keep_zeros, &options.biases, &options.sensitivity_samples, &options.windows, &options.threads,
                        &options.report_samples, &PyList_Type, &names, &PyList_Type, &layers, &data, &callbacks.progress))
    return NULL;
  const char **texts = string_array(names, &options.name_count);
  edgeai_layer_value *values = texts ? layer_values(layers, &options.layer_count) : NULL;
  options.names = texts;
  options.layers = values;
  options.progress = callbacks_progress;
  options.progress_context = &callbacks;
  PyObject *result = values ? run(model, data, call_quantize_weights, &options) : NULL;
  PyMem_Free(values);
  PyMem_Free(texts);
  return result;
}

static PyMethodDef functions[] = {{"share", share, METH_VARARGS, NULL},
                                  {"binarize", binarize, METH_VARARGS, NULL},
                                  {"quantize_weights", quantize_weights, METH_VARARGS, NULL},
                                  {NULL, NULL, 0, NULL}};

int add_sharing(PyObject *module) { return PyModule_AddFunctions(module, functions); }
