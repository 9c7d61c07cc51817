/* Who uses a model without holding the GIL. Such calls only read it and may overlap; set_metadata changes it and must
 * have it alone. Everything here runs with the GIL held, which guards the list and the counts; a call that has to wait
 * gives the GIL up meanwhile.
 *
 * A call that may run a Python callback can be entered again by its own thread. A thread that is inside such a call
 * never waits here: it could be waiting for itself, or for a thread that waits for it. */
#include "core.h"

static ModelUse *uses;

static int thread_uses_models(void) {
  unsigned long self = PyThread_get_thread_ident();
  for (const ModelUse *use = uses; use; use = use->next)
    if (use->thread == self) return 1;
  return 0;
}

void lock_without_gil(PyThread_type_lock lock) {
  if (PyThread_acquire_lock(lock, NOWAIT_LOCK) == PY_LOCK_ACQUIRED) return;
  Py_BEGIN_ALLOW_THREADS
  PyThread_acquire_lock(lock, WAIT_LOCK);
  Py_END_ALLOW_THREADS
}

int model_locks_init(ModelObject *model) {
  model->turn = PyThread_allocate_lock();
  model->busy = PyThread_allocate_lock();
  return model->turn && model->busy ? 0 : -1;
}

void model_locks_free(ModelObject *model) {
  if (model->turn) PyThread_free_lock(model->turn);
  if (model->busy) PyThread_free_lock(model->busy);
}

const edgeai_model *model_use_begin(ModelUse *use, PyObject *object) {
  ModelObject *model = (ModelObject *)object;
  int nested = thread_uses_models();
  if (!nested) lock_without_gil(model->turn);
  use->model = model;
  use->thread = PyThread_get_thread_ident();
  use->next = uses;
  uses = use;
  /* At most for a moment: a writer that looked whether the model is free holds it, and needs no GIL to let go. */
  if (model->users++ == 0) PyThread_acquire_lock(model->busy, WAIT_LOCK);
  if (!nested) PyThread_release_lock(model->turn);
  return model->handle;
}

void model_use_end(ModelUse *use) {
  ModelUse **link = &uses;
  while (*link != use) link = &(*link)->next;
  *link = use->next;
  if (--use->model->users == 0) PyThread_release_lock(use->model->busy);
}

int model_change_begin(ModelObject *model) {
  if (thread_uses_models()) {
    if (model->users == 0 && PyThread_acquire_lock(model->turn, NOWAIT_LOCK) == PY_LOCK_ACQUIRED) return 0;
    raise_status(EDGEAI_ERROR_INVALID_ARGUMENT, NULL, "a callback cannot change a model that is in use");
    return -1;
  }
  lock_without_gil(model->turn);
  while (model->users > 0) {
    lock_without_gil(model->busy);
    PyThread_release_lock(model->busy);
  }
  return 0;
}

void model_change_end(ModelObject *model) { PyThread_release_lock(model->turn); }
