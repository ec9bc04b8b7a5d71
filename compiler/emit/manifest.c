/* The manifest that a compiled network carries: runtime/abi.h describes it, runtime/net/manifest.c reads it. JSON
 * by jansson, keys in the order they are set. Reads the plan and its graph; changes neither. Called by
 * emit.c. */
#include "compiler/weights/weights.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/manifest.h"
#include "runtime/base/content_hash.h"
#include <jansson.h>
#include <stdlib.h>
#include <math.h>

/* Text that need not be UTF-8 (labels, paths): what is none becomes U+FFFD, since JSON cannot hold it. */
json_t *manifest_string(const char *text) {
  if (!text) return json_null();
  json_t *whole = json_string(text);
  if (whole) return whole;
  size_t length = strlen(text), used = 0;
  char *mended = malloc(length * 3 + 1);
  if (!mended) fail_environment("no memory for the manifest");
  for (size_t i = 0; i < length;) {
    size_t size = 1;
    json_t *one = NULL; /* the shortest run of bytes that is a character */
    for (; size <= 4 && i + size <= length && !one; size++) one = json_stringn(text + i, size);
    if (one) size--;
    else size = 1;
    memcpy(mended + used, one ? text + i : "\xEF\xBF\xBD", one ? size : 3);
    used += one ? size : 3;
    i += size;
    json_decref(one);
  }
  json_t *string = json_stringn(mended, used);
  free(mended);
  return string;
}

json_t *manifest_size(const int64_t size[2]) {
  json_t *pair = json_array();
  for (int i = 0; i < 2; i++) json_array_append_new(pair, size[i] == NONE_VALUE ? json_null() : json_integer(size[i]));
  return pair;
}

json_t *manifest_shape(const Shape *shape) {
  json_t *dims = json_array();
  for (int i = 0; i < shape->rank; i++) json_array_append_new(dims, json_integer(shape->dim[i]));
  return dims;
}

static json_t *numbers(const double *at, int count) {
  json_t *list = json_array();
  for (int i = 0; i < count; i++) json_array_append_new(list, json_real(at[i]));
  return list;
}

static json_t *preprocess_json(const Preprocess *p) {
  switch (p->kind) {
  case PRE_GRAYSCALE: return json_pack("{s:s}", "op", "grayscale");
  case PRE_EXIF_TRANSPOSE: return json_pack("{s:s}", "op", "exif_transpose");
  case PRE_RESIZE: return json_pack("{s:s, s:o}", "op", "resize", "size", manifest_size(p->size));
  case PRE_CENTER_CROP: return json_pack("{s:s, s:o}", "op", "center_crop", "size", manifest_size(p->size));
  case PRE_NORMALIZE:
    return json_pack("{s:s, s:o, s:o}", "op", "normalize", "mean", numbers(p->mean, p->channels), "std",
                     numbers(p->std, p->channels));
  }
  BUG("preprocessing of kind %d", (int)p->kind);
}

/* The least number of rows of the tables that the input's tokens are looked up in. */
static int64_t vocabulary(const Graph *g) {
  int64_t least = INT32_MAX;
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    if (!n->alive || n->op != OP_Embedding) continue;
    ValueId from = n->inputs.at[0];
    while (value_at(g, from)->producer != NO_ID && node_at(g, value_at(g, from)->producer)->op == OP_Identity)
      from = node_at(g, value_at(g, from)->producer)->inputs.at[0];
    int64_t rows = node_args(g, (NodeId)i)->Embedding.num_embeddings;
    if (from == g->input_value && rows < least) least = rows;
  }
  return least;
}

static json_t *input_json(const Graph *g) {
  const Input *input = &g->input;
  json_t *steps = json_array();
  for (size_t i = 0; i < input->preprocess.count; i++)
    json_array_append_new(steps, preprocess_json(&input->preprocess.at[i]));
  json_t *json = json_pack("{s:s, s:o, s:o}", "kind", input_kind_name(input->kind), "shape",
                           manifest_shape(&input->shape), "preprocess", steps);
  if (input->mask) json_object_set_new(json, "mask", json_true());
  if (input->kind == INPUT_TOKENS) json_object_set_new(json, "vocabulary", json_integer(vocabulary(g)));
  return json;
}

static json_t *outputs_json(const Graph *g) {
  json_t *list = json_array();
  for (size_t i = 0; i < g->outputs.count; i++)
    json_array_append_new(list, json_pack("{s:o, s:o}", "name", manifest_string(g->outputs.at[i].name), "shape",
                                          manifest_shape(&value_at(g, g->outputs.at[i].value)->shape)));
  return list;
}

static json_t *fresh_json(const Graph *g, ParamId id) {
  static const char *const kinds[][2] = {[INIT_CONSTANT] = {"constant", "value"},
                                         [INIT_UNIFORM] = {"uniform", "bound"},
                                         [INIT_NORMAL] = {"normal", "deviation"}};
  if (param_at(g, id)->donor != NO_ID || param_at(g, id)->patches.count > 0) return json_null();
  Initializer fresh = param_initializer(g, id);
  json_t *json = json_pack("{s:s, s:f}", "kind", kinds[fresh.kind][0], kinds[fresh.kind][1], fresh.value);
  int64_t row = param_zero_row(g, id);
  if (fresh.shift != 0) json_object_set_new(json, "shift", json_real(fresh.shift));
  if (row >= 0) json_object_set_new(json, "zero_row", json_integer(row));
  if (param_at(g, id)->stream) json_object_set_new(json, "stream", manifest_string(param_at(g, id)->stream));
  return json;
}

static json_t *tensors_json(const Plan *plan, const ParamList *state) {
  const Graph *g = plan->graph;
  json_t *list = json_array();
  for (size_t i = 0; i < state->count; i++) {
    ParamId id = state->at[i];
    const Param *p = &plan->trained->params.at[id];
    int64_t grad = (size_t)id < plan->grad_offset.count ? plan->grad_offset.at[id] : -1;
    json_array_append_new(list, json_pack("{s:o, s:o, s:s, s:I, s:b, s:b, s:b, s:I, s:i, s:o}", "name",
                                          manifest_string(p->name), "shape", manifest_shape(&p->shape), "dtype",
                                          dtype_name(p->shape.dtype), "offset", (json_int_t)plan->weight_offset.at[id],
                                          "buffer", p->is_buffer, "shared", p->shares != NO_ID, "trainable",
                                          p->trainable && !p->is_buffer, "grad", (json_int_t)grad, "group",
                                          manifest_group(plan->train ? train_phase(plan->train, 0) : NULL, id), "fresh",
                                          fresh_json(g, id)));
  }
  return list;
}

static json_t *parameters_json(const Graph *g) {
  Totals t = module_totals(g, 0, true);
  return json_pack("{s:I, s:I, s:I}", "total", (json_int_t)t.all, "trainable", (json_int_t)t.trained, "frozen",
                   (json_int_t)(t.all - t.trained));
}

json_t *manifest_functions(const Plan *plan) {
  static const char *const names[] = {"pack", "forward", "prefix", "tail", "step", "inspect", "loss"};
  const Program *schedules[] = {&plan->pack, &plan->forward, &plan->prefix, &plan->tail,
                                &plan->step, &plan->inspect, &plan->loss};
  json_t *functions = json_object();
  for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++) {
    const Program *s = schedules[i];
    if (!s->present) continue;
    json_t *function = json_pack("{s:I, s:I, s:I}", "per_sample", (json_int_t)s->per_sample_bytes, "fixed",
                                 (json_int_t)s->fixed_bytes, "scratch", (json_int_t)s->scratch_bytes);
    if (s->samples) json_object_set_new(function, "samples", json_integer((json_int_t)s->samples));
    json_object_set_new(functions, names[i], function);
  }
  return functions;
}

/* A layer counts as frozen when it was frozen whole, or when nothing of what it has can be learnt. */
static bool layer_frozen(const Graph *g, NodeId call) {
  Totals t = node_totals(g, call);
  return t.all ? t.trained == 0 : module_at(g, node_at(g, call)->module)->frozen;
}

static json_t *layer_json(const Graph *g, NodeId call) {
  const Node *n = node_at(g, call);
  const Module *m = module_at(g, n->module);
  return json_pack("{s:o, s:o, s:o, s:I, s:b}", "name", manifest_string(m->name), "type", manifest_string(m->type),
                   "shape", manifest_shape(&value_at(g, n->output)->shape), "parameters",
                   (json_int_t)node_totals(g, call).all, "frozen", layer_frozen(g, call));
}

typedef VEC(NodeId) LayerList;

/* Layers, each once, in the order in which the data meets them first: by that call. */
static LayerList layer_order(Arena *arena, const Graph *g) {
  LayerList list = {0};
  bool *seen = arena_array(arena, bool, g->modules.count + 1);
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *node = node_at(g, g->order.at[i]);
    if (!node->alive || node->module == NO_ID || seen[node->module]) continue;
    seen[node->module] = true;
    vec_push(arena, &list, g->order.at[i]);
  }
  return list;
}

static json_t *layers_json(Arena *arena, const Graph *g) {
  json_t *list = json_array();
  LayerList order = layer_order(arena, g);
  for (size_t i = 0; i < order.count; i++) json_array_append_new(list, layer_json(g, order.at[i]));
  return list;
}

json_t *manifest_frozen_layers(Arena *arena, const Graph *g) {
  json_t *list = json_array();
  LayerList order = layer_order(arena, g);
  for (size_t i = 0; i < order.count; i++)
    if (layer_frozen(g, order.at[i])) json_array_append_new(list, json_integer((json_int_t)i));
  return list;
}

/* Must pack() run again after a step? Where it reads a tensor that learns, or statistics that move. */
bool manifest_repack(const Plan *plan, const ParamList *state) {
  const Graph *g = plan->trained;
  const Program *pack = &plan->first->pack;
  if (!plan->step.present) return false;
  for (size_t i = 0; i < pack->calls.count; i++) {
    const Call *call = &pack->calls.at[i];
    for (int b = 0; b < call->buf_count; b++) {
      const Buffer *buffer = call->buf[b] == NO_ID ? NULL : &pack->buffers.at[call->buf[b]];
      if (!buffer || buffer->space != SPACE_WEIGHTS) continue;
      for (size_t k = 0; k < state->count; k++) {
        const Param *p = param_at(g, state->at[k]);
        if (plan->weight_offset.at[state->at[k]] != buffer->offset) continue;
        if (p->is_buffer ? !module_at(g, p->module)->frozen : p->trainable) return true;
      }
    }
  }
  return false;
}

/* The number of the tensor that holds this byte of the weights. */
static int tensor_at(const Plan *plan, const ParamList *state, int64_t offset) {
  for (size_t i = 0; i < state->count; i++) {
    const Param *p = &plan->trained->params.at[state->at[i]];
    int64_t begin = plan->weight_offset.at[state->at[i]],
            bytes = shape_count(&p->shape) * (p->shape.dtype == DTYPE_I64 ? 8 : 4);
    if (offset >= begin && offset < begin + bytes) return (int)i; /* of several that are the same, the first */
  }
  BUG("no tensor holds byte %lld of the weights", (long long)offset);
}

static void mark_read(const Plan *plan, const ParamList *state, const Program *s, const Call *call, bool *read) {
  for (int b = 0; b < call->buf_count; b++) {
    const Buffer *buffer = call->buf[b] == NO_ID ? NULL : &s->buffers.at[call->buf[b]];
    if (buffer && buffer->space == SPACE_WEIGHTS) read[tensor_at(plan, state, buffer->offset)] = true;
  }
}

static json_t *read_json(const bool *read, size_t count) {
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++)
    if (read[i]) json_array_append_new(list, json_integer((json_int_t)i));
  return list;
}

/* What each call of pack reads, and what is read without packing by what evaluates. */
static void set_reads(Arena *arena, const Plan *plan, const ParamList *state, json_t *root) {
  bool *read = arena_array(arena, bool, state->count + 1);
  json_t *calls = json_array();
  for (size_t i = 0; i < plan->pack.calls.count; i++) {
    memset(read, 0, state->count);
    mark_read(plan, state, &plan->pack, &plan->pack.calls.at[i], read);
    json_array_append_new(calls, read_json(read, state->count));
  }
  memset(read, 0, state->count);
  const Program *evaluating[] = {&plan->forward, &plan->prefix, &plan->tail};
  for (size_t s = 0; s < sizeof evaluating / sizeof *evaluating; s++)
    for (size_t i = 0; i < evaluating[s]->calls.count; i++)
      mark_read(plan, state, evaluating[s], &evaluating[s]->calls.at[i], read);
  json_object_set_new(root, "pack_reads", calls);
  json_object_set_new(root, "eval_reads", read_json(read, state->count));
}

static ContentHash hash_program(ContentHash d, const Program *s) {
  for (size_t i = 0; i < s->calls.count; i++) {
    const Call *call = &s->calls.at[i];
    d = content_hash_text(d, kernel_info(call->kernel)->name);
    d = content_hash(d, call->word, (size_t)call->word_count * sizeof *call->word);
    for (int b = 0; b < call->buf_count; b++) {
      const Buffer *buffer = call->buf[b] == NO_ID ? NULL : &s->buffers.at[call->buf[b]];
      int64_t place[] = {buffer ? (int64_t)buffer->space : -1, buffer ? buffer->offset : 0, buffer ? buffer->bytes : 0};
      d = content_hash(d, place, sizeof place);
    }
  }
  return d;
}

/* Whatever decides on the features of a sample, but for the numbers of the weights. */
static json_t *features_key(const Plan *plan) {
  json_t *input = input_json(plan->graph);
  char *text = json_dumps(input, JSON_COMPACT);
  ContentHash d = hash_program(content_hash_text((ContentHash){{0}}, text), &plan->first->pack);
  d = hash_program(d, &plan->prefix);
  free(text);
  json_decref(input);
  return json_sprintf("%016llx%016llx", (unsigned long long)d.word[0], (unsigned long long)d.word[1]);
}

json_t *manifest_features(const Plan *plan) {
  if (!plan->prefix.present) return json_null();
  return json_pack("{s:I, s:o, s:o}", "bytes", (json_int_t)plan->features_bytes, "shape",
                   manifest_shape(&plan->features), "key", features_key(plan));
}

static const char *base_name(Arena *arena, const EmitOptions *o) {
  const char *slash = strrchr(o->output, '/'), *base = slash ? slash + 1 : o->output;
  const char *dot = o->kind == EMIT_EXE ? NULL : strrchr(base, '.');
  return dot && dot != base ? arena_strndup(arena, base, (size_t)(dot - base)) : base;
}

static json_t *labels_json(const Graph *g) {
  json_t *list = json_array();
  for (size_t i = 0; i < g->labels.count; i++) json_array_append_new(list, manifest_string(g->labels.at[i]));
  return list;
}

/* ---- what selectors need: the tree of modules, the calls in forward order, the stages ---- */

typedef struct Listing {
  const Graph *g;
  json_t *modules;
  int *index; /* by ModuleId: its place in `modules` */
} Listing;

/* Depth first, so that children are in their declared order. */
static void list_modules(Listing *l, ModuleId id) {
  const Module *m = module_at(l->g, id);
  if (!m->alive) return;
  l->index[id] = (int)json_array_size(l->modules);
  json_t *json = json_pack("[o, o]", manifest_string(m->name), manifest_string(m->type ? m->type : ""));
  if (m->parent != NO_ID) json_array_append_new(json, json_integer(l->index[m->parent]));
  json_array_append_new(l->modules, json);
  for (size_t i = 0; i < m->children.count; i++) list_modules(l, m->children.at[i]);
}

static void set_layout(Arena *arena, const Graph *g, json_t *root) {
  Listing l = {g, json_array(), arena_array(arena, int, g->modules.count)};
  json_t *calls = json_array(), *stages = json_array();
  list_modules(&l, 0);
  for (size_t i = 0; i < g->order.count; i++) {
    const Node *n = node_at(g, g->order.at[i]);
    if (!n->alive) continue;
    ModuleId home = n->module != NO_ID ? n->module : n->scope;
    json_array_append_new(calls, json_pack("[o, o, i, i]", manifest_string(n->name),
                                           n->module == NO_ID ? manifest_string(op_info(n->op)->name) : json_null(),
                                           home == NO_ID ? 0 : l.index[home], n->stage));
  }
  for (size_t i = 0; i < g->stages.count; i++) json_array_append_new(stages, manifest_string(g->stages.at[i].name));
  json_object_set_new(root, "modules", l.modules);
  json_object_set_new(root, "calls", calls);
  json_object_set_new(root, "stages", stages);
}

const char *manifest_text(Arena *arena, const Plan *plan, const EmitOptions *o) {
  const Graph *g = plan->graph;
  ParamList state = graph_state_dict(g, arena, true);
  json_t *root = json_object();
  json_object_set_new(root, "name", manifest_string(base_name(arena, o)));
  json_object_set_new(root, "script", manifest_string(o->script_name));
  json_object_set_new(root, "compiler", json_string(SURGERY_VERSION));
  json_object_set_new(root, "weights_file", manifest_string(o->weights_file));
  if (o->weights_path) json_object_set_new(root, "weights_path", manifest_string(o->weights_path));
  json_object_set_new(root, "input", input_json(g));
  json_object_set_new(root, "outputs", outputs_json(g));
  json_object_set_new(root, "labels", labels_json(g));
  json_object_set_new(root, "tensors", tensors_json(plan, &state));
  json_object_set_new(root, "weights_bytes", json_integer(plan->weights_bytes));
  json_object_set_new(root, "packed_bytes", json_integer(plan->packed_bytes));
  json_object_set_new(root, "grads_bytes", json_integer(plan->grads_bytes));
  json_object_set_new(root, "repack", json_boolean(manifest_repack(plan, &state)));
  json_object_set_new(root, "functions", manifest_functions(plan));
  if (o->kind == EMIT_EXE) set_reads(arena, plan, &state, root);
  json_object_set_new(root, "features", manifest_features(plan));
  json_object_set_new(root, "parameters", parameters_json(g));
  json_object_set_new(root, "flops", json_real(program_flops(&plan->forward)));
  json_object_set_new(root, "layers", layers_json(arena, g));
  set_layout(arena, g, root);
  if (plan->inspect.present) manifest_inspect(arena, plan, root);
  if (plan->train && plan->train->phases.count)
    json_object_set_new(root, "phases", manifest_phases(arena, plan, &state));
  char *text = json_dumps(root, JSON_COMPACT);
  json_decref(root);
  if (!text) BUG("the manifest cannot be written as JSON");
  const char *copy = arena_strdup(arena, text);
  free(text);
  return copy;
}
