/* Between tensors and numpy arrays, without linking numpy: buffers one way, numpy.empty and numpy.frombuffer the other. */
#include "core.h"
#include <math.h>
#include <string.h>

static PyObject *numpy_empty, *numpy_frombuffer, *dtypes[16], *dtype_name;
static PyTypeObject *numpy_array;

int arrays_init(void) {
  PyObject *numpy = PyImport_ImportModule("numpy");
  if (!numpy) return -1;
  int result = -1;
  PyObject *dtype = PyObject_GetAttrString(numpy, "dtype");
  numpy_empty = PyObject_GetAttrString(numpy, "empty");
  numpy_frombuffer = PyObject_GetAttrString(numpy, "frombuffer");
  numpy_array = (PyTypeObject *)PyObject_GetAttrString(numpy, "ndarray");
  dtype_name = PyUnicode_InternFromString("dtype");
  if (dtype && numpy_empty && numpy_frombuffer && numpy_array && dtype_name) {
    result = 0;
    for (int i = 1; i < 16 && edgeai_dtype_size(i) > 0 && result == 0; i++)
      /* numpy has no bfloat16: its bits. */
      if (!(dtypes[i] = PyObject_CallFunction(dtype, "s", i == EDGEAI_DTYPE_BFLOAT16 ? "uint16" : edgeai_dtype_name(i)))) result = -1;
  }
  Py_XDECREF(dtype);
  Py_DECREF(numpy);
  return result;
}

static PyObject *dtype_object(int32_t dtype) {
  if (dtype > 0 && dtype < 16 && dtypes[dtype]) return dtypes[dtype];
  PyErr_Format(PyExc_SystemError, "unknown element type %d", (int)dtype);
  return NULL;
}

PyObject *shape_tuple(const edgeai_tensor_info *info) {
  PyObject *shape = PyTuple_New(info->rank);
  for (int32_t i = 0; shape && i < info->rank; i++) {
    PyObject *dim = PyLong_FromLongLong(info->dims[i]);
    if (!dim || PyTuple_SetItem(shape, i, dim)) Py_CLEAR(shape);
  }
  return shape;
}

PyObject *array_empty(const edgeai_tensor_info *info, PyObject *shape) {
  PyObject *dtype = dtype_object(info->dtype), *own = shape || !dtype ? NULL : shape_tuple(info);
  PyObject *array = dtype && (shape || own) ? PyObject_CallFunctionObjArgs(numpy_empty, shape ? shape : own, dtype, NULL) : NULL;
  Py_XDECREF(own);
  return array;
}

int array_is_numpy(PyObject *object) { return Py_TYPE(object) == numpy_array; }

/* A buffer over memory that belongs to another object. numpy.frombuffer keeps it, and so the owner, alive. */
typedef struct {
  PyObject_HEAD
  PyObject *owner;
  void *data;
  Py_ssize_t bytes;
  int writable;
} RegionObject;

static PyTypeObject *region_type;

static int region_getbuffer(PyObject *self, Py_buffer *view, int flags) {
  RegionObject *region = (RegionObject *)self;
  return PyBuffer_FillInfo(view, self, region->data, region->bytes, !region->writable, flags);
}

static void region_dealloc(PyObject *self) {
  Py_XDECREF(((RegionObject *)self)->owner);
  free_object(self);
}

static PyType_Slot region_slots[] = {{Py_tp_dealloc, region_dealloc}, {Py_bf_getbuffer, region_getbuffer}, {0, NULL}};
static PyType_Spec region_spec = {"edgeai._core.Region", sizeof(RegionObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                  region_slots};

PyObject *array_over(PyObject *owner, const void *data, const edgeai_tensor_info *info, int writable) {
  PyObject *dtype = dtype_object(info->dtype);
  if (!dtype || (!region_type && !(region_type = (PyTypeObject *)PyType_FromSpec(&region_spec)))) return NULL;
  if (info->bytes == 0) return array_empty(info, NULL);
  RegionObject *region = (RegionObject *)allocate_object(region_type);
  if (!region) return NULL;
  Py_INCREF(owner);
  region->owner = owner;
  region->data = (void *)(uintptr_t)data;
  region->bytes = (Py_ssize_t)info->bytes;
  region->writable = writable;
  PyObject *flat = PyObject_CallFunctionObjArgs(numpy_frombuffer, (PyObject *)region, dtype, NULL);
  Py_DECREF(region);
  PyObject *shape = flat ? shape_tuple(info) : NULL;
  PyObject *array = shape ? PyObject_CallMethod(flat, "reshape", "O", shape) : NULL;
  Py_XDECREF(shape);
  Py_XDECREF(flat);
  return array;
}

/* struct-module format of each element type; several names stand for the same integer. */
static int format_matches(int32_t dtype, const char *format, Py_ssize_t item) {
  if (!format) format = "B";
  if (*format == '=' || *format == '<' || *format == '@') format++;
  if (format[0] == 0 || format[1] != 0 || (size_t)item != edgeai_dtype_size(dtype)) return 0;
  switch (dtype) {
    case EDGEAI_DTYPE_FLOAT32: return *format == 'f';
    case EDGEAI_DTYPE_FLOAT64: return *format == 'd';
    case EDGEAI_DTYPE_FLOAT16: return *format == 'e';
    case EDGEAI_DTYPE_BOOL: return *format == '?';
    case EDGEAI_DTYPE_UINT8: return *format == 'B';
    case EDGEAI_DTYPE_UINT16:
    case EDGEAI_DTYPE_UINT32:
    case EDGEAI_DTYPE_UINT64:
    case EDGEAI_DTYPE_BFLOAT16: return strchr("HILQ", *format) != NULL;
    default: return strchr("bhilq", *format) != NULL;
  }
}

/* The element type that a format stands for, or the format itself. */
static const char *format_name(const char *format, Py_ssize_t item) {
  for (int32_t i = 1; edgeai_dtype_size(i) > 0; i++)
    if (format_matches(i, format, item)) return edgeai_dtype_name(i);
  return format ? format : "B";
}

static void shape_text(char *text, size_t capacity, const int64_t *dims, int rank) {
  size_t used = (size_t)PyOS_snprintf(text, capacity, "(");
  for (int i = 0; i < rank && used + 24 < capacity; i++) {
    if (dims[i] == EDGEAI_DIM_BATCH) used += (size_t)PyOS_snprintf(text + used, capacity - used, "N, ");
    else used += (size_t)PyOS_snprintf(text + used, capacity - used, "%lld, ", (long long)dims[i]);
  }
  if (rank > 1) used -= 2;
  else if (rank == 1) used -= 1;
  PyOS_snprintf(text + used, capacity - used, ")");
}

static int shape_matches(const Py_buffer *view, const edgeai_tensor_info *info, int any_batch) {
  int matches = view->ndim == info->rank;
  for (int i = 0; matches && i < info->rank; i++)
    matches = view->shape[i] == info->dims[i] || (any_batch && info->dims[i] == EDGEAI_DIM_BATCH);
  return matches;
}

int array_borrow_plain(PyObject *object, const edgeai_tensor_info *info, int any_batch, int writable, Py_buffer *view) {
  if (!array_is_numpy(object) || info->dtype <= 0 || info->dtype >= 16) return 0;
  /* Of numpy's own element types there is one object each, so the format need not be put into words to know it. */
  PyObject *own = PyObject_GetAttr(object, dtype_name);
  Py_XDECREF(own);
  if (own && own == dtypes[info->dtype] &&
      PyObject_GetBuffer(object, view, writable ? PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE : PyBUF_C_CONTIGUOUS) == 0) {
    if (shape_matches(view, info, any_batch)) return 1;
    PyBuffer_Release(view);
  }
  PyErr_Clear();
  return 0;
}

int array_borrow(PyObject *object, const edgeai_tensor_info *info, int any_batch, int writable, Py_buffer *view) {
  if (array_borrow_plain(object, info, any_batch, writable, view)) return 0;
  if (PyObject_GetBuffer(object, view, PyBUF_FORMAT | PyBUF_STRIDES)) {
    PyErr_Clear();
    raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, info->name, "tensor '%s' needs an array; this object has no buffer", info->name);
    return -1;
  }
  if (!format_matches(info->dtype, view->format, view->itemsize)) {
    raise_status(EDGEAI_ERROR_DTYPE_MISMATCH, info->name, "tensor '%s' is %s; the array's element type is %s", info->name,
                 edgeai_dtype_name(info->dtype), format_name(view->format, view->itemsize));
    goto refuse;
  }
  if (!shape_matches(view, info, any_batch)) {
    char wanted[256], given[256];
    int64_t dims[EDGEAI_MAX_RANK];
    int rank = view->ndim < EDGEAI_MAX_RANK ? view->ndim : EDGEAI_MAX_RANK;
    for (int i = 0; i < rank; i++) dims[i] = view->shape[i];
    shape_text(wanted, sizeof wanted, info->dims, info->rank);
    shape_text(given, sizeof given, dims, rank);
    raise_status(EDGEAI_ERROR_SHAPE_MISMATCH, info->name, "tensor '%s' has shape %s; the array's is %s", info->name, wanted, given);
    goto refuse;
  }
  if (!PyBuffer_IsContiguous(view, 'C')) {
    raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, info->name,
                 "the array for tensor '%s' is not C-contiguous; numpy.ascontiguousarray makes it so", info->name);
    goto refuse;
  }
  if (writable && view->readonly) {
    raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, info->name, "the array for tensor '%s' is read-only", info->name);
    goto refuse;
  }
  return 0;
refuse:
  PyBuffer_Release(view);
  return -1;
}

PyObject *array_first(PyObject *array, int axis, int64_t count) {
  PyObject *key = PyTuple_New(axis + 1);
  for (int i = 0; key && i <= axis; i++) {
    PyObject *end = i == axis ? PyLong_FromLongLong(count) : Py_NewRef(Py_None);
    PyObject *slice = end ? PySlice_New(NULL, end, NULL) : NULL;
    Py_XDECREF(end);
    if (!slice || PyTuple_SetItem(key, i, slice)) Py_CLEAR(key);
  }
  PyObject *view = key ? PyObject_GetItem(array, key) : NULL;
  Py_XDECREF(key);
  return view;
}

/* x - x is 0 for finite values and NaN otherwise; the sums keep the loops free of branches, and being many they do not
 * wait for each other. */
#define HAS_NONFINITE(name, type)                                                    \
  static int name(const type *x, Py_ssize_t count) {                                 \
    type sums[16] = {0}, sum = 0;                                                    \
    Py_ssize_t i = 0;                                                                \
    for (; i + 16 <= count; i += 16)                                                 \
      for (int j = 0; j < 16; j++) sums[j] += x[i + j] - x[i + j];                   \
    for (; i < count; i++) sum += x[i] - x[i];                                       \
    for (int j = 0; j < 16; j++) sum += sums[j];                                     \
    return !(sum == 0);                                                              \
  }
HAS_NONFINITE(floats_nonfinite, float)
HAS_NONFINITE(doubles_nonfinite, double)

int array_has_nonfinite(const Py_buffer *view, int32_t dtype) {
  Py_ssize_t count = view->itemsize > 0 ? view->len / view->itemsize : 0;
  if (dtype == EDGEAI_DTYPE_FLOAT32) return floats_nonfinite(view->buf, count);
  if (dtype == EDGEAI_DTYPE_FLOAT64) return doubles_nonfinite(view->buf, count);
  if (dtype != EDGEAI_DTYPE_FLOAT16 && dtype != EDGEAI_DTYPE_BFLOAT16) return 0;
  /* All bits of the exponent are set. */
  const uint16_t *x = view->buf, mask = dtype == EDGEAI_DTYPE_FLOAT16 ? 0x7C00 : 0x7F80;
  for (Py_ssize_t i = 0; i < count; i++)
    if ((x[i] & mask) == mask) return 1;
  return 0;
}

PyObject *tensor_dict(const edgeai_tensor_info *info) {
  PyObject *dict = PyDict_New();
  if (!dict) return NULL;
  PyObject *shape = PyList_New(info->rank);
  for (int32_t i = 0; shape && i < info->rank; i++) {
    PyObject *dim = info->dims[i] == EDGEAI_DIM_BATCH ? Py_NewRef(Py_None) : PyLong_FromLongLong(info->dims[i]);
    if (!dim || PyList_SetItem(shape, i, dim)) Py_CLEAR(shape);
  }
  if (dict_take(dict, "name", text_or_none(info->name)) || dict_take(dict, "dtype", text_or_none(edgeai_dtype_name(info->dtype))) ||
      dict_take(dict, "shape", shape) || dict_take(dict, "bytes", PyLong_FromUnsignedLongLong(info->bytes)) ||
      dict_take(dict, "scale_count", PyLong_FromLong(info->scale_count)) ||
      dict_take(dict, "axis", info->quantization_axis < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(info->quantization_axis)) ||
      dict_take(dict, "scale", PyFloat_FromDouble(info->scale)) || dict_take(dict, "zero_point", PyLong_FromLong(info->zero_point)) ||
      dict_take(dict, "bounded_axis", info->bounded_axis < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(info->bounded_axis)) ||
      dict_take(dict, "constant", PyBool_FromLong(info->is_constant)))
    Py_CLEAR(dict);
  return dict;
}
