/* From items to the graph: each gets its place in the module tree, its parameters are bound to the file's
 * tensors, and its call becomes a node. Called by onnx.c when all nodes were read. */
#include "compiler/import/onnx_internal.h"
#include <ctype.h>

/* ---- the module tree ---- */

/* The name with the next free _N when it is taken. */
static const char *free_path(OnnxImport *o, const char *path) {
  if (names_find(&o->paths, path) < 0) return path;
  int n = names_find(&o->suffixes, path);
  const char *next = path;
  for (n = n < 1 ? 1 : n; names_find(&o->paths, next) >= 0; n++) next = arena_printf(o->arena, "%s_%d", path, n);
  map_add_text(o->arena, &o->suffixes, path)->value = n;
  return next;
}

static ModuleId add_module(OnnxImport *o, ModuleId parent, const char *path, const char *type, OpId op) {
  const char *name = arena_strdup(o->s->arena, path), *dot = strrchr(name, '.');
  ModuleId id = graph_add_module(o->g, parent, dot ? dot + 1 : name, type, op, o->span);
  map_add_text(o->arena, &o->paths, name)->value = id;
  return id;
}

/* The container of that name, made with all above it. NO_ID where a layer has the name of one of them. */
static ModuleId container(OnnxImport *o, const char *path) {
  ModuleId at = 0;
  for (const char *end = path; *path && *end;) {
    end = strchrnul(*end == '.' ? end + 1 : end, '.');
    const char *part = arena_strndup(o->arena, path, (size_t)(end - path));
    int known = names_find(&o->paths, part);
    if (known >= 0 && module_at(o->g, known)->op != OP_NONE) return NO_ID;
    at = known >= 0 ? known : add_module(o, at, part, "", OP_NONE);
  }
  return at;
}

static ModuleId add_layer(OnnxImport *o, const char *path, OpId op) {
  const char *type = op_info(op)->name, *dot = strrchr(path, '.');
  ModuleId parent = dot ? container(o, arena_strndup(o->arena, path, (size_t)(dot - path))) : 0;
  if (parent != NO_ID) return add_module(o, parent, free_path(o, path), type, op);
  char *flat = arena_strdup(o->arena, path); /* a layer has children by name: rare, and no tree */
  for (char *c = flat; *c; c++)
    if (*c == '.') *c = '_';
  return add_module(o, 0, free_path(o, flat), type, op);
}

/* A container whose children are numbered is what PyTorch calls Sequential; the types of others are not in
 * the file. */
static void name_containers(Graph *g) {
  for (size_t i = 1; i < g->modules.count; i++) {
    Module *m = module_at(g, i);
    if (m->op != OP_NONE) continue;
    bool numbers = true;
    for (size_t k = 0; k < m->children.count; k++) {
      const char *local = module_at(g, m->children.at[k])->local;
      numbers = numbers && local[strspn(local, "0123456789")] == '\0';
    }
    m->type = numbers ? "Sequential" : "Module";
  }
}

/* ---- places ---- */

typedef struct Place {
  const char *path; /* of the layer, or of the function's call */
  bool function;
  bool own_scope; /* the layer stands alone in its scope, as the forward of a module does */
} Place;

typedef struct Scopes { /* how many items stand in each scope, and whether there are scopes inside it */
  Map names;
  VEC(struct ScopeUse {
    int items;
    bool deeper;
  })
  use;
} Scopes;

static struct ScopeUse *scope_use(OnnxImport *o, Scopes *scopes, const char *scope) {
  int index = names_find(&scopes->names, scope);
  if (index < 0) {
    index = (int)scopes->use.count;
    map_add_text(o->arena, &scopes->names, scope)->value = index;
    vec_push(o->arena, &scopes->use, (struct ScopeUse){0});
  }
  return &scopes->use.at[index];
}

static void count_scopes(OnnxImport *o, Scopes *scopes) {
  for (size_t i = 0; i < o->items.count; i++) {
    const char *scope, *last;
    name_from_node(o, o->items.at[i].name, o->items.at[i].type, &scope, &last);
    if (!scope) continue;
    scope_use(o, scopes, scope)->items++;
    for (const char *dot = strrchr(scope, '.'); dot; dot = strrchr(scope, '.')) {
      scope = arena_strndup(o->arena, scope, (size_t)(dot - scope));
      scope_use(o, scopes, scope)->deeper = true;
    }
  }
}

static const char *lower_case(Arena *arena, const char *text) {
  char *copy = arena_strdup(arena, text);
  for (char *c = copy; *c; c++) *c = (char)tolower((unsigned char)*c);
  return copy;
}

static const char *join(OnnxImport *o, const char *scope, const char *last) {
  return scope && *scope ? arena_printf(o->arena, "%s.%s", scope, last) : last;
}

static Place find_place(OnnxImport *o, Scopes *scopes, const OnnxItem *item) {
  const char *scope, *last, *keys = name_from_params(o, item);
  if (keys) return (Place){.path = keys};
  name_from_node(o, item->name, item->type, &scope, &last);
  const char *function = item->function ? op_info(item->function)->name : NULL;
  if (!scope) { /* a file without scopes: every layer is the network's own child */
    bool named = *item->name != '\0';
    if (item->layer) return (Place){.path = named ? last : lower_case(o->arena, last)};
    return (Place){.path = named ? last : function, .function = true};
  }
  const struct ScopeUse *use = scope_use(o, scopes, scope);
  if (*scope && use->items == 1 && !use->deeper) return (Place){scope, item->layer == OP_NONE, true};
  if (function) return (Place){.path = join(o, scope, function), .function = true};
  return (Place){.path = join(o, scope, lower_case(o->arena, last))};
}

/* ---- layers and calls ---- */

/* PyTorch calls the scope of a module's second run relu_1. Without parameters it is the same layer by its
 * arguments. */
static ModuleId called_before(OnnxImport *o, const OnnxItem *item, const Place *place) {
  size_t length = strlen(place->path), digits = 0;
  if (!place->own_scope || item->param_count > 0) return NO_ID;
  while (digits < length && isdigit((unsigned char)place->path[length - 1 - digits])) digits++;
  if (digits == 0 || length < digits + 2 || place->path[length - digits - 1] != '_') return NO_ID;
  int known = names_find(&o->paths, arena_strndup(o->arena, place->path, length - digits - 1));
  if (known < 0) return NO_ID;
  const Module *m = module_at(o->g, known);
  bool same = m->op == item->layer && m->params.count == 0 && op_same_args(m->op, &m->args, &item->args);
  return same ? known : NO_ID;
}

static void bind_params(OnnxImport *o, ModuleId module, const OnnxItem *item) {
  Graph *g = o->g;
  graph_add_params(g, module);
  const Module *m = module_at(g, module);
  for (size_t i = 0; i < m->params.count; i++) {
    Param *p = param_at(g, m->params.at[i]);
    const char *role = op_info(m->op)->params[p->role].name;
    for (int k = 0; k < item->param_count; k++) { /* num_batches_tracked is in no ONNX file and begins at 0 */
      if (!streq(item->params[k].role, role)) continue;
      p->donor = 0;
      p->donor_key = item->params[k].key;
      p->donor_form = item->params[k].form;
    }
  }
}

static ModuleId layer_of(OnnxImport *o, const OnnxItem *item, const Place *place) {
  if (item->same_layer >= 0) return o->items.at[item->same_layer].module;
  ModuleId module = called_before(o, item, place);
  if (module != NO_ID) return module;
  module = add_layer(o, place->path, item->layer);
  module_at(o->g, module)->args = item->args;
  bind_params(o, module, item);
  return module;
}

static ValueId value_of(const OnnxImport *o, int item) {
  return item < 0 ? o->g->input_value : o->items.at[item].output;
}

static void add_call(OnnxImport *o, Scopes *scopes, OnnxItem *item) {
  Graph *g = o->g;
  Place place = find_place(o, scopes, item);
  ModuleId scope;
  const char *name;
  if (place.function) {
    const char *dot = strrchr(place.path, '.');
    scope = dot ? container(o, arena_strndup(o->arena, place.path, (size_t)(dot - place.path))) : 0;
    if (scope == NO_ID) scope = 0;
    name = arena_strdup(o->s->arena, place.path);
  } else {
    item->module = layer_of(o, item, &place);
    scope = module_at(g, item->module)->parent;
    name = module_at(g, item->module)->name;
  }
  NodeId node = graph_add_node(g, place.function ? item->function : item->layer, item->module, scope, name, o->span);
  if (place.function) node_at(g, node)->args = item->args;
  const int *inputs = item->more ? item->more : item->inputs;
  for (int i = 0; i < item->input_count; i++) vec_push(g->arena, &node_at(g, node)->inputs, value_of(o, inputs[i]));
  item->output = node_at(g, node)->output;
}

bool onnx_build(OnnxImport *o) {
  Scopes scopes = {0};
  count_scopes(o, &scopes);
  o->g->input_value = graph_add_value(o->g, NO_ID);
  for (size_t i = 0; i < o->items.count; i++) add_call(o, &scopes, &o->items.at[i]);
  name_containers(o->g);
  const OnnxValue *out = &o->values.at[o->output];
  if (out->kind != VALUE_FLOW || out->item < 0)
    return onnx_broken(o, DIAG_E0604, "no layer gives the output '%s'", SG_Q(out->name));
  if (out->pad[0] || out->pad[1])
    return onnx_refuse(o, out->producer, "it gives the output; only Conv and AveragePool can take in a Pad");
  vec_push(o->g->arena, &o->g->outputs, (Output){"output", value_of(o, out->item)});
  graph_check(o->g);
  return true;
}
