/* edgeai._core.create_model: a published network with new weights. */
#include "core.h"

/* create_model(architecture, seed, width, gamma, resolution, channels, classes, batch_norm, bypass, list of widths) -> Model */
static PyObject *create_model(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *list;
  unsigned long long seed;
  edgeai_architecture_options options;
  edgeai_architecture_options_init(&options, sizeof options);
  if (!PyArg_ParseTuple(arguments, "iKffiiippO!", &options.architecture, &seed, &options.width, &options.gamma, &options.resolution,
                        &options.channels, &options.classes, &options.batch_norm, &options.bypass, &PyList_Type, &list))
    return NULL;
  options.seed = seed;
  Py_ssize_t count = PyList_Size(list);
  uint32_t *widths = PyMem_Calloc((size_t)count + 1, sizeof *widths);
  if (!widths) return PyErr_NoMemory();
  for (Py_ssize_t i = 0; i < count && !PyErr_Occurred(); i++) {
    unsigned long width = PyLong_AsUnsignedLong(PyList_GetItem(list, i));
    /* No layer is so wide; the library says so. */
    widths[i] = width > UINT32_MAX ? UINT32_MAX : (uint32_t)width;
  }
  options.widths = widths;
  options.width_count = (size_t)count;
  edgeai_model *model = NULL;
  ERROR_INIT(error);
  edgeai_status status = EDGEAI_OK;
  if (!PyErr_Occurred()) {
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_model_create(&options, &model, &error);
    Py_END_ALLOW_THREADS
    if (status != EDGEAI_OK) raise_error(&error);
  }
  PyMem_Free(widths);
  return model ? model_wrap(model) : NULL;
}

static PyMethodDef functions[] = {{"create_model", create_model, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

int add_architectures(PyObject *module) { return PyModule_AddFunctions(module, functions); }
