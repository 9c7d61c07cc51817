/* Library errors as Python exceptions. The classes live in edgeai/errors.py, which registers a factory. */
#include "core.h"
#include <stdarg.h>

static PyObject *factory;

PyObject *set_error_factory(PyObject *module, PyObject *callable) {
  (void)module;
  PyObject *before = factory;
  factory = Py_NewRef(callable);
  Py_XDECREF(before);
  Py_RETURN_NONE;
}

void clear_error_factory(void) { Py_CLEAR(factory); }

PyObject *raise_error(const edgeai_error *error) {
  /* A callback's own exception says more than "cancelled". */
  if (PyErr_Occurred()) return NULL;
  if (!factory) {
    PyErr_Format(PyExc_RuntimeError, "%s: %s", edgeai_status_name(error->status), error->message);
    return NULL;
  }
  PyObject *message = text_or_none(error->message), *node = text_or_none(error->node), *tensor = text_or_none(error->tensor);
  PyObject *exception = NULL;
  if (message && node && tensor)
    exception = PyObject_CallFunction(factory, "isOOiOL", (int)error->status, edgeai_status_name(error->status), message, node,
                                      (int)error->node_index, tensor, (long long)error->byte_offset);
  Py_XDECREF(message);
  Py_XDECREF(node);
  Py_XDECREF(tensor);
  if (exception) {
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
  }
  return NULL;
}

PyObject *raise_status(edgeai_status status, const char *tensor, const char *format, ...) {
  ERROR_INIT(error);
  error.status = status;
  va_list arguments;
  va_start(arguments, format);
  PyOS_vsnprintf(error.message, sizeof error.message, format, arguments);
  va_end(arguments);
  if (tensor) PyOS_snprintf(error.tensor, sizeof error.tensor, "%s", tensor);
  return raise_error(&error);
}
