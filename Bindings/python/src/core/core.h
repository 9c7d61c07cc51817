/* What the files of the extension share. The extension is a thin, typed layer over the C ABI; everything that is
 * for people (iteration, tables, progress bars) is Python in ../edgeai. Built for the limited API of 3.11. */
#ifndef EDGEAI_PYTHON_CORE_H
#define EDGEAI_PYTHON_CORE_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <edgeai.h>
#include <edgeai_compress.h>
#include <edgeai_train.h>
#include <string.h>

typedef struct {
  PyObject_HEAD
  edgeai_model *handle;
  Py_buffer bytes;  /* the memory a model was opened from; obj is NULL otherwise */
  PyThread_type_lock turn;  /* held by set_metadata, and by others for the moment of joining the users */
  PyThread_type_lock busy;  /* held while users > 0 */
  size_t users;             /* calls that read the model without the GIL */
} ModelObject;

/* One call that uses a model without the GIL; lives on that call's stack. */
typedef struct ModelUse {
  ModelObject *model;
  unsigned long thread;
  struct ModelUse *next;
} ModelUse;

extern PyTypeObject *model_type, *session_type, *calibration_type, *report_type;

/* Each adds its type (and functions) to the module; 0, or -1 with an exception set. */
int add_model_type(PyObject *module);
int add_session_type(PyObject *module);
int add_calibration_type(PyObject *module);
int add_report_type(PyObject *module);
int add_channel_functions(PyObject *module);
int add_pruning(PyObject *module);
int add_sharing(PyObject *module);
int add_compress_functions(PyObject *module);
int add_architectures(PyObject *module);
int add_trainer_type(PyObject *module);

PyObject *model_wrap(edgeai_model *handle);   /* takes the handle over, also on failure */
/* The same of a model that was made from another one: constants that stay may lie in the memory that one was opened from. */
PyObject *model_wrap_made(edgeai_model *handle, PyObject *source);
PyObject *report_wrap(edgeai_report *handle);

/* locks.c */
void lock_without_gil(PyThread_type_lock lock);                                     /* waits with the GIL given up */
int model_locks_init(ModelObject *model);                                           /* 0, or -1: no memory */
void model_locks_free(ModelObject *model);
/* Around every use of a model's handle without the GIL; both with the GIL held. Uses of one thread may nest. */
const edgeai_model *model_use_begin(ModelUse *use, PyObject *model);
void model_use_end(ModelUse *use);
/* Around a change: waits for the uses to end and keeps new ones out. -1 with an exception inside a callback of a call
 * that uses the model. */
int model_change_begin(ModelObject *model);
void model_change_end(ModelObject *model);

/* calibration.c */
typedef struct Feed Feed;                                                           /* gives batches of an iterator to the library */
Feed *feed_begin(const edgeai_model *model, PyObject *iterator);                    /* NULL with an exception */
int32_t feed_next(void *feed, uint64_t index, edgeai_span *inputs, size_t input_count); /* an edgeai_data_fn */
void feed_end(Feed *feed);                                                          /* NULL is nothing */
/* A list of str as C strings that live as long as the list; free with PyMem_Free. NULL with an exception. */
const char **string_array(PyObject *list, size_t *count);

/* session_info.c: what a plan says of a step, as a dict. */
PyObject *step_dict(const edgeai_step_info *info);

/* pruning.c: what calls that make a model of a model share */
typedef struct {  /* what such a call, which runs without the GIL, calls back with it */
  PyObject *progress, *rows;  /* a callable or None; a list, or NULL */
} Callbacks;
/* An edgeai_progress_fn of Callbacks. Non-zero cancels: a signal (Ctrl-C) or an exception of the callable, which stays set. */
int32_t callbacks_progress(void *callbacks, const char *stage, uint64_t done, uint64_t total);
/* Names and numbers of a list of (str, float), which must outlive them; free with PyMem_Free. NULL with an exception. */
edgeai_layer_value *layer_values(PyObject *list, size_t *count);
/* Both taken over, as a tuple; the model was made from `source`. */
PyObject *model_and_report(edgeai_model *model, PyObject *source, edgeai_report *report);

/* errors.c */
PyObject *raise_error(const edgeai_error *error);                                   /* sets the exception; NULL */
PyObject *raise_status(edgeai_status status, const char *tensor, const char *format, ...);
PyObject *set_error_factory(PyObject *module, PyObject *factory);
void clear_error_factory(void);
#define ERROR_INIT(name) edgeai_error name; edgeai_error_init(&name, sizeof name)

/* arrays.c */
int arrays_init(void);                                                              /* imports numpy */
PyObject *shape_tuple(const edgeai_tensor_info *info);
PyObject *array_empty(const edgeai_tensor_info *info, PyObject *shape);             /* a new numpy array; shape: info's, or NULL */
PyObject *array_over(PyObject *owner, const void *data, const edgeai_tensor_info *info, int writable);
PyObject *tensor_dict(const edgeai_tensor_info *info);
/* Borrows the bytes of an array that must be C-contiguous and have exactly this dtype and shape (a symbolic batch
 * takes any size when `any_batch`). 0, or -1 with an exception naming the tensor. Release with PyBuffer_Release. */
int array_borrow(PyObject *object, const edgeai_tensor_info *info, int any_batch, int writable, Py_buffer *view);
/* The same for a numpy array that is exactly so: 1, or 0 without an exception, where array_borrow may still take it. */
int array_borrow_plain(PyObject *object, const edgeai_tensor_info *info, int any_batch, int writable, Py_buffer *view);
int array_is_numpy(PyObject *object);                                               /* and of no class derived from it */
/* A view of the first entries along an axis. */
PyObject *array_first(PyObject *array, int axis, int64_t count);
/* The same values, when floats of any width: 1 if any is NaN or infinite. */
int array_has_nonfinite(const Py_buffer *view, int32_t dtype);

/* Frees an object of a heap type. */
static inline void free_object(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
  release(self);
  Py_DECREF(type);
}
static inline PyObject *allocate_object(PyTypeObject *type) {
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  return allocate(type, 0);
}
/* dict[key] = value; takes the reference to value over. -1 on failure or when value is NULL. */
static inline int dict_take(PyObject *dict, const char *key, PyObject *value) {
  if (!value) return -1;
  int result = PyDict_SetItemString(dict, key, value);
  Py_DECREF(value);
  return result;
}
static inline PyObject *text_or_none(const char *text) {
  if (!text) Py_RETURN_NONE;
  return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}
#endif
