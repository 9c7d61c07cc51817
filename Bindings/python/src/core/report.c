/* edgeai._core.Report: figures for each layer. */
#include "core.h"

PyTypeObject *report_type;

typedef struct {
  PyObject_HEAD
  edgeai_report *handle;
} ReportObject;

static void report_dealloc(PyObject *self) {
  edgeai_report_destroy(((ReportObject *)self)->handle);
  free_object(self);
}

PyObject *report_wrap(edgeai_report *handle) {
  ReportObject *report = (ReportObject *)allocate_object(report_type);
  if (!report) edgeai_report_destroy(handle);
  else report->handle = handle;
  return (PyObject *)report;
}

static PyObject *report_describe(PyObject *self, PyObject *unused) {
  (void)unused;
  edgeai_report_info info = {.struct_size = sizeof info};
  ERROR_INIT(error);
  if (edgeai_report_describe(((ReportObject *)self)->handle, &info, &error) != EDGEAI_OK) return raise_error(&error);
  return Py_BuildValue("{sKsKsKsKsKsdsd}", "layers", (unsigned long long)info.layer_count, "float_layers",
                       (unsigned long long)info.float_layer_count, "samples", (unsigned long long)info.samples, "bytes_before",
                       (unsigned long long)info.bytes_before, "bytes_after", (unsigned long long)info.bytes_after, "sqnr_db",
                       info.output_sqnr_db, "cosine", info.output_cosine);
}

static PyObject *report_layers(PyObject *self, PyObject *unused) {
  (void)unused;
  const edgeai_report *report = ((ReportObject *)self)->handle;
  PyObject *list = PyList_New(0);
  for (size_t i = 0, n = edgeai_report_layer_count(report); list && i < n; i++) {
    edgeai_layer_info info = {.struct_size = sizeof info};
    ERROR_INIT(error);
    PyObject *dict = edgeai_report_layer(report, i, &info, &error) == EDGEAI_OK ? PyDict_New() : raise_error(&error);
    PyObject *shape = dict ? PyList_New(info.rank) : NULL;
    for (int32_t d = 0; shape && d < info.rank; d++) {
      PyObject *dim = info.dims[d] == EDGEAI_DIM_BATCH ? Py_NewRef(Py_None) : PyLong_FromLongLong(info.dims[d]);
      if (!dim || PyList_SetItem(shape, d, dim)) Py_CLEAR(shape);
    }
    if (!dict || dict_take(dict, "shape", shape) || dict_take(dict, "name", text_or_none(info.name)) ||
        dict_take(dict, "op", text_or_none(info.op)) || dict_take(dict, "tensor", text_or_none(info.tensor)) ||
        dict_take(dict, "dtype", text_or_none(edgeai_dtype_name(info.dtype))) ||
        dict_take(dict, "reason", text_or_none(info.reason)) ||
        dict_take(dict, "bytes_before", PyLong_FromUnsignedLongLong(info.bytes_before)) ||
        dict_take(dict, "bytes_after", PyLong_FromUnsignedLongLong(info.bytes_after)) ||
        dict_take(dict, "weights", PyLong_FromUnsignedLongLong(info.weights)) ||
        dict_take(dict, "kept", PyLong_FromUnsignedLongLong(info.kept)) ||
        dict_take(dict, "sqnr_db", info.measured ? PyFloat_FromDouble(info.sqnr_db) : Py_NewRef(Py_None)) ||
        dict_take(dict, "cosine", info.measured ? PyFloat_FromDouble(info.cosine) : Py_NewRef(Py_None)) || PyList_Append(list, dict))
      Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

/* stages() -> [{"name", "file_bytes", "ns", "layers": [...]}] */
static PyObject *report_stages(PyObject *self, PyObject *unused) {
  (void)unused;
  const edgeai_report *report = ((ReportObject *)self)->handle;
  size_t layer_count = edgeai_report_stage_layer_count(report);
  PyObject *list = PyList_New(0);
  ERROR_INIT(error);
  for (size_t i = 0, n = edgeai_report_stage_count(report); list && i < n; i++) {
    edgeai_stage_info info = {.struct_size = sizeof info};
    if (edgeai_report_stage(report, i, &info, &error) != EDGEAI_OK) {
      Py_DECREF(list);
      return raise_error(&error);
    }
    PyObject *layers = PyList_New(0);
    for (size_t l = 0; layers && l < layer_count; l++) {
      edgeai_stage_layer_info layer = {.struct_size = sizeof layer};
      PyObject *dict = edgeai_report_stage_layer(report, i, l, &layer, &error) == EDGEAI_OK
                           ? Py_BuildValue("{sssKsKsKsKsKsN}", "name", layer.name, "weights", (unsigned long long)layer.weights, "kept",
                                           (unsigned long long)layer.kept, "bits", (unsigned long long)layer.bits, "bytes",
                                           (unsigned long long)layer.bytes, "ns", (unsigned long long)layer.nanoseconds, "sqnr_db",
                                           layer.measured ? PyFloat_FromDouble(layer.sqnr_db) : Py_NewRef(Py_None))
                           : raise_error(&error);
      if (!dict || PyList_Append(layers, dict)) Py_CLEAR(layers);
      Py_XDECREF(dict);
    }
    PyObject *dict = layers ? Py_BuildValue("{sssKsKsN}", "name", info.name, "file_bytes", (unsigned long long)info.file_bytes, "ns",
                                            (unsigned long long)info.nanoseconds, "layers", layers)
                            : NULL;
    if (!dict || PyList_Append(list, dict)) Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

static PyObject *report_json(PyObject *self, PyObject *unused) {
  (void)unused;
  const edgeai_report *report = ((ReportObject *)self)->handle;
  size_t length = 0;
  ERROR_INIT(error);
  if (edgeai_report_write_json(report, NULL, 0, &length, &error) != EDGEAI_OK) return raise_error(&error);
  char *text = PyMem_Malloc(length + 1);
  if (!text) return PyErr_NoMemory();
  PyObject *result = edgeai_report_write_json(report, text, length + 1, &length, &error) == EDGEAI_OK
                         ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "replace")
                         : raise_error(&error);
  PyMem_Free(text);
  return result;
}

static PyMethodDef methods[] = {{"describe", report_describe, METH_NOARGS, NULL},
                                {"layers", report_layers, METH_NOARGS, NULL},
                                {"stages", report_stages, METH_NOARGS, NULL},
                                {"json", report_json, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};
static PyType_Slot slots[] = {{Py_tp_dealloc, report_dealloc}, {Py_tp_methods, methods}, {0, NULL}};
static PyType_Spec spec = {"edgeai._core.Report", sizeof(ReportObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int add_report_type(PyObject *module) {
  report_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return !report_type || PyModule_AddObjectRef(module, "Report", (PyObject *)report_type) ? -1 : 0;
}
