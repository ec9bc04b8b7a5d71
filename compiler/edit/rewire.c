/* What the edits share: which values enter and leave a part of the network, how uses are turned from one
 * value to another, where new calls stand in the order, and what is alive afterwards. Reports nothing about
 * the language but what several edits would say alike. Called by the edits. */
#include "compiler/edit/edit.h"
#include "compiler/ops/shape.h"
#include <ctype.h>

/* ---- boundaries ---- */

static void add_once(Arena *arena, ValueList *list, ValueId value) {
  for (size_t i = 0; i < list->count; i++)
    if (list->at[i] == value) return;
  vec_push(arena, list, value);
}

void edit_boundary(const Graph *g, const bool *set, Arena *arena, ValueList *in, ValueList *out) {
  bool *inside = arena_array(arena, bool, g->values.count + 1);
  for (size_t i = 0; i < g->nodes.count; i++)
    if (set[i]) inside[node_at(g, i)->output] = true;
  for (size_t i = 0; i < g->order.count; i++) {
    NodeId id = g->order.at[i];
    const Node *n = node_at(g, id);
    if (!set[id] && !n->alive) continue;
    for (size_t k = 0; k < n->inputs.count; k++) {
      ValueId value = n->inputs.at[k];
      if (set[id] && !inside[value] && value != g->mask_value)
        add_once(arena, in, value); /* the mask is there for all */
      if (!set[id] && inside[value]) add_once(arena, out, value);
    }
  }
  for (size_t i = 0; i < g->outputs.count; i++)
    if (inside[g->outputs.at[i].value]) add_once(arena, out, g->outputs.at[i].value);
}

static void site_boundary(const Graph *g, Arena *arena, CallSite *site) {
  bool *set = arena_array(arena, bool, g->nodes.count + 1);
  for (size_t i = 0; i < site->nodes.count; i++) set[site->nodes.at[i]] = true;
  edit_boundary(g, set, arena, &site->in, &site->out);
  if (site->out.count == 0 && site->nodes.count > 0) /* nobody uses it */
    vec_push(arena, &site->out, node_at(g, site->nodes.at[site->nodes.count - 1])->output);
}

/* How often forward runs through a container: as often as it calls the layer that it calls least. */
static size_t container_calls(const Graph *g, const Unit *unit) {
  size_t least = 0;
  for (size_t i = 0; i < unit->nodes.count; i++) {
    ModuleId layer = node_at(g, unit->nodes.at[i])->module;
    if (layer == NO_ID) continue;
    size_t calls = 0;
    for (size_t k = 0; k < unit->nodes.count; k++) calls += node_at(g, unit->nodes.at[k])->module == layer;
    if (least == 0 || calls < least) least = calls;
  }
  return least;
}

/* Stretches of the order without a foreign live node in between. */
static void split_runs(const Graph *g, const Unit *unit, Arena *arena, CallSites *out) {
  size_t next = 0;
  bool open = false;
  for (size_t i = 0; i < g->order.count && next < unit->nodes.count; i++) {
    NodeId id = g->order.at[i];
    if (id != unit->nodes.at[next]) {
      if (node_at(g, id)->alive) open = false;
      continue;
    }
    if (!open) vec_push(arena, out, (CallSite){0});
    open = true;
    vec_push(arena, &out->at[out->count - 1].nodes, id);
    next++;
  }
}

bool edit_call_sites(EditContext *e, const Unit *unit, Span span, Arena *arena, CallSites *out) {
  const Graph *g = e->graph;
  bool layer = unit->module != NO_ID && module_at(g, unit->module)->op != OP_NONE;
  size_t calls = unit->module == NO_ID || layer ? 1 : container_calls(g, unit);
  if (layer) {
    for (size_t i = 0; i < unit->nodes.count; i++) {
      vec_push(arena, out, (CallSite){0});
      vec_push(arena, &out->at[i].nodes, unit->nodes.at[i]);
    }
  } else if (calls > 1) {
    split_runs(g, unit, arena, out);
    if (out->count != calls) {
      Diag *d = diag_report(&e->s->diags, DIAG_E0216, span, "forward runs %zu times through '%s', without a break",
                            calls, unit->name);
      diag_help(&e->s->diags, d, "name the layers inside it instead");
      return false;
    }
  } else if (unit->nodes.count > 0) {
    vec_push(arena, out, (CallSite){.nodes = unit->nodes});
  }
  for (size_t i = 0; i < out->count; i++) site_boundary(g, arena, &out->at[i]);
  return true;
}

/* ---- rewiring ---- */

void edit_redirect_node(Graph *g, NodeId node, ValueId from, ValueId to, Span by) {
  Node *n = node_at(g, node);
  for (size_t k = 0; k < n->inputs.count; k++) {
    if (n->inputs.at[k] != from) continue;
    n->inputs.at[k] = to;
    n->origin = by;
  }
}

void edit_redirect(Graph *g, ValueId from, ValueId to, size_t before, Span by) {
  for (size_t i = 0; i < before && i < g->nodes.count; i++) edit_redirect_node(g, (NodeId)i, from, to, by);
  for (size_t i = 0; i < g->outputs.count; i++)
    if (g->outputs.at[i].value == from) g->outputs.at[i].value = to;
}

void edit_move_order(Graph *g, size_t first, size_t to) {
  size_t moved = g->order.count - first;
  if (moved == 0 || to >= first) return;
  Arena *scratch = arena_create();
  NodeId *keep = arena_array(scratch, NodeId, moved);
  memcpy(keep, g->order.at + first, moved * sizeof *keep);
  memmove(g->order.at + to + moved, g->order.at + to, (first - to) * sizeof *keep);
  memcpy(g->order.at + to, keep, moved * sizeof *keep);
  arena_destroy(scratch);
}

size_t edit_order_place(const Graph *g, NodeId node) {
  for (size_t i = 0; i < g->order.count; i++)
    if (g->order.at[i] == node) return i;
  BUG("node '%s' is not in the order", node_at(g, node)->name);
}

size_t edit_place_after(const Graph *g, ValueId value) {
  NodeId producer = value_at(g, value)->producer;
  return producer == NO_ID ? 0 : edit_order_place(g, producer) + 1;
}

int edit_stage_of(const Graph *g, ValueId value) {
  NodeId producer = value_at(g, value)->producer;
  return producer == NO_ID ? NO_ID : node_at(g, producer)->stage;
}

/* ---- life and death ---- */

void edit_retire_node(Graph *g, NodeId node) {
  Node *n = node_at(g, node);
  n->alive = n->cut = false;
  n->name = arena_printf(g->arena, "%s~%d", n->name, node); /* no name in the language has a ~ */
  graph_names_freed(g);
}

void edit_retire_module(Graph *g, ModuleId module) {
  Module *m = module_at(g, module);
  m->alive = m->cut = false;
  graph_names_freed(g);
  for (size_t i = 0; i < m->children.count; i++) edit_retire_module(g, m->children.at[i]);
}

void edit_update_alive(Graph *g) {
  size_t count = g->modules.count;
  Arena *scratch = arena_create();
  bool *called = arena_array(scratch, bool, count), *live = arena_array(scratch, bool, count);
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    if (n->module == NO_ID) continue;
    called[n->module] = true;
    live[n->module] |= n->alive;
  }
  for (size_t i = count; i-- > 1;) { /* children have higher ids than their parents */
    Module *m = module_at(g, i);
    bool was = m->alive, is = called[i] ? live[i] : m->alive;
    if (m->op == OP_NONE && m->children.count > 0) {
      is = false;
      for (size_t k = 0; k < m->children.count && !is; k++) is = module_at(g, m->children.at[k])->alive;
    }
    m->alive = is;
    if (is && !was) graph_revive_module(g, (ModuleId)i);
    if (was && !is) graph_names_freed(g);
  }
  for (size_t i = 1; i < count; i++)
    if (module_at(g, i)->alive) module_at(g, i)->cut = false;
  arena_destroy(scratch);
}

/* ---- new layers ---- */

void edit_undo(Graph *g, size_t modules, size_t nodes) {
  for (size_t i = nodes; i < g->nodes.count; i++)
    if (node_at(g, i)->alive) edit_retire_node(g, (NodeId)i);
  for (size_t i = modules; i < g->modules.count; i++) {
    Module *parent = module_at(g, module_at(g, i)->parent);
    module_at(g, i)->alive = false;
    graph_names_freed(g);
    size_t kept = 0;
    for (size_t k = 0; k < parent->children.count; k++)
      if (parent->children.at[k] != (ModuleId)i) parent->children.at[kept++] = parent->children.at[k];
    parent->children.count = kept;
  }
}

/* A new layer may have the name of one that was cut off: that one can then no longer be put back. */
static void free_name(Graph *g, const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    if (!n->alive && n->cut && strncmp(n->name, name, length) == 0 && (n->name[length] == 0 || n->name[length] == '.'))
      edit_retire_node(g, (NodeId)i);
  }
  for (size_t i = 1; i < g->modules.count; i++)
    if (!module_at(g, i)->alive && module_at(g, i)->cut && streq(module_at(g, i)->name, name))
      edit_retire_module(g, (ModuleId)i);
}

ModuleId edit_build(EditContext *e, const Stmt *stmt, ModuleId parent, const char *local) {
  Graph *g = e->graph;
  size_t modules = g->modules.count, nodes = g->nodes.count;
  ModuleId module = build_layer(e->s, g, e->scope, stmt->value, parent, local, stmt->span);
  if (module == NO_ID) {
    edit_undo(g, modules, nodes);
    return NO_ID;
  }
  free_name(g, module_at(g, module)->name);
  return module;
}

ValueId edit_call(EditContext *e, ModuleId module, ValueId in, int stage, Span origin) {
  Graph *g = e->graph;
  size_t nodes = g->nodes.count;
  ValueId out = call_module(e->s, g, module, &in, 1, origin);
  for (size_t i = nodes; i < g->nodes.count; i++) {
    node_at(g, i)->stage = stage;
    node_at(g, i)->origin = origin;
  }
  return out;
}

/* ---- names ---- */

static const char *type_of_layer(Arena *arena, const Expr *layer) {
  const Expr *name = layer->kind == EXPR_CALL ? layer->left : layer;
  char *text = arena_strdup(arena, name && name->text ? name->text : "layer");
  for (char *p = text; *p; p++) *p = (char)tolower((unsigned char)*p);
  return text;
}

/* The model's name as it is written; "donor" for an ONNX file, whose name is a path. */
static const char *donor_name(Arena *arena, const Expr *model) {
  const Expr *name = model->kind == EXPR_CALL ? model->left : model;
  return name->kind == EXPR_NAME ? name->text : arena_strdup(arena, "donor");
}

const char *edit_new_name(EditContext *e, const Stmt *stmt, size_t nth, ModuleId *parent) {
  Graph *g = e->graph;
  *parent = 0;
  if (!stmt->name && stmt->donor) return graph_unique_name(g, donor_name(e->s->arena, stmt->donor->model));
  if (!stmt->name) return graph_unique_name(g, type_of_layer(e->s->arena, stmt->value));
  if (nth > 0) return graph_unique_name(g, arena_printf(e->s->arena, "%s_%zu", stmt->name, nth));
  if (graph_name_taken(g, stmt->name)) {
    Diag *d = diag_report(&e->s->diags, DIAG_E0218, stmt->name_span, "there is already a layer '%s'", stmt->name);
    ModuleId old = graph_find_module(g, stmt->name);
    if (old != NO_ID) diag_label(&e->s->diags, d, module_at(g, old)->origin, "it came here");
    diag_help(&e->s->diags, d, "choose another name, or: replace %s with …", stmt->name);
    return NULL;
  }
  const char *dot = strrchr(stmt->name, '.');
  if (!dot) return stmt->name;
  const char *above = arena_strndup(e->s->arena, stmt->name, (size_t)(dot - stmt->name));
  *parent = graph_find_module(g, above);
  if (*parent != NO_ID && module_at(g, *parent)->op == OP_NONE) return dot + 1;
  Diag *d =
      diag_report(&e->s->diags, DIAG_E0201, stmt->name_span, "there is no container '%s' for '%s'", above, stmt->name);
  diag_help(&e->s->diags, d, "give the new layer a name without dots");
  return NULL;
}

const char *edit_list_names(Arena *arena, const char *const *names, size_t count) {
  const char *text = "";
  for (size_t i = 0; i < count && i < 12; i++) text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", names[i]);
  return count > 12 ? arena_printf(arena, "%s and %zu more", text, count - 12) : text;
}

const char *edit_value_name(const Graph *g, ValueId value) {
  NodeId producer = value_at(g, value)->producer;
  return producer == NO_ID ? "the network's input" : node_at(g, producer)->name;
}

bool edit_wrong(EditContext *e, DiagCode code, Span span, const char *why, const char *help) {
  Diag *d = diag_report(&e->s->diags, code, span, "%s", why);
  diag_help(&e->s->diags, d, "%s", help);
  return false;
}

bool edit_reject_tensors(EditContext *e, const Stmt *stmt, const Picked *picked, const char *verb) {
  if (!picked->tensors) return false;
  const Graph *g = e->graph;
  const char *name = "it", *layer = NULL;
  for (size_t i = 0; i < g->params.count; i++)
    if (picked->param[i] && !picked->module[param_at(g, i)->module]) {
      name = param_at(g, i)->name;
      layer = module_at(g, param_at(g, i)->module)->name;
      break;
    }
  Diag *d = diag_report(&e->s->diags, DIAG_E0221, stmt->selector->span, "%s acts on layers, and '%s' is a parameter",
                        verb, name);
  const char *list = "";
  ModuleId last = NO_ID;
  size_t layers = 0;
  for (size_t i = 0; i < g->params.count; i++) {
    if (!picked->param[i] || param_at(g, i)->module == last || param_at(g, i)->is_buffer) continue;
    last = param_at(g, i)->module;
    if (layers++ < 12) list = arena_printf(e->s->arena, "%s%s%s", list, *list ? ", " : "", module_at(g, last)->name);
  }
  if (layers > 1 && layers <= 12) diag_help(&e->s->diags, d, "what is picked are tensors; their layers are %s", list);
  else if (layer && *layer) diag_help(&e->s->diags, d, "name its layer: %s %s", verb, layer);
  if (layers >= 1 && layers <= 12 && *list) diag_fix(&e->s->diags, d, stmt->selector->span, "%s", list);
  return true;
}

/* ---- the shapes between two edits ----
 *
 * Only after the last edit must everything fit, but a load of a region, a save, and the note of a remove need the
 * shapes before that. So what does not fit is not reported here, and each `_` argument stays open for what later edits
 * let flow in. */

bool edit_shapes_now(EditContext *e) {
  Session *s = e->s;
  Graph *g = e->graph;
  if (e->shapes_known) return e->shapes_fit;
  Diags kept = s->diags;
  s->diags = (Diags){.arena = s->arena, .sources = &s->sources};
  e->shapes_fit = look_at_shapes(s, g);
  s->diags = kept;
  fill_known_params(g);
  e->shapes_known = true;
  return e->shapes_fit;
}
