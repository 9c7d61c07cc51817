/* edgeai._core.Trainer: a model that learns. One call at a time; a second thread's waits. */
#include "core.h"
#include <stddef.h>

enum { MAX_INPUTS = 64 };

typedef struct {
  PyObject_HEAD
  edgeai_trainer *handle;
  PyObject *model, *teacher;  /* keep the memory alive that they were opened from; teacher may be NULL */
  PyThread_type_lock lock;
  size_t input_count;
  edgeai_tensor_info inputs[MAX_INPUTS];
  edgeai_tensor_info targets, labels;
} TrainerObject;

static PyTypeObject *trainer_type;

static void trainer_dealloc(PyObject *self) {
  TrainerObject *trainer = (TrainerObject *)self;
  edgeai_trainer_destroy(trainer->handle);
  Py_XDECREF(trainer->model);
  Py_XDECREF(trainer->teacher);
  if (trainer->lock) PyThread_free_lock(trainer->lock);
  free_object(self);
}

/* ---- Options: dictionaries whose keys are the names of fields ------------------------------------------- */

typedef struct {
  const char *name;
  char type;  /* i int32_t, l int64_t, f float, d double */
  size_t offset;
} Field;

#define FIELD(structure, name, type) {#name, type, offsetof(structure, name)}
#define OPTION(name, type) FIELD(edgeai_trainer_options, name, type)
#define NUMBER(name, type) FIELD(edgeai_training_method, name, type)

static const Field option_fields[] = {
  OPTION(batch, 'i'), OPTION(threads, 'i'), OPTION(loss, 'i'), OPTION(optimizer, 'i'), OPTION(schedule, 'i'),
  OPTION(learning_rate, 'f'), OPTION(momentum, 'f'), OPTION(second_decay, 'f'), OPTION(epsilon, 'f'), OPTION(weight_decay, 'f'),
  OPTION(clip_norm, 'f'), OPTION(label_smoothing, 'f'), OPTION(dropout, 'f'), OPTION(normalization_momentum, 'f'),
  OPTION(period_decay, 'f'), OPTION(recompute, 'i'), OPTION(total_steps, 'l'), OPTION(warm_up_steps, 'l'), OPTION(period, 'l'),
  OPTION(seed, 'l'), OPTION(teacher_share, 'f'), OPTION(temperature, 'f'), {NULL, 0, 0}};

static const Field method_fields[] = {
  NUMBER(sparsity, 'd'), NUMBER(kept, 'd'), NUMBER(kept_biases, 'd'), NUMBER(c, 'd'), NUMBER(gamma, 'd'), NUMBER(margin, 'd'),
  NUMBER(penalty, 'd'), NUMBER(width, 'd'), NUMBER(bits, 'd'), NUMBER(momentum, 'd'), NUMBER(first, 'l'), NUMBER(last, 'l'),
  NUMBER(every, 'l'), NUMBER(delay, 'l'), NUMBER(freeze, 'l'), NUMBER(across_layers, 'i'), NUMBER(power, 'i'), NUMBER(biases, 'i'),
  NUMBER(most, 'i'), NUMBER(activation_bits, 'i'), NUMBER(learn_step, 'i'), NUMBER(fold_normalization, 'i'), NUMBER(values, 'i'),
  NUMBER(include_first, 'i'), NUMBER(include_last, 'i'), NUMBER(range_normalization, 'i'), {NULL, 0, 0}};

/* Writes the dictionary's numbers into a structure. 0, or -1 with an exception, also for a key that is no field. */
static int fields_read(PyObject *dict, const Field *fields, void *structure) {
  PyObject *key, *value;
  Py_ssize_t position = 0;
  while (PyDict_Next(dict, &position, &key, &value)) {
    const char *name = PyUnicode_AsUTF8AndSize(key, NULL);
    const Field *field = fields;
    if (!name) return -1;
    while (field->name && strcmp(field->name, name)) field++;
    char *at = (char *)structure + field->offset;
    if (!field->name) {
      PyErr_Format(PyExc_KeyError, "there is no option '%s'", name);
    } else if (field->type == 'f' || field->type == 'd') {
      double number = PyFloat_AsDouble(value);
      float narrow = (float)number;
      memcpy(at, field->type == 'd' ? (void *)&number : (void *)&narrow, field->type == 'd' ? sizeof number : sizeof narrow);
    } else {
      long long number = PyLong_AsLongLong(value);
      int32_t narrow = (int32_t)number;
      if (field->type == 'i' && number != narrow && !PyErr_Occurred()) PyErr_Format(PyExc_OverflowError, "%s is out of range", name);
      memcpy(at, field->type == 'l' ? (void *)&number : (void *)&narrow, field->type == 'l' ? sizeof(int64_t) : sizeof narrow);
    }
    if (PyErr_Occurred()) return -1;
  }
  return 0;
}

/* Lists of numbers of layers that a method can have. */
#define LISTS 3

/* Methods, with the lists they point to. */
typedef struct {
  edgeai_training_method *items;
  edgeai_layer_value **lists;  /* LISTS for each */
  size_t count;
} Methods;

static void methods_free(Methods *methods) {
  for (size_t i = 0; methods->lists && i < LISTS * methods->count; i++) PyMem_Free(methods->lists[i]);
  PyMem_Free(methods->items);
  PyMem_Free(methods->lists);
}

/* A list of tuples (kind, numbers, layers, c_layers, bias_layers), which must outlive the result. */
static int methods_read(PyObject *list, Methods *methods) {
  Py_ssize_t count = PyList_Size(list);
  if (count < 0) return -1;
  methods->items = PyMem_Calloc((size_t)count + 1, sizeof *methods->items);
  methods->lists = PyMem_Calloc(LISTS * (size_t)count + 1, sizeof *methods->lists);
  if (!methods->items || !methods->lists) {
    PyErr_NoMemory();
    return -1;
  }
  methods->count = (size_t)count;
  for (size_t i = 0; i < methods->count; i++) {
    edgeai_training_method *method = &methods->items[i];
    PyObject *numbers, *lists[LISTS];
    size_t *counts[LISTS] = {&method->layer_count, &method->c_layer_count, &method->bias_layer_count};
    int kind;
    if (!PyArg_ParseTuple(PyList_GetItem(list, (Py_ssize_t)i), "iO!O!O!O!", &kind, &PyDict_Type, &numbers, &PyList_Type, &lists[0],
                          &PyList_Type, &lists[1], &PyList_Type, &lists[2]))
      return -1;
    edgeai_training_method_init(method, kind, sizeof *method);
    if (fields_read(numbers, method_fields, method)) return -1;
    for (size_t k = 0; k < LISTS; k++) {
      if (!(methods->lists[LISTS * i + k] = layer_values(lists[k], counts[k]))) return -1;
    }
    method->layers = methods->lists[LISTS * i];
    method->c_layers = methods->lists[LISTS * i + 1];
    method->bias_layers = methods->lists[LISTS * i + 2];
  }
  return 0;
}

/* ---- Creation ------------------------------------------------------------------------------------------- */

/* What arrays must look like. -1 with an exception. */
static int trainer_describe(TrainerObject *trainer) {
  const edgeai_model *model = ((ModelObject *)trainer->model)->handle;
  ERROR_INIT(error);
  edgeai_status status = EDGEAI_OK;
  trainer->input_count = edgeai_model_input_count(model);
  if (trainer->input_count > MAX_INPUTS) {
    raise_status(EDGEAI_ERROR_LIMIT_EXCEEDED, NULL, "the model has %d inputs; Python feeds at most %d", (int)trainer->input_count,
                 MAX_INPUTS);
    return -1;
  }
  for (size_t i = 0; i < trainer->input_count && status == EDGEAI_OK; i++) {
    trainer->inputs[i].struct_size = sizeof trainer->inputs[i];
    status = edgeai_model_input_info(model, i, &trainer->inputs[i], &error);
  }
  trainer->targets.struct_size = sizeof trainer->targets;
  if (status == EDGEAI_OK) status = edgeai_model_output_info(model, 0, &trainer->targets, &error);
  if (status != EDGEAI_OK) {
    raise_error(&error);
    return -1;
  }
  trainer->labels = trainer->targets;
  trainer->targets.name = "targets";
  trainer->labels.name = "labels";
  trainer->labels.dtype = EDGEAI_DTYPE_INT32;
  if (trainer->labels.rank > 0) trainer->labels.rank--;
  return 0;
}

/* open_trainer(model, options, isa, frozen, teacher, methods) */
static PyObject *open_trainer(PyObject *module, PyObject *arguments) {
  (void)module;
  PyObject *model, *dict, *frozen, *teacher, *list;
  edgeai_trainer_options options;
  edgeai_trainer_options_init(&options, sizeof options);
  if (!PyArg_ParseTuple(arguments, "O!O!zO!OO!", model_type, &model, &PyDict_Type, &dict, &options.isa, &PyList_Type, &frozen, &teacher,
                        &PyList_Type, &list))
    return NULL;
  if (teacher != Py_None && !PyObject_TypeCheck(teacher, model_type)) {
    PyErr_SetString(PyExc_TypeError, "the teacher is no model");
    return NULL;
  }
  TrainerObject *trainer = (TrainerObject *)allocate_object(trainer_type);
  if (!trainer) return NULL;
  trainer->model = Py_NewRef(model);
  trainer->teacher = teacher == Py_None ? NULL : Py_NewRef(teacher);
  trainer->lock = PyThread_allocate_lock();
  if (!trainer->lock) PyErr_NoMemory();
  Methods methods = {NULL, NULL, 0};
  const char **names = string_array(frozen, &options.frozen_count);
  int failed = !trainer->lock || !names || fields_read(dict, option_fields, &options) || methods_read(list, &methods);
  if (!failed) {
    options.frozen = names;
    options.methods = methods.items;
    options.method_count = methods.count;
    ERROR_INIT(error);
    edgeai_status status;
    ModelUse use, teacher_use;
    const edgeai_model *handle = model_use_begin(&use, model);
    if (trainer->teacher) options.teacher = model_use_begin(&teacher_use, trainer->teacher);
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_trainer_create(handle, &options, &trainer->handle, &error);
    Py_END_ALLOW_THREADS
    if (trainer->teacher) model_use_end(&teacher_use);
    model_use_end(&use);
    if (status != EDGEAI_OK) raise_error(&error);
    failed = status != EDGEAI_OK || trainer_describe(trainer);
  }
  methods_free(&methods);
  PyMem_Free((void *)names);
  if (failed) Py_CLEAR(trainer);
  return (PyObject *)trainer;
}

/* ---- Steps and evaluation ------------------------------------------------------------------------------- */

typedef edgeai_status (*with_targets)(edgeai_trainer *, const edgeai_span *, size_t, const edgeai_span *, edgeai_training_metrics *,
                                      edgeai_error *);
typedef edgeai_status (*with_labels)(edgeai_trainer *, const edgeai_span *, size_t, const int32_t *, size_t, edgeai_training_metrics *,
                                     edgeai_error *);

/* (inputs: tuple, targets: array, are_labels) -> (loss, accuracy, samples) */
static PyObject *measure(PyObject *self, PyObject *arguments, with_targets targets_call, with_labels labels_call) {
  TrainerObject *trainer = (TrainerObject *)self;
  PyObject *inputs, *targets;
  int are_labels;
  if (!PyArg_ParseTuple(arguments, "O!Op", &PyTuple_Type, &inputs, &targets, &are_labels)) return NULL;
  if ((size_t)PyTuple_Size(inputs) != trainer->input_count)
    return raise_status(EDGEAI_ERROR_SHAPE_MISMATCH, NULL, "the model has %d inputs; %d arrays were given", (int)trainer->input_count,
                        (int)PyTuple_Size(inputs));
  Py_buffer views[MAX_INPUTS + 1];
  edgeai_span spans[MAX_INPUTS];
  size_t borrowed = 0;
  PyObject *result = NULL;
  while (borrowed < trainer->input_count &&
         array_borrow(PyTuple_GetItem(inputs, (Py_ssize_t)borrowed), &trainer->inputs[borrowed], 1, 0, &views[borrowed]) == 0) {
    spans[borrowed].data = views[borrowed].buf;
    spans[borrowed].bytes = (size_t)views[borrowed].len;
    borrowed++;
  }
  const edgeai_tensor_info *wanted = are_labels ? &trainer->labels : &trainer->targets;
  if (borrowed == trainer->input_count && array_borrow(targets, wanted, 1, 0, &views[borrowed]) == 0) {
    const Py_buffer *view = &views[borrowed++];
    edgeai_span span = {view->buf, (size_t)view->len};
    edgeai_training_metrics metrics = {.struct_size = sizeof metrics};
    ERROR_INIT(error);
    edgeai_status status;
    lock_without_gil(trainer->lock);
    Py_BEGIN_ALLOW_THREADS
    if (are_labels) status = labels_call(trainer->handle, spans, trainer->input_count, view->buf, span.bytes / 4, &metrics, &error);
    else status = targets_call(trainer->handle, spans, trainer->input_count, &span, &metrics, &error);
    Py_END_ALLOW_THREADS
    PyThread_release_lock(trainer->lock);
    result = status == EDGEAI_OK
                 ? Py_BuildValue("ddK", metrics.loss, metrics.accuracy, (unsigned long long)metrics.samples)
                 : raise_error(&error);
  }
  while (borrowed > 0) PyBuffer_Release(&views[--borrowed]);
  return result;
}

static PyObject *trainer_step(PyObject *self, PyObject *arguments) {
  return measure(self, arguments, edgeai_trainer_step, edgeai_trainer_step_labels);
}
static PyObject *trainer_evaluate(PyObject *self, PyObject *arguments) {
  return measure(self, arguments, edgeai_trainer_evaluate, edgeai_trainer_evaluate_labels);
}

static PyObject *trainer_cancel(PyObject *self, PyObject *unused) {
  (void)unused;
  edgeai_trainer_cancel(((TrainerObject *)self)->handle);
  Py_RETURN_NONE;
}

/* ---- Results -------------------------------------------------------------------------------------------- */

/* export(form) -> Model */
static PyObject *trainer_export(PyObject *self, PyObject *argument) {
  TrainerObject *trainer = (TrainerObject *)self;
  long form = PyLong_AsLong(argument);
  if (form == -1 && PyErr_Occurred()) return NULL;
  edgeai_model *handle = NULL;
  ERROR_INIT(error);
  edgeai_status status;
  lock_without_gil(trainer->lock);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_trainer_export(trainer->handle, (int32_t)form, &handle, &error);
  Py_END_ALLOW_THREADS
  PyThread_release_lock(trainer->lock);
  return status == EDGEAI_OK ? model_wrap_made(handle, trainer->model) : raise_error(&error);
}

static PyObject *trainer_to_bytes(PyObject *self, PyObject *unused) {
  (void)unused;
  TrainerObject *trainer = (TrainerObject *)self;
  size_t size = 0;
  ERROR_INIT(error);
  edgeai_status status;
  lock_without_gil(trainer->lock);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_trainer_save_memory_required(trainer->handle, &size, &error);
  Py_END_ALLOW_THREADS
  PyObject *bytes = status == EDGEAI_OK ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size) : NULL;
  if (bytes) {
    char *to = PyBytes_AsString(bytes);
    Py_BEGIN_ALLOW_THREADS
    status = edgeai_trainer_save_memory(trainer->handle, to, size, NULL, &error);
    Py_END_ALLOW_THREADS
  }
  PyThread_release_lock(trainer->lock);
  if (status == EDGEAI_OK) return bytes;
  Py_XDECREF(bytes);
  return raise_error(&error);
}

/* save(path) and load(path): bytes, as os.fsencode gives them */
static PyObject *with_file(PyObject *self, PyObject *path, edgeai_status (*call)(edgeai_trainer *, const char *, edgeai_error *)) {
  TrainerObject *trainer = (TrainerObject *)self;
  char *text = PyBytes_AsString(path);
  if (!text) return NULL;
  ERROR_INIT(error);
  edgeai_status status;
  lock_without_gil(trainer->lock);
  Py_BEGIN_ALLOW_THREADS
  status = call(trainer->handle, text, &error);
  Py_END_ALLOW_THREADS
  PyThread_release_lock(trainer->lock);
  if (status != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

static edgeai_status save_file(edgeai_trainer *trainer, const char *path, edgeai_error *error) {
  return edgeai_trainer_save_file(trainer, path, error);
}

static PyObject *trainer_save(PyObject *self, PyObject *path) { return with_file(self, path, save_file); }
static PyObject *trainer_load(PyObject *self, PyObject *path) { return with_file(self, path, edgeai_trainer_load_file); }

static PyObject *trainer_load_bytes(PyObject *self, PyObject *source) {
  TrainerObject *trainer = (TrainerObject *)self;
  Py_buffer bytes;
  if (PyObject_GetBuffer(source, &bytes, PyBUF_SIMPLE)) return NULL;
  ERROR_INIT(error);
  edgeai_status status;
  lock_without_gil(trainer->lock);
  Py_BEGIN_ALLOW_THREADS
  status = edgeai_trainer_load_memory(trainer->handle, bytes.buf, (size_t)bytes.len, &error);
  Py_END_ALLOW_THREADS
  PyThread_release_lock(trainer->lock);
  PyBuffer_Release(&bytes);
  if (status != EDGEAI_OK) return raise_error(&error);
  Py_RETURN_NONE;
}

/* ranges() -> [(tensor, min, max)] */
static PyObject *trainer_ranges(PyObject *self, PyObject *unused) {
  (void)unused;
  TrainerObject *trainer = (TrainerObject *)self;
  PyObject *list = PyList_New(0);
  lock_without_gil(trainer->lock);
  for (size_t i = 0, n = edgeai_trainer_range_count(trainer->handle); list && i < n; i++) {
    edgeai_tensor_range range;
    ERROR_INIT(error);
    PyObject *row = edgeai_trainer_range(trainer->handle, i, &range, &error) == EDGEAI_OK
                        ? Py_BuildValue("sdd", range.tensor, (double)range.min, (double)range.max)
                        : raise_error(&error);
    if (!row || PyList_Append(list, row)) Py_CLEAR(list);
    Py_XDECREF(row);
  }
  PyThread_release_lock(trainer->lock);
  return list;
}

/* ---- Facts ---------------------------------------------------------------------------------------------- */

static PyObject *trainer_steps(PyObject *self, PyObject *unused) {
  (void)unused;
  TrainerObject *trainer = (TrainerObject *)self;
  lock_without_gil(trainer->lock);
  uint64_t count = edgeai_trainer_step_count(trainer->handle);
  PyThread_release_lock(trainer->lock);
  return PyLong_FromUnsignedLongLong(count);
}

static PyObject *trainer_learning_rate(PyObject *self, PyObject *unused) {
  (void)unused;
  TrainerObject *trainer = (TrainerObject *)self;
  lock_without_gil(trainer->lock);
  double rate = edgeai_trainer_learning_rate(trainer->handle);
  PyThread_release_lock(trainer->lock);
  return PyFloat_FromDouble(rate);
}

static PyObject *trainer_memory(PyObject *self, PyObject *unused) {
  (void)unused;
  return PyLong_FromSize_t(edgeai_trainer_memory(((TrainerObject *)self)->handle));
}

/* What no step changes needs no lock. */
static PyObject *trainer_plan(PyObject *self, PyObject *unused) {
  (void)unused;
  const edgeai_trainer *handle = ((TrainerObject *)self)->handle;
  PyObject *list = PyList_New(0);
  for (size_t i = 0, n = edgeai_trainer_plan_count(handle); list && i < n; i++) {
    edgeai_step_info info = {.struct_size = sizeof info};
    ERROR_INIT(error);
    PyObject *dict = edgeai_trainer_plan_info(handle, i, &info, &error) == EDGEAI_OK ? step_dict(&info) : raise_error(&error);
    if (!dict || PyList_Append(list, dict)) Py_CLEAR(list);
    Py_XDECREF(dict);
  }
  return list;
}

static PyMethodDef methods[] = {
  {"step", trainer_step, METH_VARARGS, NULL},      {"evaluate", trainer_evaluate, METH_VARARGS, NULL},
  {"cancel", trainer_cancel, METH_NOARGS, NULL},   {"export", trainer_export, METH_O, NULL},
  {"to_bytes", trainer_to_bytes, METH_NOARGS, NULL}, {"load_bytes", trainer_load_bytes, METH_O, NULL},
  {"save", trainer_save, METH_O, NULL},            {"load", trainer_load, METH_O, NULL},
  {"ranges", trainer_ranges, METH_NOARGS, NULL},
  {"steps", trainer_steps, METH_NOARGS, NULL},     {"learning_rate", trainer_learning_rate, METH_NOARGS, NULL},
  {"memory", trainer_memory, METH_NOARGS, NULL},   {"plan", trainer_plan, METH_NOARGS, NULL},
  {NULL, NULL, 0, NULL}};
static PyType_Slot slots[] = {{Py_tp_dealloc, trainer_dealloc}, {Py_tp_methods, methods}, {0, NULL}};
static PyType_Spec spec = {"edgeai._core.Trainer", sizeof(TrainerObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           slots};
static PyMethodDef functions[] = {{"open_trainer", open_trainer, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

int add_trainer_type(PyObject *module) {
  trainer_type = (PyTypeObject *)PyType_FromSpec(&spec);
  return !trainer_type || PyModule_AddObjectRef(module, "Trainer", (PyObject *)trainer_type) ? -1
                                                                                            : PyModule_AddFunctions(module, functions);
}
