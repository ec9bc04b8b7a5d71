/* output a = SEL, b = SEL: the network returns these values instead of its last one, and what none of them needs
 * is dropped, as if the take had cut it off. Called by compiler/script. */
#include "compiler/ops/lower.h"
#include "compiler/edit/edit.h"
#include "runtime/abi.h"

bool edit_output_named(const Graph *g, const Selector *sel, ValueId *out) {
  if (!sel || !select_is_name(sel) || graph_find_module(g, sel->text) != NO_ID ||
      graph_find_node(g, sel->text) != NO_ID)
    return false;
  for (size_t i = 0; i < g->outputs.count; i++)
    if (streq(g->outputs.at[i].name, sel->text)) return *out = g->outputs.at[i].value, true;
  return false;
}

static bool report_several(EditContext *e, const Stmt *item, const ValueList *values, const char *what,
                           Arena *scratch) {
  VEC(const char *) names = {0};
  for (size_t i = 0; i < values->count; i++) vec_push(scratch, &names, edit_value_name(e->graph, values->at[i]));
  Diag *d = diag_report(&e->s->diags, DIAG_E0227, item->selector->span, "an output is one value, and %s",
                        arena_printf(scratch, what, values->count));
  diag_note(&e->s->diags, d, "they are %s", edit_list_names(scratch, names.at, names.count));
  diag_help(&e->s->diags, d, "name the one that is meant, or each as an output: output a = %s, b = %s", names.at[0],
            names.count > 1 ? names.at[1] : "…");
  return false;
}

/* The one value that the selector means: what its layer or container returns. */
static bool find_value(EditContext *e, const Stmt *item, Arena *scratch, ValueId *out) {
  const Graph *g = e->graph;
  const Selector *sel = item->selector;
  Picked picked;
  if (edit_output_named(g, sel, out)) return true;
  if (!select_units(e->s, g, e->scope, sel, false, scratch, &picked) || edit_reject_tensors(e, item, &picked, "output"))
    return false;
  ValueList values = {0};
  for (size_t i = 0; i < picked.units.count; i++) {
    CallSites sites = {0};
    if (!edit_call_sites(e, &picked.units.at[i], sel->span, scratch, &sites)) return false;
    for (size_t k = 0; k < sites.count; k++) {
      if (sites.at[k].out.count > 1)
        return report_several(e, item, &sites.at[k].out, "%zu leave this part of the network", scratch);
      vec_push(scratch, &values, sites.at[k].out.at[0]);
    }
  }
  if (values.count == 0)
    return edit_wrong(e, DIAG_E0227, sel->span, "forward never runs through this, so it has no value",
                      "name a layer that forward calls");
  if (values.count > 1) return report_several(e, item, &values, "this picks %zu", scratch);
  *out = values.at[0];
  return true;
}

/* As written, or the name of the layer itself. Names go into file names and C sources. */
static const char *name_of(EditContext *e, const Stmt *item) {
  const Selector *sel = item->selector;
  const char *name = item->name ? item->name : select_is_name(sel) ? sel->text : NULL;
  if (!name) {
    edit_wrong(e, DIAG_E0227, sel->span, "this output has no name", "give it one, as in: output features = layer4");
    return NULL;
  }
  if (!strpbrk(name, "*?{},")) return name;
  edit_wrong(e, DIAG_E0227, item->name_span, "the name of an output cannot be a pattern", "give it a plain name");
  return NULL;
}

static bool add_output(EditContext *e, const Stmt *item, Arena *scratch, Output *outputs, size_t *count) {
  const char *name = name_of(e, item);
  ValueId value;
  if (!find_value(e, item, scratch, &value) || !name) return false;
  for (size_t i = 0; i < *count; i++)
    if (streq(outputs[i].name, name))
      return edit_wrong(e, DIAG_E0227, item->span, arena_printf(e->s->arena, "two outputs are named '%s'", name),
                        "give each a name of its own");
  if (*count == SG_MAX_OUTPUTS)
    return edit_wrong(e, DIAG_E0227, item->span, "a network has at most 16 outputs", "leave some out");
  outputs[(*count)++] = (Output){name, value};
  return true;
}

/* ---- what no output needs ---- */

static void drop_unused(Graph *g, Arena *scratch, bool *dropped) {
  bool *wanted = arena_array(scratch, bool, g->values.count + 1);
  for (size_t i = 0; i < g->outputs.count; i++) wanted[g->outputs.at[i].value] = true;
  for (size_t i = g->order.count; i-- > 0;) {
    NodeId id = g->order.at[i];
    Node *n = node_at(g, id);
    if (!n->alive) continue;
    if (!wanted[n->output]) {
      dropped[id] = n->cut = true;
      n->alive = false;
      graph_names_freed(g);
      continue;
    }
    for (size_t k = 0; k < n->inputs.count; k++) wanted[n->inputs.at[k]] = true;
  }
  bool *was_alive = arena_array(scratch, bool, g->modules.count + 1);
  for (size_t i = 1; i < g->modules.count; i++) was_alive[i] = module_at(g, i)->alive;
  edit_update_alive(g);
  for (size_t i = 1; i < g->modules.count; i++)
    if (was_alive[i] && !module_at(g, i)->alive) module_at(g, i)->cut = true;
}

/* The outermost containers that went as a whole, layers and functions. */
static void report_dropped(EditContext *e, const Stmt *stmt, const bool *dropped, Arena *scratch) {
  const Graph *g = e->graph;
  VEC(const char *) names = {0};
  for (size_t i = 0; i < g->order.count; i++) {
    if (!dropped[g->order.at[i]]) continue;
    const char *name = node_at(g, g->order.at[i])->name;
    for (ModuleId m = node_home(g, g->order.at[i]); m > 0 && !module_at(g, m)->alive; m = module_at(g, m)->parent)
      name = module_at(g, m)->name;
    bool known = false;
    for (size_t k = 0; k < names.count && !known; k++) known = streq(names.at[k], name);
    if (!known) vec_push(scratch, &names, name);
  }
  if (names.count > 0)
    diag_report(&e->s->diags, DIAG_N0202, stmt->span, "no output needs %s: dropped",
                edit_list_names(scratch, names.at, names.count));
}

bool edit_output(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  Output outputs[SG_MAX_OUTPUTS];
  size_t count = 0;
  bool ok = true;
  for (const Stmt *item = stmt->body; item; item = item->next) ok = add_output(e, item, scratch, outputs, &count) && ok;
  if (ok) {
    g->outputs.count = 0;
    for (size_t i = 0; i < count; i++) vec_push(g->arena, &g->outputs, outputs[i]);
    bool *dropped = arena_array(scratch, bool, g->nodes.count + 1);
    drop_unused(g, scratch, dropped);
    report_dropped(e, stmt, dropped, scratch);
  }
  arena_destroy(scratch);
  return ok;
}

bool edit_one_output(EditContext *e, const Stmt *stmt, const char *cure) {
  const Graph *g = e->graph;
  if (g->outputs.count == 1) return true;
  Arena *scratch = arena_create();
  VEC(const char *) names = {0};
  for (size_t i = 0; i < g->outputs.count; i++) vec_push(scratch, &names, g->outputs.at[i].name);
  Diag *d = diag_report(&e->s->diags, DIAG_E0228, stmt->span, "the network has %zu outputs: which one is meant?",
                        g->outputs.count);
  diag_note(&e->s->diags, d, "they are %s", edit_list_names(scratch, names.at, names.count));
  diag_help(&e->s->diags, d, "%s, or write the statement in front of `output`", cure);
  arena_destroy(scratch);
  return false;
}

/* ---- training with several outputs ---- */

static void check_phases(EditContext *e) {
  const Graph *g = e->graph;
  for (size_t k = 0; e->train && k < e->train->phases.count; k++) {
    const PhaseConfig *phase = &e->train->phases.at[k];
    bool any = false;
    for (size_t i = 0; i < g->params.count && !any; i++)
      any = phase->trainable[i] && module_at(g, param_at(g, i)->module)->alive;
    if (any) continue;
    Diag *d = diag_report(&e->s->diags, DIAG_E0518, phase->span,
                          "the phase '%s' has nothing to train that the first output, '%s', depends on",
                          phase->recipe.name, g->outputs.at[0].name);
    diag_help(&e->s->diags, d, "name the output that is to learn first, or unfreeze layers in front of it");
  }
}

/* The layers before the value; with `gradient` only those that its gradient reaches. */
static void mark_before(const Graph *g, ValueId value, bool gradient, Arena *scratch, bool *module) {
  bool *wanted = arena_array(scratch, bool, g->values.count + 1);
  wanted[value] = true;
  for (size_t i = g->order.count; i-- > 0;) {
    const Node *n = node_at(g, g->order.at[i]);
    if (!n->alive || !wanted[n->output]) continue;
    if (n->module != NO_ID) module[n->module] = true;
    for (size_t k = 0; k < n->inputs.count && (!gradient || op_passes_gradient(n->op)); k++)
      wanted[n->inputs.at[k]] = true;
  }
}

void edit_outputs_trained(EditContext *e) {
  Graph *g = e->graph;
  if (g->outputs.count == 0) return;
  Arena *scratch = arena_create();
  bool *called = arena_array(scratch, bool, g->modules.count + 1),
       *learns = arena_array(scratch, bool, g->modules.count + 1);
  for (size_t i = 0; i < g->outputs.count; i++) mark_before(g, g->outputs.at[i].value, false, scratch, called);
  mark_before(g, g->outputs.at[0].value, true, scratch, learns);
  VEC(const char *) names = {0};
  for (size_t i = 0; i < g->params.count; i++) {
    Param *p = param_at(g, i);
    if (!p->trainable || learns[p->module] || !module_at(g, p->module)->alive) continue;
    if (g->outputs.count == 1 && !called[p->module]) continue;
    p->trainable = false;
    for (size_t k = 0; e->train && k < e->train->phases.count; k++) e->train->phases.at[k].trainable[i] = false;
    const char *name = module_at(g, p->module)->name;
    if (names.count == 0 || !streq(names.at[names.count - 1], name)) vec_push(scratch, &names, name);
  }
  if (names.count > 0) check_phases(e);
  if (names.count > 0 && e->train && g->outputs.count == 1) {
    Diag *d = diag_report(&e->s->diags, DIAG_W0205, e->train->span,
                          "no gradient reaches %s: what follows makes integers of it, such as positions",
                          edit_list_names(scratch, names.at, names.count));
    diag_help(&e->s->diags, d, "freeze it, so that the script says the same");
  } else if (names.count > 0 && e->train) {
    Diag *d = diag_report(&e->s->diags, DIAG_W0205, e->train->span,
                          "the loss is of the first output, '%s': it trains nothing of %s", g->outputs.at[0].name,
                          edit_list_names(scratch, names.at, names.count));
    diag_help(&e->s->diags, d, "name the output that is to learn first");
  }
  arena_destroy(scratch);
}
