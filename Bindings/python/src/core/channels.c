/* edgeai._core.prune_channels: fewer channels. */
#include "core.h"

/* The caller's lists as the C interface takes them. Texts stay those of the lists. */
typedef struct {
  edgeai_layer_fraction *layers;
  edgeai_layer_channels *channels;
  Py_ssize_t channels_count;
} Lists;

static void lists_free(Lists *lists) {
  for (Py_ssize_t i = 0; lists->channels && i < lists->channels_count; i++) PyMem_Free((void *)(uintptr_t)lists->channels[i].channels);
  PyMem_Free(lists->channels);
  PyMem_Free(lists->layers);
}

/* A list of (name, fraction) and one of (name, list of indices); 0, or -1 with an exception. */
static int lists_read(Lists *lists, PyObject *layers, PyObject *channels, edgeai_prune_channels_options *options) {
  Py_ssize_t layer_count = PyList_Size(layers);
  lists->channels_count = PyList_Size(channels);
  if (layer_count < 0 || lists->channels_count < 0) return -1;
  lists->layers = PyMem_Calloc((size_t)layer_count + 1, sizeof *lists->layers);
  lists->channels = PyMem_Calloc((size_t)lists->channels_count + 1, sizeof *lists->channels);
  if (!lists->layers || !lists->channels) {
    PyErr_NoMemory();
    return -1;
  }
  for (Py_ssize_t i = 0; i < layer_count; i++)
    if (!PyArg_ParseTuple(PyList_GetItem(layers, i), "sf", &lists->layers[i].name, &lists->layers[i].fraction)) return -1;
  for (Py_ssize_t i = 0; i < lists->channels_count; i++) {
    edgeai_layer_channels *chosen = &lists->channels[i];
    PyObject *indices;
    if (!PyArg_ParseTuple(PyList_GetItem(channels, i), "sO!", &chosen->name, &PyList_Type, &indices)) return -1;
    chosen->channel_count = (size_t)PyList_Size(indices);
    uint32_t *copy = PyMem_Calloc(chosen->channel_count + 1, sizeof *copy);
    chosen->channels = copy;
    if (!copy) {
      PyErr_NoMemory();
      return -1;
    }
    for (size_t c = 0; c < chosen->channel_count; c++) {
      unsigned long index = PyLong_AsUnsignedLong(PyList_GetItem(indices, (Py_ssize_t)c));
      if (PyErr_Occurred()) return -1;
      /* No layer has so many channels; the library says so. */
      copy[c] = index > UINT32_MAX ? UINT32_MAX : (uint32_t)index;
    }
  }
  options->layers = lists->layers;
  options->layer_count = (size_t)layer_count;
  options->channels = lists->channels;
  options->channels_count = (size_t)lists->channels_count;
  return 0;
}

static PyObject *layer_dict(const edgeai_channel_layer_info *info) {
  PyObject *dict = PyDict_New(), *kept = dict ? PyList_New(info->after) : NULL;
  for (uint32_t i = 0; kept && i < info->after; i++) {
    PyObject *index = PyLong_FromUnsignedLong(info->kept[i]);
    if (!index || PyList_SetItem(kept, (Py_ssize_t)i, index)) Py_CLEAR(kept);
  }
  if (dict && (dict_take(dict, "kept", kept) || dict_take(dict, "name", text_or_none(info->name)) ||
               dict_take(dict, "before", PyLong_FromUnsignedLong(info->before)) ||
               dict_take(dict, "fixed", PyLong_FromUnsignedLong(info->fixed)) || dict_take(dict, "reason", text_or_none(info->reason))))
    Py_CLEAR(dict);
  return dict;
}

static PyObject *layer_list(const edgeai_channel_report *report) {
  PyObject *list = PyList_New(0);
  for (size_t i = 0, n = edgeai_channel_report_layer_count(report); list && i < n; i++) {
    edgeai_channel_layer_info info = {.struct_size = sizeof info};
    ERROR_INIT(error);
    PyObject *dict = edgeai_channel_report_layer(report, i, &info, &error) == EDGEAI_OK ? layer_dict(&info) : raise_error(&error);
    if (!dict || PyList_Append(list, dict)) Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

/* prune_channels(model, criterion, fraction, global, masked, minimum, multiple, layers, channels, iterator or None)
 * -> (Model, list of dicts) */
static PyObject *prune_channels(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model, *layers, *channels, *iterator;
  edgeai_prune_channels_options options;
  edgeai_prune_channels_options_init(&options, sizeof options);
  int criterion, global, masked;
  unsigned int minimum, multiple;
  if (!PyArg_ParseTuple(arguments, "O!ifppIIO!O!O", model_type, &model, &criterion, &options.fraction, &global, &masked, &minimum, &multiple,
                        &PyList_Type, &layers, &PyList_Type, &channels, &iterator))
    return NULL;
  options.criterion = criterion;
  options.global = global;
  options.masked = masked;
  options.minimum = minimum;
  options.multiple = multiple;
  Lists lists = {0};
  Feed *feed = NULL;
  edgeai_model *pruned = NULL;
  edgeai_channel_report *report = NULL;
  PyObject *result = NULL;
  if (lists_read(&lists, layers, channels, &options) == 0 &&
      (iterator == Py_None || (feed = feed_begin(((ModelObject *)model)->handle, iterator)))) {
    ERROR_INIT(error);
    edgeai_status status;
    ModelUse use;
    const edgeai_model *handle = model_use_begin(&use, model);
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_prune_channels(handle, &options, feed ? feed_next : NULL, feed, &pruned, &report, &error);
    Py_END_ALLOW_THREADS
    model_use_end(&use);
    if (status != EDGEAI_OK) raise_error(&error);
    else {
      PyObject *wrapped = model_wrap_made(pruned, model), *list = wrapped ? layer_list(report) : NULL;
      if (list) result = PyTuple_Pack(2, wrapped, list);
      Py_XDECREF(list);
      Py_XDECREF(wrapped);
      edgeai_channel_report_destroy(report);
    }
  }
  feed_end(feed);
  lists_free(&lists);
  return result;
}

static PyMethodDef functions[] = {{"prune_channels", prune_channels, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

int add_channel_functions(PyObject *module) { return PyModule_AddFunctions(module, functions); }
