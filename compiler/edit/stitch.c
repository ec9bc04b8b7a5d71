/* append and prepend of another donor's slice: it is built, cut and given its weights as by a take, in a graph of its
 * own; then its living part moves into the network under a container, with its keys, stages and weight file. Whether
 * the shapes fit is seen behind the last edit. Called by insert.c. */
#include "compiler/edit/edit.h"
#include "compiler/ops/shape.h"
#include "compiler/weights/weights.h"

typedef struct Stitch {
  Graph *g, *from;
  ModuleId container;
  Span span;
  bool front;
  ModuleId *module; /* by the donor's ids: those of the network */
  ValueId *value;
  int *donor, *stage;
} Stitch;

static const char *inside(const Stitch *t, const char *name) {
  return arena_printf(t->g->arena, "%s.%s", module_at(t->g, t->container)->name, name);
}

/* ---- weight files ---- */

/* A file that the network reads already is read once. */
static void move_donors(Stitch *t) {
  Graph *g = t->g;
  for (size_t i = 0; i < t->from->donors.count; i++) {
    DonorFile *file = &t->from->donors.at[i];
    t->donor[i] = NO_ID;
    for (size_t k = 0; k < g->donors.count && t->donor[i] == NO_ID; k++) {
      const DonorFile *old = &g->donors.at[k];
      if (file->path && old->model && old->path && donor_same_file(old, file)) t->donor[i] = (int)k;
    }
    if (t->donor[i] == NO_ID) {
      vec_push(g->arena, &g->donors, *file);
      t->donor[i] = (int)g->donors.count - 1;
    } else if (file->open) {
      surgery_weights_close(file->open);
    }
    file->open = NULL;
  }
}

/* ---- modules ---- */

static void move_params(Stitch *t, ModuleId old, ModuleId new) {
  const Module *m = &t->from->modules.at[old];
  for (size_t i = 0; i < m->params.count; i++) {
    Param p = t->from->params.at[m->params.at[i]];
    p.name = inside(t, p.name);
    p.module = new;
    if (p.donor != NO_ID) p.donor = t->donor[p.donor];
    vec_push(t->g->arena, &t->g->params, p);
    vec_push(t->g->arena, &module_at(t->g, new)->params, (ParamId)(t->g->params.count - 1));
  }
}

static void move_modules(Stitch *t) {
  Graph *g = t->g;
  t->module[0] = t->container;
  for (size_t i = 1; i < t->from->modules.count; i++) { /* children have higher ids than their parents */
    const Module *m = &t->from->modules.at[i];
    if (!m->alive) continue;
    ModuleId id = graph_add_module(g, t->module[m->parent], m->local, m->type, m->op, t->span);
    Module *new = module_at(g, id);
    new->args = m->args;
    new->args_span = m->args_span;
    new->body = m->body;
    t->module[i] = id;
    move_params(t, (ModuleId)i, id);
  }
}

/* ---- stages: its own, before or behind those of the network ---- */

static void move_stages(Stitch *t) {
  Graph *g = t->g;
  VEC(const char *) names = {0};
  bool has = t->from->stages.count > 0;
  if (g->stages.count == 0) return; /* a network without stages is counted by its children */
  for (size_t s = 0; s < t->from->stages.count; s++) {
    bool lives = false;
    for (size_t i = 0; i < t->from->nodes.count && !lives; i++)
      lives = t->from->nodes.at[i].alive && t->from->nodes.at[i].stage == (int)s;
    t->stage[s] = NO_ID;
    if (!lives) continue;
    t->stage[s] = (int)names.count;
    vec_push(g->arena, &names, inside(t, t->from->stages.at[s].name));
  }
  if (!has) vec_push(g->arena, &names, module_at(g, t->container)->name);
  size_t old = g->stages.count, shift = t->front ? names.count : 0, base = t->front ? 0 : old;
  for (size_t i = 0; i < names.count; i++) vec_push(g->arena, &g->stages, (Stage){NULL});
  if (t->front) {
    memmove(g->stages.at + shift, g->stages.at, old * sizeof *g->stages.at);
    for (size_t i = 0; i < g->nodes.count; i++)
      if (node_at(g, i)->stage != NO_ID) node_at(g, i)->stage += (int)shift;
  }
  for (size_t i = 0; i < names.count; i++) g->stages.at[base + i] = (Stage){names.at[i]};
  for (size_t s = 0; s < t->from->stages.count; s++)
    if (t->stage[s] != NO_ID) t->stage[s] += (int)base;
  t->stage[t->from->stages.count] = has ? NO_ID : (int)base; /* of nodes outside all stages */
}

/* ---- the data flow ---- */

static void move_nodes(Stitch *t) {
  Graph *g = t->g;
  const Graph *from = t->from;
  for (size_t i = 0; i < from->order.count; i++) {
    const Node *n = &from->nodes.at[from->order.at[i]];
    if (!n->alive) continue;
    NodeId id = graph_add_node(g, n->op, n->module == NO_ID ? NO_ID : t->module[n->module],
                               n->scope == NO_ID ? t->container : t->module[n->scope], inside(t, n->name), t->span);
    Node *new = node_at(g, id);
    new->args = n->args;
    new->stage = t->stage[n->stage == NO_ID ? (int)from->stages.count : n->stage];
    for (size_t k = 0; k < n->inputs.count; k++) vec_push(g->arena, &new->inputs, t->value[n->inputs.at[k]]);
    t->value[n->output] = new->output;
  }
}

/* In front of the network its input is the donor's, unless the script has said what it is. */
static void new_input(Stitch *t, size_t order, size_t nodes) {
  Graph *g = t->g;
  edit_move_order(g, order, 0);
  edit_redirect(g, g->input_value, t->value[t->from->outputs.at[0].value], nodes, t->span);
  if (g->input.span.source == SPAN_NO_SOURCE && t->from->input.shape.rank >= 0) {
    g->input = t->from->input;
    g->input.span = SPAN_NONE;
  }
}

static void move_in(Stitch *t) {
  Graph *g = t->g;
  Arena *scratch = arena_create();
  size_t order = g->order.count, nodes = g->nodes.count;
  t->module = arena_array(scratch, ModuleId, t->from->modules.count + 1);
  t->value = arena_array(scratch, ValueId, t->from->values.count + 1);
  t->donor = arena_array(scratch, int, t->from->donors.count + 1);
  t->stage = arena_array(scratch, int, t->from->stages.count + 1);
  for (size_t i = 0; i <= t->from->stages.count; i++) t->stage[i] = NO_ID;
  move_donors(t);
  move_modules(t);
  move_stages(t);
  t->value[t->from->input_value] = t->front ? g->input_value : g->outputs.at[0].value;
  if (t->from->mask_value != NO_ID) { /* one mask for all, that of the network */
    if (g->mask_value == NO_ID) g->mask_value = graph_add_value(g, NO_ID);
    t->value[t->from->mask_value] = g->mask_value;
  }
  move_nodes(t);
  if (t->front) new_input(t, order, nodes);
  else g->outputs.at[0].value = t->value[t->from->outputs.at[0].value];
  arena_destroy(scratch);
}

/* ---- what a message about the seam will need ---- */

static const char *slice_text(EditContext *e, const Donor *donor) {
  Span span = donor->slice ? span_join(donor->model->span, donor->slice->span) : donor->model->span;
  const Source *file = &e->s->sources.files.at[span.source];
  size_t end = span.end; /* the slice's own span ends before its bracket or behind it */
  if (donor->slice && end < file->length && file->text[end] == ']') end++;
  return arena_strndup(e->graph->arena, file->text + span.begin, end - span.begin);
}

/* The channels with which each stage of the donor begins, up to the last one of the slice. */
static void other_starts(const Graph *from, const char *model, Arena *arena, Seam *seam) {
  int last = NO_ID, seen = NO_ID;
  for (size_t i = 0; i < from->nodes.count; i++)
    if (from->nodes.at[i].alive && from->nodes.at[i].stage > last) last = from->nodes.at[i].stage;
  for (size_t i = 0; i < from->order.count; i++) {
    const Node *n = &from->nodes.at[from->order.at[i]];
    if (n->stage == NO_ID || n->stage <= seen || n->stage > last || n->inputs.count == 0) continue;
    seen = n->stage;
    const Shape *in = &from->values.at[n->inputs.at[0]].shape;
    if (in->rank < 1) continue;
    vec_push(arena, &seam->starts, arena_printf(arena, "%s[%d:%d]", model, n->stage, last + 1));
    vec_push(arena, &seam->channels, in->dim[0]);
  }
}

static void add_seam(EditContext *e, const Donor *donor, const Stitch *t) {
  Seam seam = {.container = t->container, .donor = slice_text(e, donor), .wants = t->from->input.shape};
  if (donor->slice && donor->slice->kind == SELECT_STAGES && !donor->slice->left)
    other_starts(t->from, t->from->name, t->g->arena, &seam);
  vec_push(t->g->arena, &t->g->seams, seam);
}

bool edit_stitch(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph, *from = NULL;
  const Donor *donor = stmt->donor;
  bool front = stmt->kind == STMT_PREPEND;
  if (!front && !edit_one_output(e, stmt, "append continues from a single output")) return false;
  ModuleId parent;
  const char *local = edit_new_name(e, stmt, 0, &parent);
  bool ok = edit_donor(e, donor, &from) && local;
  if (ok) {
    fill_known_params(from);
    from->saves = g->saves; /* a file that this script has saved */
    weights_bind(e->s, e->scope, from, donor);
  }
  if (ok) {
    Stitch t = {.g = g, .from = from, .span = stmt->span, .front = front};
    t.container = graph_add_module(g, parent, local, from->name, OP_NONE, stmt->span);
    if (!front) add_seam(e, donor, &t);
    move_in(&t);
  } else if (from) {
    weights_close(from);
  }
  return ok;
}
