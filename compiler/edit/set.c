/* set: changes arguments of layers that are there, `set layer4.0.conv2 stride=1`, and keeps their weights, as assigning
 * to an attribute of a PyTorch module does. What would give a parameter another shape is refused: `replace` makes new
 * weights. Called by compiler/script. */
#include "compiler/edit/edit.h"
#include "compiler/lang/lang.h"

static const Arg *given(const Stmt *stmt, const char *name) {
  for (const Arg *a = stmt->args; a; a = a->next)
    if (streq(a->name, name)) return a;
  return NULL;
}

/* The layer's arguments as a call would give them, with those of the statement in place of its own. NULL: no memory for
 * one more source. */
static Arg *merged_arguments(EditContext *e, const Stmt *stmt, const Module *m) {
  Session *s = e->s;
  const char *text = "f(";
  for (const ArgInfo *info = op_info(m->op)->args; info->name; info++)
    if (!given(stmt, info->name))
      text = arena_printf(s->arena, "%s%s=%s, ", text, info->name, arg_text(s->arena, info, &m->args));
  text = arena_printf(s->arena, "%s)", text);
  int source = sources_add_text(&s->sources, m->name, text, strlen(text));
  Expr *call = source < 0 ? NULL : parse_expression(s->arena, &s->diags, &s->sources, (uint32_t)source, 0);
  Arg *all = call ? call->args : NULL;
  for (const Arg *a = stmt->args; call && a; a = a->next) {
    Arg *copy = arena_new(s->arena, Arg);
    *copy = *a;
    copy->next = all;
    all = copy;
  }
  return all;
}

/* Would the layer lose a parameter, or get one? */
static bool same_params(const Module *m, const OpArgs *args) {
  for (const ParamInfo *info = op_info(m->op)->params; info->name; info++) {
    if (info->present_offset == SIZE_MAX) continue;
    const bool *is = (const void *)((const char *)&m->args + info->present_offset);
    if (*is != *(const bool *)((const char *)args + info->present_offset)) return false;
  }
  return true;
}

static bool refuse(EditContext *e, const Stmt *stmt, const Module *m, const char *why) {
  Diag *d = front_error(e->s, DIAG_E0113, stmt->args->name_span, "set keeps the weights of '%s', but %s", m->name, why);
  diag_help(&e->s->diags, d, "a layer with new weights: replace %s with %s(…)", m->name, m->type);
  return false;
}

static bool set_layer(EditContext *e, const Stmt *stmt, ModuleId id) {
  Graph *g = e->graph;
  Arena *a = e->s->arena;
  Module *m = module_at(g, id);
  Eval eval = {.s = e->s, .scope = e->scope};
  OpArgs args;
  if (!bind_op(&eval, m->op, merged_arguments(e, stmt, m), stmt->span, &args)) return false;
  if (!same_params(m, &args)) return refuse(e, stmt, m, "it would have other parameters");
  edit_shapes_now(e);
  Shape *was = arena_array(a, Shape, m->params.count + 1);
  for (size_t i = 0; i < m->params.count; i++) was[i] = param_at(g, m->params.at[i])->shape;
  m->args = args;
  e->shapes_known = false;
  edit_shapes_now(e);
  for (size_t i = 0; i < m->params.count; i++) {
    const Param *p = param_at(g, m->params.at[i]);
    if (was[i].rank >= 0 && p->shape.rank >= 0 && !shape_equal(&was[i], &p->shape))
      return refuse(e, stmt, m,
                    arena_printf(a, "%s would be %s instead of %s", p->name, shape_text_plain(a, &p->shape),
                                 shape_text_plain(a, &was[i])));
  }
  for (size_t i = 0; i < g->nodes.count; i++) /* when it no longer fits, this statement is to blame */
    if (node_at(g, i)->module == id) node_at(g, i)->origin = stmt->span;
  return true;
}

bool edit_set(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  Arena *scratch = arena_create();
  Picked picked;
  bool ok = select_units(e->s, g, e->scope, stmt->selector, false, scratch, &picked) &&
            !edit_reject_tensors(e, stmt, &picked, "set");
  OpArgs *old = arena_array(scratch, OpArgs, picked.units.count + 1);
  for (size_t i = 0; ok && i < picked.units.count; i++) {
    ModuleId id = picked.units.at[i].module;
    if (id != NO_ID) old[i] = module_at(g, id)->args;
    if (id == NO_ID || module_at(g, id)->op == OP_NONE) {
      Diag *d =
          diag_report(&e->s->diags, DIAG_E0221, stmt->selector->span, "set changes arguments of layers, and '%s' is %s",
                      id == NO_ID ? node_at(g, picked.units.at[i].nodes.at[0])->name : module_at(g, id)->name,
                      id == NO_ID ? "a function" : "a container");
      diag_help(&e->s->diags, d, "name the layers in it, as in: set every Conv2d in layer4 stride=1");
      ok = false;
    } else {
      ok = set_layer(e, stmt, id);
    }
    for (size_t k = i + 1; !ok && k-- > 0;) /* the network is as it was */
      if (picked.units.at[k].module != NO_ID) module_at(g, picked.units.at[k].module)->args = old[k];
  }
  e->shapes_known = e->shapes_known && ok;
  arena_destroy(scratch);
  return ok;
}
