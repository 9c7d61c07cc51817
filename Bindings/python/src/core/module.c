/* edgeai._core: the extension module. */
#include "core.h"

static PyObject *build_info(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return text_or_none(edgeai_build_info());
}

static PyObject *version(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  return text_or_none(edgeai_version_string());
}

static PyObject *instruction_sets(PyObject *module, PyObject *unused) {
  (void)module;
  (void)unused;
  PyObject *list = PyList_New(0);
  for (int32_t i = 0, n = edgeai_isa_count(); list && i < n; i++) {
    PyObject *name = text_or_none(edgeai_isa_name(i));
    if (!name || PyList_Append(list, name)) Py_CLEAR(list);
    Py_XDECREF(name);
  }
  return list;
}

static int execute(PyObject *module) {
  if (edgeai_abi_check(EDGEAI_ABI_VERSION) != EDGEAI_OK) {
    PyErr_Format(PyExc_ImportError, "this extension was built for ABI %d of libedgeai; the library found (%s) does not fit",
                 EDGEAI_ABI_VERSION, edgeai_version_string());
    return -1;
  }
  if (arrays_init() || PyModule_AddIntConstant(module, "abi_version", EDGEAI_ABI_VERSION)) return -1;
  return add_model_type(module) || add_session_type(module) || add_calibration_type(module) || add_report_type(module) ||
                 add_channel_functions(module) || add_pruning(module) || add_sharing(module) || add_compress_functions(module) ||
                 add_architectures(module) || add_trainer_type(module)
             ? -1
             : 0;
}

static void release(void *module) {
  (void)module;
  clear_error_factory();
}

static PyMethodDef functions[] = {{"build_info", build_info, METH_NOARGS, NULL},
                                  {"version", version, METH_NOARGS, NULL},
                                  {"instruction_sets", instruction_sets, METH_NOARGS, NULL},
                                  {"set_error_factory", set_error_factory, METH_O, NULL},
                                  {NULL, NULL, 0, NULL}};
static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};
static struct PyModuleDef definition = {
  PyModuleDef_HEAD_INIT, "_core", NULL, 0, functions, slots, NULL, NULL, release};

PyMODINIT_FUNC PyInit__core(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
