/* Runs of edgeai._core.Session, on arrays that are used in place. */
#include "session.h"

/* Arrays of one run, borrowed. */
typedef struct {
  size_t input_count, output_count;
  Py_buffer inputs[MAX_TENSORS], outputs[MAX_TENSORS];
} Borrowed;

static void give_back(Borrowed *borrowed) {
  for (size_t i = 0; i < borrowed->input_count; i++) PyBuffer_Release(&borrowed->inputs[i]);
  for (size_t i = 0; i < borrowed->output_count; i++) PyBuffer_Release(&borrowed->outputs[i]);
}

static int bind_inputs(SessionObject *session, const Borrowed *borrowed, edgeai_error *error) {
  for (size_t i = 0; i < borrowed->input_count; i++) {
    const Py_buffer *view = &borrowed->inputs[i];
    const edgeai_tensor_info *info = &session->inputs[i];
    if (session->check_finite && array_has_nonfinite(view, info->dtype)) {
      raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, info->name,
                   "the array for tensor '%s' holds NaN or infinity; check_finite=False lets it through", info->name);
      return -1;
    }
    if (edgeai_session_bind_input(session->handle, i, view->buf, (size_t)view->len, error) != EDGEAI_OK) {
      raise_error(error);
      return -1;
    }
  }
  return 0;
}

static int overlap(const Py_buffer *a, const Py_buffer *b) {
  uintptr_t x = (uintptr_t)a->buf, y = (uintptr_t)b->buf;
  return a->len > 0 && b->len > 0 && x < y + (uintptr_t)b->len && y < x + (uintptr_t)a->len;
}

/* An output must not lie over an input, nor over another output. */
static int bind_outputs(SessionObject *session, const Borrowed *borrowed, edgeai_error *error) {
  for (size_t i = 0; i < borrowed->output_count; i++) {
    const Py_buffer *view = &borrowed->outputs[i];
    for (size_t j = 0; j < borrowed->input_count + i; j++) {
      size_t output = j - borrowed->input_count;
      int is_input = j < borrowed->input_count;
      if (!overlap(view, is_input ? &borrowed->inputs[j] : &borrowed->outputs[output])) continue;
      raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, session->outputs[i].name, "the array for tensor '%s' overlaps the one for '%s'",
                   session->outputs[i].name, is_input ? session->inputs[j].name : session->outputs[output].name);
      return -1;
    }
    if (edgeai_session_bind_output(session->handle, i, view->buf, (size_t)view->len, error) != EDGEAI_OK) {
      raise_error(error);
      return -1;
    }
  }
  return 0;
}

static PyObject *fresh_outputs(SessionObject *session) {
  PyObject *arrays = PyTuple_New((Py_ssize_t)session->output_count);
  for (size_t i = 0; arrays && i < session->output_count; i++) {
    PyObject *array = array_empty(&session->outputs[i], session->output_shapes[i]);
    if (!array || PyTuple_SetItem(arrays, (Py_ssize_t)i, array)) Py_CLEAR(arrays);
  }
  return arrays;
}

/* The arrays, or views of the entries that the run found. */
static PyObject *found_outputs(SessionObject *session, PyObject *arrays) {
  if (!session->has_bounded_output) return Py_NewRef(arrays);
  PyObject *found = PyTuple_New((Py_ssize_t)session->output_count);
  for (size_t i = 0; found && i < session->output_count; i++) {
    int axis = session->outputs[i].bounded_axis;
    int64_t dims[EDGEAI_MAX_RANK] = {0};
    PyObject *array = PyTuple_GetItem(arrays, (Py_ssize_t)i);
    if (axis >= 0) edgeai_session_output_shape(session->handle, i, dims, NULL, NULL);
    array = !array ? NULL : axis < 0 ? Py_NewRef(array) : array_first(array, axis, dims[axis]);
    if (!array || PyTuple_SetItem(found, (Py_ssize_t)i, array)) Py_CLEAR(found);
  }
  return found;
}

/* Gives the borrowed arrays back. */
static PyObject *run_borrowed(SessionObject *session, Borrowed *borrowed, PyObject *outputs) {
  PyObject *found = NULL;
  session_lock(session);
  if (session_open(session)) {
    ERROR_INIT(error);
    session->bound = 1;
    if (bind_inputs(session, borrowed, &error) == 0 && bind_outputs(session, borrowed, &error) == 0) {
      edgeai_session *handle = session->handle;
      edgeai_status status;
      Py_BEGIN_ALLOW_THREADS
      status = edgeai_session_run(handle, &error);
      Py_END_ALLOW_THREADS
      if (status == EDGEAI_OK) found = found_outputs(session, outputs);
      else raise_error(&error);
    }
    /* The number of entries of a bounded output may stand in an output, and is asked for when the arrays are gone. */
    if (session->has_bounded_output) session_unbind(session);
  }
  session_unlock(session);
  give_back(borrowed);
  return found;
}

/* run(inputs: tuple, outputs: tuple | None) -> tuple. Arrays are used in place, without a copy. */
PyObject *session_run(PyObject *self, PyObject *arguments) {
  SessionObject *session = (SessionObject *)self;
  PyObject *inputs, *outputs = Py_None;
  if (!PyArg_ParseTuple(arguments, "O!|O", &PyTuple_Type, &inputs, &outputs)) return NULL;
  size_t count = (size_t)PyTuple_Size(inputs);
  if (count != session->input_count)
    return raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, NULL, "the model has %d inputs; %d arrays were given",
                        (int)session->input_count, (int)count);
  if (outputs != Py_None && (!PyTuple_Check(outputs) || (size_t)PyTuple_Size(outputs) != session->output_count))
    return raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, NULL, "the model has %d outputs; give a tuple of as many arrays",
                        (int)session->output_count);
  if (!session_open(session)) return NULL;
  PyObject *arrays = outputs == Py_None ? fresh_outputs(session) : Py_NewRef(outputs);
  if (!arrays) return NULL;
  Borrowed borrowed;
  size_t *in = &borrowed.input_count, *out = &borrowed.output_count;
  *in = *out = 0;
  while (*in < count &&
         array_borrow(PyTuple_GetItem(inputs, (Py_ssize_t)*in), &session->inputs[*in], 0, 0, &borrowed.inputs[*in]) == 0)
    ++*in;
  while (*in == count && *out < session->output_count &&
         array_borrow(PyTuple_GetItem(arrays, (Py_ssize_t)*out), &session->outputs[*out], 0, 1, &borrowed.outputs[*out]) == 0)
    ++*out;
  PyObject *result = NULL;
  if (*in == count && *out == session->output_count) result = run_borrowed(session, &borrowed, arrays);
  else give_back(&borrowed);
  Py_DECREF(arrays);
  return result;
}

/* A list or tuple as a tuple, which others cannot change meanwhile; NULL, without an exception, for anything else. */
static PyObject *as_tuple(PyObject *x) {
  PyObject *tuple = PyTuple_CheckExact(x) ? Py_NewRef(x) : PyList_CheckExact(x) ? PyList_AsTuple(x) : NULL;
  if (!tuple) PyErr_Clear();
  return tuple;
}

/* What run() of the package takes, in the order of the inputs. */
static PyObject *in_order(SessionObject *session, PyObject *x) {
  if (!PyDict_CheckExact(x)) return array_is_numpy(x) ? PyTuple_Pack(1, x) : as_tuple(x);
  if ((size_t)PyDict_Size(x) != session->input_count) return NULL;
  PyObject *tuple = PyTuple_New((Py_ssize_t)session->input_count);
  for (size_t i = 0; tuple && i < session->input_count; i++) {
    PyObject *array = PyDict_GetItemWithError(x, session->input_names[i]);
    if (!array || PyTuple_SetItem(tuple, (Py_ssize_t)i, Py_NewRef(array))) Py_CLEAR(tuple);
  }
  return tuple;
}

/* 1 when all arrays are as the model has them; `borrowed` counts those that must be given back in any case. */
static int borrow_plain(PyObject *arrays, const edgeai_tensor_info *infos, size_t count, int writable, Py_buffer *views, size_t *borrowed) {
  if ((size_t)PyTuple_Size(arrays) != count) return 0;
  for (size_t i = 0; i < count; i++, ++*borrowed)
    if (!array_borrow_plain(PyTuple_GetItem(arrays, (Py_ssize_t)i), &infos[i], 0, writable, &views[i])) return 0;
  return 1;
}

/* run_alike(x, outputs) -> tuple | None. A run of arrays that need no more than a look; None, and nothing has happened, where x is
 * not the array, or a list, tuple or dict of arrays, of exactly the types and shapes of this session. */
PyObject *session_run_alike(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
  SessionObject *session = (SessionObject *)self;
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "run_alike takes two arguments");
    return NULL;
  }
  if (session->has_bfloat16 || !session->handle || session->closed) Py_RETURN_NONE;
  PyObject *inputs = in_order(session, arguments[0]), *outputs = NULL, *result = NULL;
  Borrowed borrowed;
  borrowed.input_count = borrowed.output_count = 0;
  if (inputs && borrow_plain(inputs, session->inputs, session->input_count, 0, borrowed.inputs, &borrowed.input_count))
    outputs = arguments[1] == Py_None ? fresh_outputs(session) : as_tuple(arguments[1]);
  int alike = outputs && borrow_plain(outputs, session->outputs, session->output_count, 1, borrowed.outputs, &borrowed.output_count);
  if (alike) result = run_borrowed(session, &borrowed, outputs);
  else give_back(&borrowed);
  Py_XDECREF(inputs);
  Py_XDECREF(outputs);
  if (alike) return result;
  PyErr_Clear();
  Py_RETURN_NONE;
}

/* run_bound(): reads and writes the arrays of input_array and output_array. */
PyObject *session_run_bound(PyObject *self, PyObject *unused) {
  (void)unused;
  SessionObject *session = (SessionObject *)self;
  session_lock(session);
  edgeai_status status = EDGEAI_OK;
  ERROR_INIT(error);
  int open = session_open(session);
  if (open) {
    session_unbind(session);
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_session_run(session->handle, &error);
    Py_END_ALLOW_THREADS
  }
  session_unlock(session);
  if (!open) return NULL;
  if (status != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}
