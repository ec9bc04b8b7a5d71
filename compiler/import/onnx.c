/* `take "model.onnx"`: finds and reads the file, checks its frame (version, input, output), has its nodes
 * turned into a graph, and compares the shapes with what the file states. The file is not trusted: protobuf-c
 * decodes it within a bound of memory, and every field is checked where it is used. Called by
 * compiler/model. */
#include "compiler/ops/shape.h"
#include "compiler/import/onnx_internal.h"
#include "runtime/base/io.h"
#include "runtime/weights/formats.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ---- */

static bool is_file(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* "resnet18" for "weights/resnet18-f37072fd.pth", where that is a built-in network; else NULL. */
static const char *network_of_name(Session *s, const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  const char *name = arena_strndup(s->arena, base, strcspn(base, "-."));
  return scope_get(zoo_scope(s), name) ? name : NULL;
}

/* Is nothing written behind it in its statement? */
static bool ends_statement(Session *s, Span span) {
  if (span.source >= s->sources.files.count) return false;
  const char *at = s->sources.files.at[span.source].text + span.end;
  at += strspn(at, " \t\r");
  return !*at || strchr("\n;#", *at);
}

/* `take "resnet18.pth"`: the network is named, and the file stands behind `from`. */
static void help_take_from(Session *s, Diag *d, Span span, const char *path, const char *model, bool there) {
  if (model && there && ends_statement(s, span)) {
    diag_help(&s->diags, d, "take %s from \"%s\"", model, SG_Q(path));
    if (!strpbrk(path, "\"\\")) diag_fix(&s->diags, d, span, "%s from \"%s\"", model, path);
    return;
  }
  diag_help(&s->diags, d, "a network is named, and its weights stand behind `from`: take %s from \"%s\"",
            model ? model : "NETWORK", SG_Q(path));
}

/* Where a take's `from` is searched for, too. NULL, reported, when it is nowhere. */
static const char *find_file(Session *s, const char *path, Span origin) {
  VEC(const char *) places = {0};
  const char *script = origin.source < s->sources.files.count ? s->sources.files.at[origin.source].path : "";
  const char *slash = strrchr(script, '/'), *list = "";
  if (*path != '/' && slash)
    vec_push(s->arena, &places, arena_printf(s->arena, "%.*s/%s", (int)(slash - script), script, path));
  vec_push(s->arena, &places, path);
  for (size_t i = 0; *path != '/' && i < s->weights.count; i++)
    if (!s->weights.at[i].name)
      vec_push(s->arena, &places, arena_printf(s->arena, "%s/%s", s->weights.at[i].value, path));
  for (size_t i = 0; i < places.count; i++) {
    if (is_file(places.at[i])) return places.at[i];
    list = arena_printf(s->arena, "%s%s%s", list, i ? ", " : "", places.at[i]);
  }
  const char *format = weights_format_of_name(path);
  bool weights = format && !streq(format, "onnx");
  Diag *d =
      diag_report(&s->diags, DIAG_E0401, origin, "the %s file %s is not there", weights ? "weight" : "ONNX", path);
  diag_note(&s->diags, d, "looked for %s", list);
  if (weights) {
    help_take_from(s, d, origin, path, network_of_name(s, path), false);
    return NULL;
  }
  diag_help(&s->diags, d, "correct the path, or name its folder: --weights FOLDER");
  return NULL;
}

/* malloc for protobuf-c with a limit: the file's size for its tensors, and so much for the structure around
 * them. */
typedef struct Budget {
  size_t left;
} Budget;

static void *budget_alloc(void *data, size_t size) {
  Budget *budget = data;
  if (size > budget->left) return NULL;
  budget->left -= size;
  return malloc(size ? size : 1);
}

static void budget_free(void *data, void *pointer) { free(pointer); }

static bool unpack(OnnxImport *o, ProtobufCAllocator *allocator, Onnx__ModelProto **model) {
  surgery_error err = {0};
  uint64_t size = 0;
  int fd = sg_open_regular(o->path, &size, &err);
  unsigned char *bytes = fd >= 0 && size <= INT32_MAX ? malloc(size + 1) : NULL;
  bool good = bytes && sg_pread(fd, o->path, bytes, 0, size, &err) == 0;
  if (fd >= 0) close(fd);
  if (good) {
    size_t most = size > (1u << 25) ? (size_t)1 << 30 : size * 32;
    *(Budget *)allocator->allocator_data = (Budget){size + most + (1 << 22)};
    *model = onnx__model_proto__unpack(allocator, size, bytes);
  }
  free(bytes);
  if (!good) return onnx_broken(o, DIAG_E0601, "%s", *err.message ? err.message : "too large to be read");
  return *model || onnx_broken(o, DIAG_E0601, "its messages cannot be decoded, or take too much memory");
}

/* ---- version, input, output ---- */

static bool read_version(OnnxImport *o, const Onnx__ModelProto *model) {
  o->opset = 0;
  for (size_t i = 0; i < model->n_opset_import; i++) {
    const char *domain = model->opset_import[i]->domain;
    if (!domain || !*domain || streq(domain, "ai.onnx")) o->opset = model->opset_import[i]->version;
  }
  if (o->opset >= ONNX_MIN_OPSET && o->opset <= ONNX_MAX_OPSET) return true;
  return onnx_broken(o, DIAG_E0601, "it is of opset version %lld; versions %d to %d are read", (long long)o->opset,
                     ONNX_MIN_OPSET, ONNX_MAX_OPSET);
}

static const Onnx__ValueInfoProto *find_info(Onnx__ValueInfoProto **infos, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (streq(infos[i]->name, name)) return infos[i];
  return NULL;
}

static const Onnx__TensorShapeProto *shape_of(const Onnx__ValueInfoProto *info) {
  return info && info->type && info->type->tensor_type ? info->type->tensor_type->shape : NULL;
}

/* A dimension's size; 0 where it is open. */
static int64_t dim_of(const Onnx__TensorShapeProto__Dimension *dim) {
  return dim->has_dim_value && dim->dim_value > 0 ? dim->dim_value : 0;
}

static bool fits_image(const Shape *s) {
  return s->rank == 3 && (s->dim[0] == 1 || s->dim[0] == 3) && s->dim[1] <= 65535 && s->dim[2] <= 65535;
}

static bool read_input(OnnxImport *o) {
  OnnxValue *v = &o->values.at[o->input];
  const Onnx__ValueInfoProto *info = find_info(o->graph->input, o->graph->n_input, v->name);
  const Onnx__TensorShapeProto *shape = shape_of(info);
  int32_t type = shape ? info->type->tensor_type->elem_type : 0;
  Input *input = &o->g->input;
  if (!shape) return onnx_broken(o, DIAG_E0605, "the shape of the input '%s' is not stated", SG_Q(v->name));
  if (type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT && type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 &&
      type != ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE && type != ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16)
    return onnx_broken(o, DIAG_E0605, "the input '%s' is not of a floating type (data type %d)", SG_Q(v->name), type);
  if (shape->n_dim < 2 || shape->n_dim > MAX_SHAPE_RANK + 1)
    return onnx_broken(o, DIAG_E0605, "the input '%s' has %zu dimensions; the batch and one to %d others are supported",
                       SG_Q(v->name), shape->n_dim, MAX_SHAPE_RANK);
  v->rank = (int)shape->n_dim;
  o->batch = dim_of(shape->dim[0]);
  Shape known = {.rank = v->rank - 1};
  double count = 1;
  for (int i = 0; i < known.rank; i++) {
    int64_t size = dim_of(shape->dim[i + 1]);
    if (size == 0) return true; /* open: the script's `input` states it */
    known.dim[i] = size;
    count *= (double)size;
    if (size > INT32_MAX || count > 4294967296.0)
      return onnx_broken(o, DIAG_E0605, "one sample of the input '%s' would have more than 2^32 numbers",
                         SG_Q(v->name));
  }
  input->shape = known;
  input->kind = fits_image(&known) ? INPUT_IMAGE : INPUT_TENSOR;
  return true;
}

/* The output as the file states it against what its nodes give. */
static bool check_output(OnnxImport *o) {
  const Onnx__TensorShapeProto *stated = shape_of(o->graph->output[0]);
  const Shape *got = &value_at(o->g, o->g->outputs.at[0].value)->shape;
  if (!stated || got->rank < 0) return true;
  bool same = stated->n_dim == (size_t)got->rank + 1;
  for (int i = 0; same && i < got->rank; i++) {
    int64_t size = dim_of(stated->dim[i + 1]);
    same = size == 0 || size == got->dim[i];
  }
  if (same) return true;
  const char *text = "(N";
  for (size_t i = 1; i < stated->n_dim && i < 8; i++)
    text = arena_printf(o->arena, "%s, %lld", text, (long long)dim_of(stated->dim[i]));
  return onnx_broken(o, DIAG_E0604, "the output is stated to be %s), but its nodes give %s", text,
                     shape_text(o->arena, got));
}

/* Reshapes to (-1, 512): the rest must be 512, or samples would be mixed. */
static bool check_features(OnnxImport *o) {
  for (size_t i = 0; i < o->items.count; i++) {
    const OnnxItem *item = &o->items.at[i];
    if (!item->features) continue;
    const Shape *shape = &value_at(o->g, item->output)->shape;
    if (shape->rank == 1 && shape->dim[0] == item->features) continue;
    return onnx_broken(o, DIAG_E0603, "node '%s' (%s): a reshape to (-1, %lld) of (N, …) with %s is no flatten",
                       SG_Q(item->name), item->type, (long long)item->features,
                       shape->rank < 0 ? "open dimensions" : shape_text(o->arena, shape));
  }
  return true;
}

/* ---- nodes ---- */

/* All operators that are not supported in one message. */
static bool check_operators(OnnxImport *o) {
  struct Missing {
    const char *name;
    int first, count;
  };
  VEC(struct Missing) missing = {0};
  Map seen = {0};
  for (int i = 0; i < (int)o->graph->n_node; i++) {
    NodeInfo *info = &o->nodes[i];
    if (!info->needed || info->done || info->gelu >= 0) continue;
    info->op = onnx_op(info->node);
    if (info->op) continue;
    const OnnxNode *n = info->node;
    bool own = !n->domain || !*n->domain;
    const char *name = own ? n->op_type : arena_printf(o->arena, "%s::%s", n->domain, n->op_type);
    int known = names_find(&seen, name);
    if (known < 0) {
      map_add_text(o->arena, &seen, name)->value = (int)missing.count;
      vec_push(o->arena, &missing, (struct Missing){name, i, 1});
    } else {
      missing.at[known].count++;
    }
  }
  if (missing.count == 0) return true;
  Diag *d = diag_report(&o->s->diags, DIAG_E0602, o->span, "%s has %zu operator%s not supported", SG_Q(o->path),
                        missing.count, missing.count == 1 ? " that is" : "s that are");
  for (size_t i = 0; i < missing.count && i < 40; i++)
    diag_note(&o->s->diags, d, "%s, %d time%s; the first is the node '%s'", SG_Q(missing.at[i].name),
              missing.at[i].count, missing.at[i].count == 1 ? "" : "s", onnx_node_name(o, missing.at[i].first));
  if (missing.count > 40) diag_note(&o->s->diags, d, "and %zu more", missing.count - 40);
  diag_help(&o->s->diags, d, "export the network without them, or take the part before them from a file of its own");
  return false;
}

static bool convert_node(OnnxImport *o, int i) {
  const NodeInfo *info = &o->nodes[i];
  const OnnxNode *n = info->node;
  size_t inputs = n->n_input;
  if (info->gelu >= 0) return convert_gelu(o, i);
  while (inputs > 0 && !*n->input[inputs - 1]) inputs--; /* left out at the end */
  if (inputs < info->op->min_inputs || inputs > info->op->max_inputs)
    return onnx_refuse(o, i, "it has %zu inputs, which is too %s", inputs,
                       inputs < info->op->min_inputs ? "few" : "many");
  for (size_t k = 1; k < n->n_output; k++) {
    int index = *n->output[k] ? names_find(&o->names, n->output[k]) : -1;
    if (index >= 0 && o->values.at[index].uses > 0)
      return onnx_refuse(o, i, "its output %zu, '%s', is used; only the first is supported", k + 1, SG_Q(n->output[k]));
  }
  return attributes_known(o, i, info->op->attributes) && info->op->convert(o, i);
}

static bool convert_nodes(OnnxImport *o) {
  bool good = true;
  for (int i = 0; i < (int)o->graph->n_node; i++)
    if (o->nodes[i].needed && !o->nodes[i].done) good = convert_node(o, i) && good;
  return good;
}

/* ---- the whole ---- */

static const char *network_name(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
  char *name = arena_strndup(arena, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
  for (char *c = name; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return name;
}

/* Other files that hold tensors, for -MD; and what is not f32. */
static void report_tensors(OnnxImport *o) {
  Map seen = {0};
  const char *slash = strrchr(o->path, '/'), *converted = NULL;
  for (size_t i = 0; i < o->graph->n_initializer; i++) {
    const OnnxTensorProto *t = o->graph->initializer[i];
    for (size_t k = 0; t->data_location == 1 && k < t->n_external_data; k++) {
      const char *value = t->external_data[k]->value;
      if (!streq(t->external_data[k]->key, "location") || !value || names_find(&seen, value) >= 0) continue;
      map_add_text(o->arena, &seen, value)->value = 1;
      vec_push(o->s->arena, &o->s->dependencies,
               arena_printf(o->s->arena, "%.*s%s", slash ? (int)(slash - o->path + 1) : 0, o->path, value));
    }
  }
  for (size_t i = 0; i < o->g->params.count && !converted; i++) {
    const surgery_tensor *t =
        param_at(o->g, i)->donor == NO_ID ? NULL : surgery_weights_find(o->weights, param_at(o->g, i)->donor_key);
    if (t && t->dtype != SURGERY_F32) converted = surgery_dtype_name(t->dtype);
  }
  if (converted)
    diag_report(&o->s->diags, DIAG_N0403, o->span, "%s holds %s, which is converted to f32", o->path, converted);
}

/* What is unknown of a graph whose inputs or outputs do not fit: said in the same run. Not of what may be the computing
 * of shapes or a part of GELU, which is known only where the values are. */
static void list_operators(OnnxImport *o) {
  static const char *const unsure[] = {
      "Constant",        "Mul",    "Div",   "Sub", "Erf", "Pow", "Sqrt", "Equal", "Where", "Range", "Floor", "Ceil",
      "ConstantOfShape", "Expand", "Slice", "Tanh"};
  for (size_t i = 0; i < o->graph->n_node; i++) {
    NodeInfo *info = &o->nodes[i];
    const OnnxNode *n = info->node;
    info->needed = n->op_type && n->n_output > 0;
    for (size_t k = 0; info->needed && k < sizeof unsure / sizeof *unsure; k++)
      info->needed = !streq(n->op_type, unsure[k]);
  }
  check_operators(o);
}

static bool read_graph(OnnxImport *o, const Onnx__ModelProto *model) {
  o->graph = model->graph;
  if (!o->graph) return onnx_broken(o, DIAG_E0601, "it has no graph");
  if (!read_version(o, model)) return false;
  if (!values_collect(o) || !read_input(o)) {
    list_operators(o);
    return false;
  }
  constants_resolve(o);
  onnx_find_gelus(o);
  if (!check_operators(o) || !convert_nodes(o) || o->reports > 0 || !onnx_build(o)) return false;
  if (o->g->input.shape.rank >= 0 && !infer_shapes(o->s, o->g)) return false;
  if (!check_features(o) || !check_output(o)) return false;
  report_tensors(o);
  return true;
}

static bool not_a_network(OnnxImport *o) {
  if (o->reports++ >= ONNX_MAX_REPORTS) return false;
  Diag *d = diag_report(&o->s->diags, DIAG_E0601, o->span, "%s is a weight file (%s), not a network", SG_Q(o->path),
                        surgery_weights_note(o->weights));
  help_take_from(o->s, d, o->span, o->asked, o->guess(o->s, o->weights), true);
  return false;
}

static bool read_file(OnnxImport *o) {
  surgery_error err = {0};
  Budget budget = {0};
  ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
  Onnx__ModelProto *model = NULL;
  o->weights = surgery_weights_open(o->path, &err); /* checks all tensors, and that it is an ONNX file at all */
  if (!o->weights) {
    Diag *d = diag_report(&o->s->diags, DIAG_E0601, o->span, "the ONNX file cannot be read: %s", err.message);
    diag_help(&o->s->diags, d, "export it again; torch.onnx.export writes such a file");
    return false;
  }
  if (strncmp(surgery_weights_note(o->weights), "onnx", 4) != 0) return not_a_network(o);
  o->wrapped = strstr(surgery_weights_note(o->weights), "taken off") != NULL;
  bool good = unpack(o, &allocator, &model) && read_graph(o, model);
  if (model) onnx__model_proto__free_unpacked(model, &allocator);
  return good;
}

Graph *import_onnx(Session *s, const char *path, Span origin, GuessModel *guess) {
  const char *found = find_file(s, path, origin);
  if (!found) return NULL;
  vec_push(s->arena, &s->dependencies, found);
  Arena *arena = arena_create();
  Graph *g = graph_create(s->arena, network_name(s->arena, found));
  OnnxImport o = {.s = s, .arena = arena, .g = g, .span = origin, .path = found, .asked = path, .guess = guess};
  vec_push(s->arena, &g->donors, (DonorFile){.model = g->name, .path = found, .span = origin});
  bool good = read_file(&o);
  g->donors.at[0].open = o.weights;
  if (!good && o.weights) surgery_weights_close(o.weights);
  arena_destroy(arena);
  return good ? g : NULL;
}
