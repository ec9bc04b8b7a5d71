/* What the files onnx*.c share. An ONNX file is one protobuf message; here only the places of its tensors are
 * looked for, so that values are read lazily as from every other format. A fixed nest of messages is walked
 * (model, graph, tensor), never one that holds itself, so that no file can make the walk recurse. What the
 * network is, is the business of compiler/import. Private to runtime/weights/. */
#ifndef SURGERY_WEIGHTS_ONNX_H
#define SURGERY_WEIGHTS_ONNX_H
#include "runtime/weights/pickle.h" /* ByteStream */

typedef enum WireType { WIRE_VARINT, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 } WireType;

/* One field of a protobuf message. */
typedef struct WireField {
  uint32_t number;
  WireType type;
  uint64_t value;    /* of a varint */
  uint64_t at, next; /* absolute: the field's bytes, after tag and length; the field after it */
} WireField;

typedef struct OnnxReader {
  surgery_weights *w;
  uint32_t file;
  const char *path;
  surgery_error *err;
  ByteStream in;
  /* Values that are no plain array in the file (varints), in an anonymous file of their own. */
  int spill;        /* index into w->files, or -1 */
  uint64_t spilled; /* bytes in it */
  bool has_graph;
} OnnxReader;

/* Where one tensor's description is and what it says, before its values are looked at. */
typedef struct OnnxTensor {
  uint64_t begin, end; /* of its message */
  const char *name;
  int64_t dims[SURGERY_MAX_RANK];
  int64_t rank;       /* may be above SURGERY_MAX_RANK; dims then has the first */
  uint64_t data_type; /* ONNX's number */
  WireField raw;      /* raw_data; next 0: absent */
  uint32_t typed;     /* the number of its typed field (float_data …), 0: none */
  WireField packed;   /* the only piece of the typed field, when it is packed; next 0: several pieces */
  bool external;
  const char *location, *offset, *length; /* of external_data; NULL where absent */
} OnnxTensor;

/* The field at absolute byte `at` of a message that ends at `end`; the reader is then at f->at. */
int wire_field(OnnxReader *r, uint64_t at, uint64_t end, WireField *f);
int wire_varint(OnnxReader *r, uint64_t end, uint64_t *value);
/* A string, as text in the pool; a zero byte in it is refused. `what` is for the message. */
int wire_text(OnnxReader *r, const WireField *f, const char *what, const char **text);
int wire_refuse(OnnxReader *r, uint64_t at, const char *why);

/* The values in typed fields: plain arrays stay where they are, others are unpacked into the spill. */
int onnx_typed_values(OnnxReader *r, const OnnxTensor *d, WeightTensor *t);
/* The values in another file of the model's folder; whatever leads out of it is refused. */
int onnx_external_values(OnnxReader *r, const OnnxTensor *d, WeightTensor *t);
#endif
