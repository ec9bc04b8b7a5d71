/* A machine for Python pickles that builds a tree of tagged values. It never imports, calls or executes
 * anything: what a pickle asks to call is looked up in a fixed table of names (pickle_globals.c), whose rows
 * say which plain value comes out; of any other call stays only what it was called with (PICKLE_CALL), and
 * torch_skipped.c decides whether a tensor would hang on it. Protocols 2 to 5, the opcodes
 * that data need. Used by the PyTorch readers; works on untrusted input: memory is bounded by the pickle's
 * length. */
#ifndef SURGERY_WEIGHTS_PICKLE_H
#define SURGERY_WEIGHTS_PICKLE_H
#include "runtime/weights/weights.h"

/* A window on a part of a file, read in sequence. */
typedef struct ByteStream {
  const WeightFile *file;
  uint64_t end;       /* absolute */
  uint64_t window_at; /* absolute byte of window[0] */
  size_t have, next;  /* bytes in the window, next one to give */
  unsigned char window[1 << 14];
} ByteStream;

void stream_open(ByteStream *s, const WeightFile *file, uint64_t at, uint64_t end);
uint64_t stream_at(const ByteStream *s);
uint64_t stream_left(const ByteStream *s);
/* Exactly size bytes; -1 with *err filled when the stream or the file ends before. */
int stream_get(ByteStream *s, void *to, size_t size, const char *what, surgery_error *err);
void stream_seek(ByteStream *s, uint64_t at); /* at <= end */

typedef enum PickleKind {
  PICKLE_NONE,
  PICKLE_BOOL,
  PICKLE_INT,
  PICKLE_BIG, /* an integer of more than 64 bits: its little-endian bytes in text */
  PICKLE_FLOAT,
  PICKLE_STRING,
  PICKLE_BYTES,
  PICKLE_TUPLE,
  PICKLE_LIST,
  PICKLE_SET,
  PICKLE_DICT,
  PICKLE_GLOBAL, /* a name, never what it names */
  PICKLE_OBJECT, /* an instance of a class, with the state that would have been given to it */
  PICKLE_OPAQUE, /* what an allowed call gave that no reader looks into: a device, a numpy scalar */
  PICKLE_CALL,   /* what a call that is not allowed would have given: never made; its items are what it was
                    called with and given afterwards */
  PICKLE_STORAGE,
  PICKLE_TENSOR
} PickleKind;

typedef enum GlobalAction {
  GLOBAL_UNKNOWN, /* may be the class of a module's object; may not be called */
  GLOBAL_DICT,
  GLOBAL_DEFAULTDICT,
  GLOBAL_LIST,
  GLOBAL_TUPLE,
  GLOBAL_SET,
  GLOBAL_OPAQUE,
  GLOBAL_CONSTANT,
  GLOBAL_STORAGE,
  GLOBAL_TENSOR_TYPE,
  GLOBAL_DTYPE,
  GLOBAL_REBUILD,
  GLOBAL_REBUILD_V3,
  GLOBAL_REBUILD_Q,
  GLOBAL_PARAMETER,
  GLOBAL_FROM_TYPE
} GlobalAction;

typedef struct PickleValue PickleValue;

typedef struct PickleGlobal {
  const char *module, *name;
  GlobalAction action;
  int dtype; /* GLOBAL_STORAGE, GLOBAL_TENSOR_TYPE, GLOBAL_DTYPE; -1: bytes without a type */
} PickleGlobal;

typedef struct PickleStorage {
  const char *key;
  int dtype;           /* surgery_dtype; -1: untyped, elements are bytes */
  uint64_t numel;      /* of the whole storage, in elements */
  uint64_t view;       /* legacy: a storage that is a part of another begins at this element … */
  uint64_t view_numel; /* … and has so many; numel where it is not a view */
  uint64_t offset;     /* tar and legacy: absolute byte of the data, once known */
  bool placed;
} PickleStorage;

typedef struct PickleTensor {
  const PickleStorage *storage;
  int64_t offset;                    /* elements */
  const PickleValue *shape, *stride; /* tuples of integers, checked */
  int dtype;                         /* of _rebuild_tensor_v3; -1: the storage's */
  bool quantised;                    /* of _rebuild_qtensor: values mean (value - zero) * scale … */
  const char *scheme;                /* … where this is "per_tensor_affine", the only one that is read */
  double scale;
  int64_t zero;
} PickleTensor;

struct PickleValue {
  uint8_t kind;
  uint8_t seen;             /* free for whoever walks the tree: the walk's number */
  uint32_t count, capacity; /* items (dict: keys and values together), or bytes of text */
  uint64_t at;              /* absolute byte in the file of the opcode that made it */
  union {
    int64_t integer; /* and bool */
    double number;
    const char *text;
    PickleValue **items; /* dict and object: key, value, key, value; call: anything */
    PickleStorage *storage;
    PickleTensor *tensor;
  };
  const PickleGlobal *global; /* GLOBAL; of OBJECT, OPAQUE and CALL the class or function */
  PickleValue *state;         /* OBJECT */
};

typedef struct PickleMachine PickleMachine;
struct PickleMachine {
  Pool *pool;
  ByteStream *from;
  const char *path;
  surgery_error *err;
  /* What a persistent id names; NULL with *err filled to refuse. */
  PickleValue *(*persistent)(PickleMachine *m, PickleValue *id);
  void *context;
  /* The rest is the machine's own. */
  uint64_t begin, op_at;
  PickleValue **stack;
  size_t depth, stack_capacity;
  size_t *marks;
  size_t mark_count, mark_capacity;
  PickleValue **memo;
  size_t memo_capacity, memo_next;
  PickleValue *none;
  bool stopped;
  bool quantised; /* a tensor of this pickle is */
};

/* Runs one pickle from m->from to its STOP, where m->from is then. The value, or NULL with *err filled.
 */
PickleValue *pickle_load(PickleMachine *m);

/* For pickle_globals.c and persistent(): */
PickleValue *pickle_value(PickleMachine *m, PickleKind kind); /* NULL without memory, *err filled */
/* Message "PATH: byte N: …"; returns -1. */
int pickle_refuse(PickleMachine *m, uint64_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
int pickle_append(PickleMachine *m, PickleValue *list, PickleValue *item);
/* Looks the name up in the table; unknown ones get a row of their own. */
PickleValue *pickle_global(PickleMachine *m, const char *module, const char *name);
PickleValue *pickle_reduce(PickleMachine *m, PickleValue *callable, PickleValue *args);
PickleValue *pickle_newobj(PickleMachine *m, PickleValue *class, PickleValue *args);
/* The value under a text key of a dict; NULL when there is none. */
PickleValue *pickle_get(const PickleValue *dict, const char *key);
bool pickle_text_is(const PickleValue *value, const char *text);

/* Between pickle.c and pickle_ops.c. push(NULL) fails, so that it can take what a maker returned. */
int pickle_push(PickleMachine *m, PickleValue *value);
/* What lies below the last mark is out of an opcode's reach: the stack's first reachable place. */
size_t pickle_floor(const PickleMachine *m);
int pickle_need(PickleMachine *m, size_t values, const char *opcode);
/* The values above the last mark leave the stack; they stay readable until the next push. */
int pickle_pop_mark(PickleMachine *m, const char *opcode, PickleValue ***first, size_t *count);
int pickle_no_memory(PickleMachine *m);
/* Runs one opcode. */
int pickle_step(PickleMachine *m);

/* "a tuple", for messages. */
const char *pickle_kind_name(PickleKind kind);
#endif
