/* edgeai._core.Model: an opened network. */
#include "core.h"

PyTypeObject *model_type;

static void model_dealloc(PyObject *self) {
  ModelObject *model = (ModelObject *)self;
  edgeai_model_destroy(model->handle);
  if (model->bytes.obj) PyBuffer_Release(&model->bytes);
  model_locks_free(model);
  free_object(self);
}

PyObject *model_wrap(edgeai_model *handle) {
  ModelObject *model = (ModelObject *)allocate_object(model_type);
  if (!model) {
    edgeai_model_destroy(handle);
    return NULL;
  }
  model->handle = handle;
  if (model_locks_init(model)) {
    Py_DECREF(model);
    return PyErr_NoMemory();
  }
  return (PyObject *)model;
}

PyObject *model_wrap_made(edgeai_model *handle, PyObject *source) {
  PyObject *model = model_wrap(handle), *bytes = ((ModelObject *)source)->bytes.obj;
  if (model && bytes && PyObject_GetBuffer(bytes, &((ModelObject *)model)->bytes, PyBUF_SIMPLE)) Py_CLEAR(model);
  return model;
}

/* The caller's shapes and values of inputs, with the buffers they lie in. */
typedef struct {
  edgeai_input_binding *items;
  Py_buffer *views;
  Py_ssize_t count;
} Bindings;

static void bindings_free(Bindings *bindings) {
  for (Py_ssize_t i = 0; i < bindings->count; i++)
    if (bindings->views[i].obj) PyBuffer_Release(&bindings->views[i]);
  PyMem_Free(bindings->items);
  PyMem_Free(bindings->views);
}

static int32_t dtype_named(const char *name) {
  for (int32_t i = 1; edgeai_dtype_size(i) > 0; i++)
    if (strcmp(edgeai_dtype_name(i), name) == 0) return i;
  return 0;
}

/* One tuple (name or None, dims, element type or None, bytes of the value or None). Texts stay the tuple's. */
static int binding_read(PyObject *item, edgeai_input_binding *binding, Py_buffer *view) {
  const char *dtype;
  PyObject *dims, *value;
  if (!PyArg_ParseTuple(item, "zO!zO", &binding->name, &PyTuple_Type, &dims, &dtype, &value)) return -1;
  binding->struct_size = sizeof *binding;
  Py_ssize_t rank = PyTuple_Size(dims);
  if (rank > EDGEAI_MAX_RANK) {
    raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, binding->name, "input '%s' is given %zd dimensions; at most %d are possible",
                 binding->name ? binding->name : "", rank, EDGEAI_MAX_RANK);
    return -1;
  }
  binding->rank = (int32_t)rank;
  for (Py_ssize_t i = 0; i < rank; i++) {
    PyObject *dim = PyTuple_GetItem(dims, i);
    binding->dims[i] = dim == Py_None ? EDGEAI_DIM_BATCH : PyLong_AsLongLong(dim);
    if (PyErr_Occurred()) return -1;
  }
  if (!dtype) return 0;
  if (!(binding->dtype = dtype_named(dtype))) {
    raise_status(EDGEAI_ERROR_DTYPE_MISMATCH, binding->name, "the value of input '%s' has element type %s, which is not known", binding->name,
                 dtype);
    return -1;
  }
  if (PyObject_GetBuffer(value, view, PyBUF_SIMPLE)) return -1;
  /* An empty array may have no address. */
  binding->data = view->buf ? view->buf : (const void *)binding;
  binding->bytes = (uint64_t)view->len;
  return 0;
}

/* From a list of such tuples; 0, or -1 with an exception. */
static int bindings_read(PyObject *list, Bindings *bindings) {
  Py_ssize_t count = PyList_Size(list);
  if (count < 0) return -1;
  bindings->items = PyMem_Calloc((size_t)count + 1, sizeof *bindings->items);
  bindings->views = PyMem_Calloc((size_t)count + 1, sizeof *bindings->views);
  if (!bindings->items || !bindings->views) {
    PyErr_NoMemory();
    return -1;
  }
  bindings->count = count;
  for (Py_ssize_t i = 0; i < count; i++)
    if (binding_read(PyList_GetItem(list, i), &bindings->items[i], &bindings->views[i])) return -1;
  return 0;
}

static PyObject *open_with(PyObject *source, const edgeai_model_options *options);

/* open_model(source, allow_unsupported, on_demand, max_file_bytes, max_tensor_bytes, max_operators, max_tensors, max_name_bytes, bindings):
 * source is a path (bytes, as os.fsencode gives it, in a one-element tuple) or a buffer; a limit of 0 is the default. */
static PyObject *open_model(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *source, *list;
  int allow_unsupported, on_demand;
  unsigned long long limits[5];
  if (!PyArg_ParseTuple(arguments, "OppKKKKKO", &source, &allow_unsupported, &on_demand, &limits[0], &limits[1], &limits[2], &limits[3], &limits[4],
                        &list))
    return NULL;
  edgeai_model_options options;
  edgeai_model_options_init(&options, sizeof options);
  options.allow_unsupported = allow_unsupported;
  options.decode_on_demand = on_demand;
  if (limits[0]) options.max_file_bytes = limits[0];
  if (limits[1]) options.max_tensor_bytes = limits[1];
  if (limits[2]) options.max_operators = limits[2];
  if (limits[3]) options.max_tensors = limits[3];
  if (limits[4]) options.max_name_bytes = limits[4];
  Bindings bindings = {0};
  PyObject *model = NULL;
  if (bindings_read(list, &bindings) == 0) {
    options.bindings = bindings.items;
    options.binding_count = (uint64_t)bindings.count;
    model = open_with(source, &options);
  }
  bindings_free(&bindings);
  return model;
}

static PyObject *open_with(PyObject *source, const edgeai_model_options *options) {
  ERROR_INIT(error);
  edgeai_model *handle = NULL;
  edgeai_status status;
  if (PyTuple_Check(source)) {
    PyObject *path = PyTuple_GetItem(source, 0);
    char *text = path ? PyBytes_AsString(path) : NULL;
    if (!text) return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_model_open_file(text, options, &handle, &error);
    Py_END_ALLOW_THREADS
    return status == EDGEAI_OK ? model_wrap(handle) : raise_error(&error);
  }
  Py_buffer bytes;
  if (PyObject_GetBuffer(source, &bytes, PyBUF_SIMPLE)) return NULL;
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_model_open_memory(bytes.buf, (size_t)bytes.len, options, &handle, &error);
  Py_END_ALLOW_THREADS
  PyObject *model = status == EDGEAI_OK ? model_wrap(handle) : raise_error(&error);
  if (model) ((ModelObject *)model)->bytes = bytes;
  else PyBuffer_Release(&bytes);
  return model;
}

typedef edgeai_status (*tensor_getter)(const edgeai_model *, size_t, edgeai_tensor_info *, edgeai_error *);

static PyObject *tensor_list(PyObject *self, size_t count, tensor_getter get) {
  PyObject *list = PyList_New(0);
  for (size_t i = 0; list && i < count; i++) {
    edgeai_tensor_info info = {.struct_size = sizeof info};
    ERROR_INIT(error);
    PyObject *dict = get(((ModelObject *)self)->handle, i, &info, &error) == EDGEAI_OK ? tensor_dict(&info) : raise_error(&error);
    if (!dict || PyList_Append(list, dict)) Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

static PyObject *model_inputs(PyObject *self, PyObject *unused) {
  (void)unused;
  return tensor_list(self, edgeai_model_input_count(((ModelObject *)self)->handle), edgeai_model_input_info);
}
static PyObject *model_outputs(PyObject *self, PyObject *unused) {
  (void)unused;
  return tensor_list(self, edgeai_model_output_count(((ModelObject *)self)->handle), edgeai_model_output_info);
}
static PyObject *model_tensors(PyObject *self, PyObject *unused) {
  (void)unused;
  return tensor_list(self, edgeai_model_tensor_count(((ModelObject *)self)->handle), edgeai_model_tensor_info);
}

typedef edgeai_status (*edge_getter)(const edgeai_model *, size_t, size_t, int64_t *, edgeai_error *);

static PyObject *edge_list(const edgeai_model *model, size_t op, int32_t count, edge_getter get) {
  PyObject *list = PyList_New(0);
  for (int32_t i = 0; list && i < count; i++) {
    int64_t tensor = -1;
    ERROR_INIT(error);
    PyObject *index = get(model, op, (size_t)i, &tensor, &error) == EDGEAI_OK ? PyLong_FromLongLong(tensor) : raise_error(&error);
    if (!index || PyList_Append(list, index)) Py_CLEAR(list);
    Py_XDECREF(index);
  }
  return list;
}

static PyObject *model_ops(PyObject *self, PyObject *unused) {
  (void)unused;
  const edgeai_model *model = ((ModelObject *)self)->handle;
  PyObject *list = PyList_New(0);
  for (size_t i = 0, n = edgeai_model_op_count(model); list && i < n; i++) {
    edgeai_op_info info = {.struct_size = sizeof info};
    ERROR_INIT(error);
    PyObject *dict = edgeai_model_op_info(model, i, &info, &error) == EDGEAI_OK ? PyDict_New() : raise_error(&error);
    if (!dict || dict_take(dict, "name", text_or_none(info.name)) || dict_take(dict, "type", text_or_none(info.type)) ||
        dict_take(dict, "parameters", PyLong_FromUnsignedLongLong(info.parameters)) ||
        dict_take(dict, "macs", PyLong_FromUnsignedLongLong(info.multiply_adds)) ||
        dict_take(dict, "inputs", edge_list(model, i, info.input_count, edgeai_model_op_input)) ||
        dict_take(dict, "outputs", edge_list(model, i, info.output_count, edgeai_model_op_output)) || PyList_Append(list, dict))
      Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

static PyObject *model_unsupported(PyObject *self, PyObject *unused) {
  (void)unused;
  const edgeai_model *model = ((ModelObject *)self)->handle;
  PyObject *list = PyList_New(0);
  for (size_t i = 0, n = edgeai_model_unsupported_count(model); list && i < n; i++) {
    edgeai_unsupported_info info = {.struct_size = sizeof info};
    ERROR_INIT(error);
    PyObject *dict = edgeai_model_unsupported_info(model, i, &info, &error) == EDGEAI_OK ? PyDict_New() : raise_error(&error);
    if (!dict || dict_take(dict, "node", text_or_none(info.node)) || dict_take(dict, "index", PyLong_FromLong(info.node_index)) ||
        dict_take(dict, "type", text_or_none(info.type)) || dict_take(dict, "reason", text_or_none(info.reason)) ||
        PyList_Append(list, dict))
      Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

static PyObject *model_metadata(PyObject *self, PyObject *unused) {
  (void)unused;
  const edgeai_model *model = ((ModelObject *)self)->handle;
  PyObject *dict = PyDict_New();
  for (size_t i = 0, n = edgeai_model_metadata_count(model); dict && i < n; i++) {
    const char *key = NULL, *value = NULL;
    ERROR_INIT(error);
    if (edgeai_model_metadata_at(model, i, &key, &value, &error) != EDGEAI_OK) raise_error(&error);
    PyObject *name = PyErr_Occurred() ? NULL : text_or_none(key), *text = name ? text_or_none(value) : NULL;
    if (!text || PyDict_SetItem(dict, name, text)) Py_CLEAR(dict);
    Py_XDECREF(name);
    Py_XDECREF(text);
  }
  return dict;
}

static PyObject *model_set_metadata(PyObject *self, PyObject *arguments) {
  const char *key, *value;
  if (!PyArg_ParseTuple(arguments, "sz", &key, &value)) return NULL;
  ModelObject *model = (ModelObject *)self;
  ERROR_INIT(error);
  if (model_change_begin(model)) return NULL;
  edgeai_status status = edgeai_model_metadata_set(model->handle, key, value, &error);
  model_change_end(model);
  if (status != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

static PyObject *model_describe(PyObject *self, PyObject *unused) {
  (void)unused;
  static const char *const sources[] = {"memory", "edgeai", "onnx", "tflite"};
  edgeai_model_info info = {.struct_size = sizeof info};
  ERROR_INIT(error);
  if (edgeai_model_describe(((ModelObject *)self)->handle, &info, &error) != EDGEAI_OK) return raise_error(&error);
  PyObject *dict = PyDict_New();
  if (!dict || dict_take(dict, "name", text_or_none(info.name)) ||
      dict_take(dict, "source", text_or_none(info.source >= 0 && info.source <= 3 ? sources[info.source] : "unknown")) ||
      dict_take(dict, "parameters", PyLong_FromUnsignedLongLong(info.parameters)) ||
      dict_take(dict, "constant_bytes", PyLong_FromUnsignedLongLong(info.constant_bytes)) ||
      dict_take(dict, "macs", PyLong_FromUnsignedLongLong(info.multiply_adds)))
    Py_CLEAR(dict);
  return dict;
}

static PyObject *save(PyObject *self, PyObject *path, edgeai_status (*write)(const edgeai_model *, const char *, edgeai_error *)) {
  char *text = PyBytes_AsString(path);
  if (!text) return NULL;
  ERROR_INIT(error);
  edgeai_status status;
  ModelUse use;
  const edgeai_model *model = model_use_begin(&use, self);
  Py_BEGIN_ALLOW_THREADS
  status = write(model, text, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use);
  if (status != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

static PyObject *to_bytes(PyObject *self, edgeai_status (*measure)(const edgeai_model *, size_t *, edgeai_error *),
                          edgeai_status (*write)(const edgeai_model *, void *, size_t, size_t *, edgeai_error *)) {
  const edgeai_model *model = ((ModelObject *)self)->handle;
  size_t size = 0;
  ERROR_INIT(error);
  if (measure(model, &size, &error) != EDGEAI_OK) return raise_error(&error);
  PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
  if (!bytes) return NULL;
  if (write(model, PyBytes_AsString(bytes), size, NULL, &error) != EDGEAI_OK) {
    Py_DECREF(bytes);
    return raise_error(&error);
  }
  return bytes;
}

static PyObject *model_save(PyObject *self, PyObject *path) { return save(self, path, edgeai_model_save_file); }
static PyObject *model_export_onnx(PyObject *self, PyObject *path) { return save(self, path, edgeai_model_export_onnx_file); }

static PyObject *model_to_bytes(PyObject *self, PyObject *unused) {
  (void)unused;
  return to_bytes(self, edgeai_model_save_memory_required, edgeai_model_save_memory);
}

/* (path, coding) */
static PyObject *model_save_coded(PyObject *self, PyObject *args) {
  const char *path;
  int coding;
  if (!PyArg_ParseTuple(args, "yi:save_coded", &path, &coding)) return NULL;
  ERROR_INIT(error);
  edgeai_status status;
  ModelUse use;
  const edgeai_model *model = model_use_begin(&use, self);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_model_save_coded_file(model, coding, path, &error);
  Py_END_ALLOW_THREADS
  model_use_end(&use);
  if (status != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

/* Coding takes a while, so it is done without the interpreter's lock, once to know the size and once to keep the bytes. */
static PyObject *model_to_coded_bytes(PyObject *self, PyObject *argument) {
  int coding = (int)PyLong_AsLong(argument);
  if (coding == -1 && PyErr_Occurred()) return NULL;
  ERROR_INIT(error);
  edgeai_status status;
  size_t size = 0;
  ModelUse use;
  const edgeai_model *model = model_use_begin(&use, self);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_model_save_coded_memory_required(model, coding, &size, &error);
  Py_END_ALLOW_THREADS
  PyObject *bytes = status == EDGEAI_OK ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size) : NULL;
  if (bytes) {
    char *to = PyBytes_AsString(bytes);
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_model_save_coded_memory(model, coding, to, size, NULL, &error);
    Py_END_ALLOW_THREADS
  }
  model_use_end(&use);
  if (status != EDGEAI_OK) {
    Py_XDECREF(bytes);
    return raise_error(&error);
  }
  return bytes;
}

static PyObject *model_to_onnx(PyObject *self, PyObject *unused) {
  (void)unused;
  return to_bytes(self, edgeai_model_export_onnx_memory_required, edgeai_model_export_onnx_memory);
}

static PyObject *model_tensor_data(PyObject *self, PyObject *argument) {
  size_t index = PyLong_AsSize_t(argument);
  if (index == (size_t)-1 && PyErr_Occurred()) return NULL;
  const edgeai_model *model = ((ModelObject *)self)->handle;
  edgeai_tensor_info info = {.struct_size = sizeof info};
  const void *data = NULL;
  size_t bytes = 0;
  ERROR_INIT(error);
  if (edgeai_model_tensor_info(model, index, &info, &error) != EDGEAI_OK ||
      edgeai_model_tensor_data(model, index, &data, &bytes, &error) != EDGEAI_OK)
    return raise_error(&error);
  return array_over(self, data, &info, 0);
}

static PyObject *model_tensor_scales(PyObject *self, PyObject *argument) {
  size_t index = PyLong_AsSize_t(argument);
  if (index == (size_t)-1 && PyErr_Occurred()) return NULL;
  const edgeai_model *model = ((ModelObject *)self)->handle;
  edgeai_tensor_info info = {.struct_size = sizeof info};
  ERROR_INIT(error);
  if (edgeai_model_tensor_info(model, index, &info, &error) != EDGEAI_OK) return raise_error(&error);
  edgeai_tensor_info column = {.dtype = EDGEAI_DTYPE_FLOAT32, .rank = 1, .dims = {info.scale_count}};
  PyObject *scales = array_empty(&column, NULL);
  column.dtype = EDGEAI_DTYPE_INT32;
  PyObject *zero_points = scales ? array_empty(&column, NULL) : NULL, *result = NULL;
  Py_buffer s, z;
  if (zero_points && PyObject_GetBuffer(scales, &s, PyBUF_WRITABLE) == 0) {
    if (PyObject_GetBuffer(zero_points, &z, PyBUF_WRITABLE) == 0) {
      edgeai_status status = edgeai_model_tensor_scales(model, index, s.buf, z.buf, (size_t)info.scale_count, &error);
      result = status == EDGEAI_OK ? PyTuple_Pack(2, scales, zero_points) : raise_error(&error);
      PyBuffer_Release(&z);
    }
    PyBuffer_Release(&s);
  }
  Py_XDECREF(scales);
  Py_XDECREF(zero_points);
  return result;
}

static PyMethodDef methods[] = {
  {"inputs", model_inputs, METH_NOARGS, NULL},       {"outputs", model_outputs, METH_NOARGS, NULL},
  {"tensors", model_tensors, METH_NOARGS, NULL},     {"ops", model_ops, METH_NOARGS, NULL},
  {"unsupported", model_unsupported, METH_NOARGS, NULL}, {"metadata", model_metadata, METH_NOARGS, NULL},
  {"set_metadata", model_set_metadata, METH_VARARGS, NULL}, {"describe", model_describe, METH_NOARGS, NULL},
  {"save_coded", model_save_coded, METH_VARARGS, NULL}, {"to_coded_bytes", model_to_coded_bytes, METH_O, NULL},
  {"save", model_save, METH_O, NULL},                {"to_bytes", model_to_bytes, METH_NOARGS, NULL},
  {"export_onnx", model_export_onnx, METH_O, NULL},  {"to_onnx", model_to_onnx, METH_NOARGS, NULL},
  {"tensor_data", model_tensor_data, METH_O, NULL},  {"tensor_scales", model_tensor_scales, METH_O, NULL},
  {NULL, NULL, 0, NULL}};
static PyType_Slot slots[] = {{Py_tp_dealloc, model_dealloc}, {Py_tp_methods, methods}, {0, NULL}};
static PyType_Spec spec = {"edgeai._core.Model", sizeof(ModelObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
static PyMethodDef functions[] = {{"open_model", open_model, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

int add_model_type(PyObject *module) {
  model_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return !model_type || PyModule_AddObjectRef(module, "Model", (PyObject *)model_type) ? -1 : PyModule_AddFunctions(module, functions);
}
