/* See build.h. */
#include "tests/onnx/build.h"
#include "compiler/model/model.h"
#include <ftw.h>
#include <unistd.h>

/* ---- files ---- */

static char folder[200];

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at) { return remove(path); }
static void remove_folder(void) { nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS); }

const char *scratch(const char *name) {
  static char paths[8][300];
  static int next;
  static bool made;
  if (!made) { /* in memory where that is possible: some tests write ten thousands of files */
    const char *place = getenv("TMPDIR");
    if (!place) place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%.150s/surgery-onnx-XXXXXX", place);
    assert_non_null(mkdtemp(folder));
    atexit(remove_folder);
  }
  made = true;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

void write_bytes(const char *path, const void *bytes, size_t size) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, size, f), size);
  assert_int_equal(fclose(f), 0);
}

/* ---- models ---- */

Build *build_begin(void) {
  Arena *arena = arena_create();
  Build *b = arena_new(arena, Build);
  b->arena = arena;
  onnx__model_proto__init(&b->model);
  onnx__graph_proto__init(&b->graph);
  onnx__operator_set_id_proto__init(&b->opset);
  b->opset.has_version = b->model.has_ir_version = 1;
  b->opset.version = 13;
  b->model.ir_version = 7;
  b->model.producer_name = "tests/onnx";
  b->model.graph = &b->graph;
  b->graph.name = "g";
  return b;
}

void build_end(Build *b) { arena_destroy(b->arena); }

/* The words of a text; returns how many. */
static size_t words(Arena *arena, const char *text, char **out, size_t most) {
  size_t count = 0;
  for (char *word = strtok(arena_strdup(arena, text), " "); word; word = strtok(NULL, " ")) {
    assert_true(count < most);
    out[count++] = word;
  }
  return count;
}

enum { MOST_WORDS = 16 };

static Onnx__ValueInfoProto *value_info(Build *b, const char *name, const char *dims) {
  char *word[MOST_WORDS];
  size_t count = words(b->arena, dims, word, MOST_WORDS);
  Onnx__ValueInfoProto *info = arena_new(b->arena, Onnx__ValueInfoProto);
  Onnx__TypeProto *type = arena_new(b->arena, Onnx__TypeProto);
  Onnx__TypeProto__Tensor *tensor = arena_new(b->arena, Onnx__TypeProto__Tensor);
  Onnx__TensorShapeProto *shape = arena_new(b->arena, Onnx__TensorShapeProto);
  onnx__value_info_proto__init(info);
  onnx__type_proto__init(type);
  onnx__type_proto__tensor__init(tensor);
  onnx__tensor_shape_proto__init(shape);
  info->name = arena_strdup(b->arena, name);
  info->type = type;
  type->tensor_type = tensor;
  tensor->has_elem_type = 1;
  tensor->elem_type = TYPE_FLOAT;
  tensor->shape = shape;
  shape->dim = arena_array(b->arena, Onnx__TensorShapeProto__Dimension *, count + 1);
  shape->n_dim = count;
  for (size_t i = 0; i < count; i++) {
    shape->dim[i] = arena_new(b->arena, Onnx__TensorShapeProto__Dimension);
    onnx__tensor_shape_proto__dimension__init(shape->dim[i]);
    if (*word[i] == '?') shape->dim[i]->dim_param = "open";
    shape->dim[i]->has_dim_value = *word[i] != '?';
    shape->dim[i]->dim_value = atoll(word[i]);
  }
  return info;
}

Onnx__ValueInfoProto *build_input(Build *b, const char *name, const char *dims) {
  Onnx__ValueInfoProto *info = value_info(b, name, dims);
  vec_push(b->arena, &b->inputs, info);
  return info;
}

Onnx__ValueInfoProto *build_output(Build *b, const char *name, const char *dims) {
  Onnx__ValueInfoProto *info = value_info(b, name, dims);
  vec_push(b->arena, &b->outputs, info);
  return info;
}

static char **names(Build *b, const char *text, size_t *count) {
  char **list = arena_array(b->arena, char *, MOST_WORDS);
  *count = words(b->arena, text, list, MOST_WORDS);
  for (size_t i = 0; i < *count; i++)
    if (strcmp(list[i], "-") == 0) list[i] = "";
  return list;
}

Onnx__NodeProto *build_node(Build *b, const char *type, const char *name, const char *inputs, const char *outputs) {
  Onnx__NodeProto *node = arena_new(b->arena, Onnx__NodeProto);
  onnx__node_proto__init(node);
  node->op_type = arena_strdup(b->arena, type);
  node->name = arena_strdup(b->arena, name);
  node->input = names(b, inputs, &node->n_input);
  node->output = names(b, outputs, &node->n_output);
  node->attribute = arena_array(b->arena, Onnx__AttributeProto *, MOST_WORDS);
  vec_push(b->arena, &b->nodes, node);
  return node;
}

static Onnx__AttributeProto *attribute(Build *b, Onnx__NodeProto *node, const char *name, int type) {
  Onnx__AttributeProto *a = arena_new(b->arena, Onnx__AttributeProto);
  assert_true(node->n_attribute < MOST_WORDS);
  onnx__attribute_proto__init(a);
  a->name = arena_strdup(b->arena, name);
  a->has_type = 1;
  a->type = type;
  node->attribute[node->n_attribute++] = a;
  return a;
}

Onnx__NodeProto *with_int(Build *b, Onnx__NodeProto *node, const char *name, int64_t value) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
  a->has_i = value != 0; /* as proto3 writers do: a zero is left out */
  a->i = value;
  return node;
}

Onnx__NodeProto *with_float(Build *b, Onnx__NodeProto *node, const char *name, double value) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
  a->has_f = 1;
  a->f = (float)value;
  return node;
}

Onnx__NodeProto *with_ints(Build *b, Onnx__NodeProto *node, const char *name, const char *values) {
  char *word[MOST_WORDS];
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
  a->n_ints = words(b->arena, values, word, MOST_WORDS);
  a->ints = arena_array(b->arena, int64_t, a->n_ints + 1);
  for (size_t i = 0; i < a->n_ints; i++) a->ints[i] = atoll(word[i]);
  return node;
}

Onnx__NodeProto *with_text(Build *b, Onnx__NodeProto *node, const char *name, const char *value) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
  a->has_s = 1;
  a->s = (ProtobufCBinaryData){strlen(value), (uint8_t *)arena_strdup(b->arena, value)};
  return node;
}

Onnx__NodeProto *with_tensor(Build *b, Onnx__NodeProto *node, const char *name, Onnx__TensorProto *tensor) {
  attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR)->t = tensor;
  return node;
}

/* ---- tensors ---- */

static void set_raw(Build *b, Onnx__TensorProto *t, const void *bytes, size_t size) {
  t->has_raw_data = 1;
  t->raw_data.len = size;
  t->raw_data.data = arena_alloc(b->arena, size + 1);
  memcpy(t->raw_data.data, bytes, size);
}

Onnx__TensorProto *build_values(Build *b, const char *name, int type, const char *dims) {
  char *word[MOST_WORDS];
  Onnx__TensorProto *t = arena_new(b->arena, Onnx__TensorProto);
  onnx__tensor_proto__init(t);
  t->name = arena_strdup(b->arena, name);
  t->has_data_type = 1;
  t->data_type = type;
  t->n_dims = words(b->arena, dims, word, MOST_WORDS);
  t->dims = arena_array(b->arena, int64_t, t->n_dims + 1);
  int64_t count = 1;
  for (size_t i = 0; i < t->n_dims; i++) count *= t->dims[i] = atoll(word[i]);
  float *f32 = arena_array(b->arena, float, count + 1);
  double *f64 = arena_array(b->arena, double, count + 1);
  int64_t *i64 = arena_array(b->arena, int64_t, count + 1);
  for (int64_t i = 0; i < count; i++) {
    f32[i] = (float)i;
    f64[i] = (double)i;
    i64[i] = i;
  }
  if (type == TYPE_DOUBLE) set_raw(b, t, f64, (size_t)count * 8);
  else if (type == TYPE_INT64) set_raw(b, t, i64, (size_t)count * 8);
  else set_raw(b, t, f32, (size_t)count * 4);
  return t;
}

void build_initializer(Build *b, Onnx__TensorProto *tensor) { vec_push(b->arena, &b->tensors, tensor); }

Onnx__TensorProto *build_tensor(Build *b, const char *name, const char *dims) {
  Onnx__TensorProto *t = build_values(b, name, TYPE_FLOAT, dims);
  build_initializer(b, t);
  return t;
}

void build_ints(Build *b, const char *name, const char *values) {
  char *word[MOST_WORDS];
  int64_t number[MOST_WORDS];
  size_t count = words(b->arena, values, word, MOST_WORDS);
  for (size_t i = 0; i < count; i++) number[i] = atoll(word[i]);
  Onnx__TensorProto *t = build_values(b, name, TYPE_INT64, arena_printf(b->arena, "%zu", count));
  set_raw(b, t, number, count * sizeof *number);
  build_initializer(b, t);
}

void build_number(Build *b, const char *name, double value) {
  float f = (float)value;
  Onnx__TensorProto *t = build_values(b, name, TYPE_FLOAT, "");
  set_raw(b, t, &f, sizeof f);
  build_initializer(b, t);
}

unsigned char *build_bytes(Build *b, size_t *size) {
  static Onnx__OperatorSetIdProto *opset[1];
  b->graph.node = b->nodes.at;
  b->graph.n_node = b->nodes.count;
  b->graph.initializer = b->tensors.at;
  b->graph.n_initializer = b->tensors.count;
  b->graph.input = b->inputs.at;
  b->graph.n_input = b->inputs.count;
  b->graph.output = b->outputs.at;
  b->graph.n_output = b->outputs.count;
  opset[0] = &b->opset;
  b->model.opset_import = opset;
  b->model.n_opset_import = 1;
  *size = onnx__model_proto__get_packed_size(&b->model);
  unsigned char *bytes = arena_alloc(b->arena, *size + 1);
  onnx__model_proto__pack(&b->model, bytes);
  return bytes;
}

const char *build_write(Build *b, const char *name) {
  size_t size;
  const unsigned char *bytes = build_bytes(b, &size);
  const char *path = scratch(name);
  write_bytes(path, bytes, size);
  return path;
}

/* ---- importing ---- */

Imported import_file(const char *path) {
  Arena *arena = arena_create();
  Session *s = arena_new(arena, Session);
  s->arena = s->sources.arena = s->diags.arena = arena;
  s->diags.sources = &s->sources;
  Imported i = {.s = s, .graph = import_onnx(s, path, SPAN_NONE, weights_guess_model)};
  size_t length, errors = s->diags.errors;
  FILE *out = open_memstream(&i.messages, &length);
  assert_non_null(out);
  diag_print_text(&s->diags, out, false);
  fclose(out);
  assert_int_equal(i.graph == NULL, errors > 0); /* refused exactly where something was reported */
  return i;
}

void import_end(Imported *i) {
  if (i->graph) weights_close(i->graph);
  free(i->messages);
  arena_destroy(i->s->arena);
}

float *param_values(Imported *i, const char *name, int64_t *count) {
  for (size_t k = 0; k < i->graph->params.count; k++) {
    const Param *p = &i->graph->params.at[k];
    surgery_error err = {0};
    if (strcmp(p->name, name) != 0) continue;
    *count = shape_count(&p->shape);
    float *values = arena_array(i->s->arena, float, *count + 1);
    if (!weights_fill(i->s, i->graph, NULL, (ParamId)k, values, &err)) fail_msg("%s: %s", name, err.message);
    return values;
  }
  fail_msg("there is no parameter %s", name);
  return NULL;
}
