/* The names a weight file may use, and what comes out when a pickle "calls" one of them: a plain value, made
 * here. A name that is not in the table may stand as the class of a module's object and is searched for
 * tensors there; a call of it is never made and leaves its name and its arguments (torch_skipped.c decides
 * whether the file can do without). Nothing is ever imported. */
#include "runtime/weights/pickle.h"

/* Columns: module, name, action, dtype. Both halves of what Python 2 and 3 call differently are given. */
static const PickleGlobal table[] = {
    {"collections", "OrderedDict", GLOBAL_DICT, -1},
    {"collections", "Counter", GLOBAL_DICT, -1},
    {"collections", "defaultdict", GLOBAL_DEFAULTDICT, -1},
    {"builtins", "dict", GLOBAL_DICT, -1},
    {"__builtin__", "dict", GLOBAL_DICT, -1},
    {"builtins", "list", GLOBAL_LIST, -1},
    {"__builtin__", "list", GLOBAL_LIST, -1},
    {"builtins", "tuple", GLOBAL_TUPLE, -1},
    {"__builtin__", "tuple", GLOBAL_TUPLE, -1},
    {"builtins", "set", GLOBAL_SET, -1},
    {"__builtin__", "set", GLOBAL_SET, -1},
    {"builtins", "frozenset", GLOBAL_SET, -1},
    {"__builtin__", "frozenset", GLOBAL_SET, -1},
    {"torch", "Size", GLOBAL_TUPLE, -1},
    /* Plain data around the tensors of real checkpoints; the readers never look inside. */
    {"builtins", "complex", GLOBAL_OPAQUE, -1},
    {"__builtin__", "complex", GLOBAL_OPAQUE, -1},
    {"builtins", "bytearray", GLOBAL_OPAQUE, -1},
    {"__builtin__", "bytearray", GLOBAL_OPAQUE, -1},
    {"builtins", "slice", GLOBAL_OPAQUE, -1},
    {"__builtin__", "slice", GLOBAL_OPAQUE, -1},
    {"_codecs", "encode", GLOBAL_OPAQUE, -1},
    {"pathlib", "PosixPath", GLOBAL_OPAQUE, -1},
    {"pathlib", "WindowsPath", GLOBAL_OPAQUE, -1},
    {"numpy", "dtype", GLOBAL_OPAQUE, -1},
    {"numpy.core.multiarray", "scalar", GLOBAL_OPAQUE, -1},
    {"numpy._core.multiarray", "scalar", GLOBAL_OPAQUE, -1},
    {"torch", "device", GLOBAL_OPAQUE, -1},
    {"torch.nn.backends.thnn", "_get_thnn_function_backend", GLOBAL_OPAQUE, -1},
    {"torch.utils.hooks", "BackwardHook", GLOBAL_CONSTANT, -1},
    {"torch.serialization", "_get_layout", GLOBAL_OPAQUE, -1},
    /* Tensors. */
    {"torch._utils", "_rebuild_tensor", GLOBAL_REBUILD, -1},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD, -1},
    {"torch._utils", "_rebuild_tensor_v3", GLOBAL_REBUILD_V3, -1},
    {"torch._utils", "_rebuild_qtensor", GLOBAL_REBUILD_Q, -1},
    {"torch._utils", "_rebuild_parameter", GLOBAL_PARAMETER, -1},
    {"torch._utils", "_rebuild_parameter_with_state", GLOBAL_PARAMETER, -1},
    {"torch.nn.parameter", "Parameter", GLOBAL_PARAMETER, -1},
    {"torch.nn.parameter", "Buffer", GLOBAL_PARAMETER, -1},
    {"torch._tensor", "_rebuild_from_type_v2", GLOBAL_FROM_TYPE, -1},
    {"torch", "Tensor", GLOBAL_CONSTANT, -1},
    {"torch._tensor", "Tensor", GLOBAL_CONSTANT, -1},
    {"torch", "QInt8Storage", GLOBAL_STORAGE, SURGERY_I8},
    {"torch", "QUInt8Storage", GLOBAL_STORAGE, SURGERY_U8},
    {"torch", "QInt32Storage", GLOBAL_STORAGE, SURGERY_I32},
    {"torch", "qint8", GLOBAL_CONSTANT, -1},
    {"torch", "quint8", GLOBAL_CONSTANT, -1},
    {"torch", "qint32", GLOBAL_CONSTANT, -1},
    {"torch", "UntypedStorage", GLOBAL_STORAGE, -1},
    {"torch", "_UntypedStorage", GLOBAL_STORAGE, -1},
    {"torch.storage", "UntypedStorage", GLOBAL_STORAGE, -1},
    {"torch.storage", "_UntypedStorage", GLOBAL_STORAGE, -1},
    {"torch.storage", "TypedStorage", GLOBAL_STORAGE, -1},
    {"torch.storage", "_TypedStorage", GLOBAL_STORAGE, -1},
    {"torch", "float32", GLOBAL_DTYPE, SURGERY_F32},
    {"torch", "float64", GLOBAL_DTYPE, SURGERY_F64},
    {"torch", "float16", GLOBAL_DTYPE, SURGERY_F16},
    {"torch", "bfloat16", GLOBAL_DTYPE, SURGERY_BF16},
    {"torch", "int64", GLOBAL_DTYPE, SURGERY_I64},
    {"torch", "int32", GLOBAL_DTYPE, SURGERY_I32},
    {"torch", "int16", GLOBAL_DTYPE, SURGERY_I16},
    {"torch", "int8", GLOBAL_DTYPE, SURGERY_I8},
    {"torch", "uint8", GLOBAL_DTYPE, SURGERY_U8},
    {"torch", "bool", GLOBAL_DTYPE, SURGERY_BOOL},
    {"torch", "uint16", GLOBAL_DTYPE, SURGERY_U16},
    {"torch", "uint32", GLOBAL_DTYPE, SURGERY_U32},
    {"torch", "uint64", GLOBAL_DTYPE, SURGERY_U64},
};

/* "FloatStorage" and "FloatTensor" of torch and torch.cuda; -1 when it is neither. */
static int typed_name(const char *module, const char *name, GlobalAction *action) {
  if (strcmp(module, "torch") != 0 && strcmp(module, "torch.cuda") != 0) return -1;
  for (int d = SURGERY_F32; d <= SURGERY_U64; d++) {
    const char *storage = dtype_storage((surgery_dtype)d);
    size_t stem = storage ? strlen(storage) - strlen("Storage") : 0;
    if (!storage || strncmp(name, storage, stem) != 0) continue;
    if (strcmp(name + stem, "Storage") == 0) return *action = GLOBAL_STORAGE, d;
    if (strcmp(name + stem, "Tensor") == 0) return *action = GLOBAL_TENSOR_TYPE, d;
  }
  return -1;
}

PickleValue *pickle_global(PickleMachine *m, const char *module, const char *name) {
  PickleValue *v = pickle_value(m, PICKLE_GLOBAL);
  if (!v) return NULL;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (strcmp(module, table[i].module) == 0 && strcmp(name, table[i].name) == 0) {
      v->global = &table[i];
      return v;
    }
  }
  PickleGlobal *row = pool_alloc(m->pool, sizeof *row);
  char *module_copy = pool_strndup(m->pool, module, strlen(module));
  char *name_copy = pool_strndup(m->pool, name, strlen(name));
  if (!row || !module_copy || !name_copy) return sg_fail_memory(m->err, m->path, sizeof *row), NULL;
  GlobalAction action = GLOBAL_UNKNOWN;
  int dtype = typed_name(module, name, &action);
  *row = (PickleGlobal){module_copy, name_copy, action, dtype};
  v->global = row;
  return v;
}

/* ---- calls ---- */

static PickleValue *refuse_args(PickleMachine *m, const PickleGlobal *g, const char *expected) {
  pickle_refuse(m, m->op_at, "the arguments of '%s.%s' are not %s", SG_Q(g->module), SG_Q(g->name), expected);
  return NULL;
}

/* The call is not made: its name and what it was called with remain. */
static PickleValue *not_called(PickleMachine *m, const PickleGlobal *g, const PickleValue *args) {
  PickleValue *call = pickle_value(m, PICKLE_CALL);
  if (!call) return NULL;
  call->global = g;
  call->items = args->items; /* shared: an append makes a copy */
  call->count = call->capacity = args->count;
  return call;
}

/* What only running the pickle's own code would tell. */
static bool is_unmade(const PickleValue *v) {
  return v->kind == PICKLE_CALL || v->kind == PICKLE_OBJECT || v->kind == PICKLE_OPAQUE;
}

/* The pairs of OrderedDict([[k, v], …]) become the dict's items. */
static PickleValue *make_dict(PickleMachine *m, const PickleGlobal *g, const PickleValue *args, uint32_t at) {
  const PickleValue *pairs = at < args->count ? args->items[at] : NULL;
  if (pairs && is_unmade(pairs)) return not_called(m, g, args);
  PickleValue *dict = pickle_value(m, PICKLE_DICT);
  if (!dict || !pairs || pairs->kind == PICKLE_NONE) return dict;
  if (pairs->kind == PICKLE_DICT) {
    for (uint32_t i = 0; i < pairs->count; i++) {
      if (pickle_append(m, dict, pairs->items[i])) return NULL;
    }
    return dict;
  }
  if (pairs->kind != PICKLE_LIST && pairs->kind != PICKLE_TUPLE) return refuse_args(m, g, "a list of pairs");
  for (uint32_t i = 0; i < pairs->count; i++) {
    const PickleValue *pair = pairs->items[i];
    if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->count != 2) {
      return refuse_args(m, g, "a list of pairs");
    }
    if (pickle_append(m, dict, pair->items[0]) || pickle_append(m, dict, pair->items[1])) return NULL;
  }
  return dict;
}

static PickleValue *make_sequence(PickleMachine *m, const PickleGlobal *g, PickleKind kind, const PickleValue *args) {
  PickleValue *made = pickle_value(m, kind);
  if (!made || args->count == 0) return made;
  const PickleValue *from = args->items[0];
  if (args->count == 1 && is_unmade(from)) return not_called(m, g, args);
  if (args->count > 1 || (from->kind != PICKLE_LIST && from->kind != PICKLE_TUPLE && from->kind != PICKLE_SET)) {
    return refuse_args(m, g, "one list or tuple");
  }
  for (uint32_t i = 0; i < from->count; i++) {
    if (pickle_append(m, made, from->items[i])) return NULL;
  }
  return made;
}

static bool all_integers(const PickleValue *v) {
  if (v->kind != PICKLE_TUPLE && v->kind != PICKLE_LIST) return false;
  for (uint32_t i = 0; i < v->count; i++) {
    if (v->items[i]->kind != PICKLE_INT) return false;
  }
  return true;
}

/* (scheme, scale, zero point) for a whole tensor, (scheme, scales, zero points, axis) for each channel. */
static bool read_quantiser(PickleMachine *m, const PickleValue *v, PickleTensor *to) {
  if (v->kind != PICKLE_TUPLE || v->count < 1 || v->items[0]->kind != PICKLE_GLOBAL) return false;
  to->quantised = m->quantised = true;
  to->scheme = v->items[0]->global->name;
  if (strcmp(to->scheme, "per_tensor_affine") != 0) return true; /* refused with the tensor's name, where it is used */
  if (v->count != 3 || v->items[1]->kind != PICKLE_FLOAT || v->items[2]->kind != PICKLE_INT) return false;
  to->scale = v->items[1]->number;
  to->zero = v->items[2]->integer;
  return true;
}

/* _rebuild_tensor(storage, offset, size, stride), v2 with requires_grad and hooks, v3 with hooks and dtype
 * after those, qtensor with a quantiser before them. Sizes against the storage are checked when the tensor is
 * used, for then its name is known. */
static PickleValue *rebuild(PickleMachine *m, const PickleGlobal *g, const PickleValue *args) {
  static const char expected[] = "(storage, offset, size, stride, …)";
  uint32_t least = g->action == GLOBAL_REBUILD_V3 ? 7 : 4;
  if (args->count < least || args->items[0]->kind != PICKLE_STORAGE || args->items[1]->kind != PICKLE_INT ||
      !all_integers(args->items[2]) || !all_integers(args->items[3])) {
    return refuse_args(m, g, expected);
  }
  if (args->items[2]->count != args->items[3]->count)
    return refuse_args(m, g, "a size and a stride of the same length");
  int dtype = -1;
  if (g->action == GLOBAL_REBUILD_V3) {
    const PickleValue *type = args->items[6];
    if (type->kind != PICKLE_GLOBAL || type->global->action != GLOBAL_DTYPE) {
      return refuse_args(m, g, "ended by a dtype that is supported");
    }
    dtype = type->global->dtype;
  }
  PickleValue *v = pickle_value(m, PICKLE_TENSOR);
  if (!v) return NULL;
  v->tensor = pool_alloc(m->pool, sizeof *v->tensor);
  if (!v->tensor) return sg_fail_memory(m->err, m->path, sizeof *v->tensor), NULL;
  *v->tensor = (PickleTensor){.storage = args->items[0]->storage,
                              .offset = args->items[1]->integer,
                              .shape = args->items[2],
                              .stride = args->items[3],
                              .dtype = dtype};
  if (g->action == GLOBAL_REBUILD_Q && (args->count < 5 || !read_quantiser(m, args->items[4], v->tensor)))
    return refuse_args(m, g, "ended by a quantiser");
  return v;
}

/* (function, type, args, state): a tensor with attributes of its own; what function rebuilds is what we want.
 */
static PickleValue *from_type(PickleMachine *m, const PickleGlobal *g, const PickleValue *args) {
  const PickleValue *function = args->count == 4 ? args->items[0] : NULL;
  bool fits = function && function->kind == PICKLE_GLOBAL && args->items[2]->kind == PICKLE_TUPLE &&
              function->global->action >= GLOBAL_REBUILD && function->global->action <= GLOBAL_PARAMETER;
  return fits ? pickle_reduce(m, args->items[0], args->items[2]) : refuse_args(m, g, "those of a tensor's function");
}

PickleValue *pickle_reduce(PickleMachine *m, PickleValue *callable, PickleValue *args) {
  if (is_unmade(callable) && args->kind == PICKLE_TUPLE) return not_called(m, callable->global, args);
  if (callable->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE) {
    pickle_refuse(m, m->op_at, "REDUCE needs a global and a tuple, not %s and %s",
                  pickle_kind_name((PickleKind)callable->kind), pickle_kind_name((PickleKind)args->kind));
    return NULL;
  }
  const PickleGlobal *g = callable->global;
  PickleValue *made;
  switch (g->action) {
  case GLOBAL_DICT: return make_dict(m, g, args, 0);
  case GLOBAL_DEFAULTDICT: return make_dict(m, g, args, 1);
  case GLOBAL_LIST: return make_sequence(m, g, PICKLE_LIST, args);
  case GLOBAL_TUPLE: return make_sequence(m, g, PICKLE_TUPLE, args);
  case GLOBAL_SET: return make_sequence(m, g, PICKLE_SET, args);
  case GLOBAL_OPAQUE:
    made = pickle_value(m, PICKLE_OPAQUE);
    if (made) made->global = g;
    return made;
  case GLOBAL_REBUILD:
  case GLOBAL_REBUILD_V3:
  case GLOBAL_REBUILD_Q: return rebuild(m, g, args);
  case GLOBAL_PARAMETER:
    if (args->count && args->items[0]->kind == PICKLE_TENSOR) return args->items[0];
    if (args->count && is_unmade(args->items[0])) return not_called(m, g, args);
    return refuse_args(m, g, "a tensor and its flags");
  case GLOBAL_FROM_TYPE: return from_type(m, g, args);
  case GLOBAL_UNKNOWN:
  case GLOBAL_CONSTANT:
  case GLOBAL_STORAGE:
  case GLOBAL_TENSOR_TYPE:
  case GLOBAL_DTYPE: break;
  }
  return not_called(m, g, args);
}

PickleValue *pickle_newobj(PickleMachine *m, PickleValue *class, PickleValue *args) {
  if (is_unmade(class) && args->kind == PICKLE_TUPLE) return not_called(m, class->global, args);
  if (class->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE) {
    pickle_refuse(m, m->op_at, "NEWOBJ needs a class and a tuple, not %s and %s",
                  pickle_kind_name((PickleKind) class->kind), pickle_kind_name((PickleKind)args->kind));
    return NULL;
  }
  bool empty_parameter = class->global->action == GLOBAL_PARAMETER && args->count == 0;
  if (class->global->action != GLOBAL_UNKNOWN && !empty_parameter) return pickle_reduce(m, class, args);
  PickleValue *object = pickle_value(m, PICKLE_OBJECT);
  if (object) object->global = class->global;
  return object;
}
