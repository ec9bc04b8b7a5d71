/* How values flow: running a model's forward over values adds its calls to the graph. Layers must have been
 * built before (models.c); nothing is computed here. */
#include "compiler/lang/lang.h"

static ValueId call_at(Session *s, Graph *g, ModuleId module, const ValueId *inputs, size_t count, Span origin,
                       Span place);

static const char *shown_name(const Graph *g, ModuleId module) {
  const Module *m = module_at(g, module);
  return *m->name ? m->name : m->type;
}

bool child_of(Eval *e, const Expr *place, const Const *layer, const char *name, Const *out) {
  const Module *module = module_at(e->graph, layer->id);
  NameList names = {0};
  for (size_t i = 0; i < module->children.count; i++) {
    const Module *child = module_at(e->graph, module->children.at[i]);
    vec_push(e->s->arena, &names, child->local);
    if (!streq(child->local, name)) continue;
    *out = (Const){.kind = CONST_LAYER, .id = module->children.at[i]};
    return true;
  }
  Diag *d = front_error(e->s, DIAG_E0101, place->span, "'%s' has no layer '%s'", shown_name(e->graph, layer->id), name);
  uint32_t length = (uint32_t)strlen(name); /* it stands last in `place` */
  Span span = {place->span.source, place->span.end - length, place->span.end};
  if (place->span.end - place->span.begin < length) span = place->span;
  front_suggest(e->s, d, span, name, names.at, names.count);
  return false;
}

/* ---- calls in a forward ---- */

typedef VEC(ValueId) ValueList;

static bool push_value(Eval *e, const Expr *expr, ValueList *out) {
  Const c;
  if (!eval_expr(e, expr, &c)) return false;
  if (c.kind == CONST_VALUE) {
    vec_push(e->s->arena, out, c.id);
    return true;
  }
  Diag *d = front_error(e->s, DIAG_E0122, expr->span, "expected a value of the network, not %s", const_kind(&c));
  if (c.kind == CONST_LAYER) diag_help(&e->s->diags, d, "call the layer: %s(x)", module_at(e->graph, c.id)->local);
  return false;
}

static bool call_layer(Eval *e, const Expr *call, ModuleId module, Const *out) {
  ValueList values = {0};
  bool good = true;
  for (const Arg *arg = call->args; arg; arg = arg->next) {
    if (arg->name) {
      front_error(e->s, DIAG_E0108, arg->name_span,
                  "a layer is called with values only; '%s' belongs to its declaration", arg->name);
      return false;
    }
    if (push_value(e, arg->value, &values)) continue;
    good = false; /* the other values, and what the layer does with them, are judged all the same */
    vec_push(e->s->arena, &values, graph_add_value(e->graph, NO_ID));
  }
  ValueId result = call_at(e->s, e->graph, module, values.at, values.count, e->trace->origin, call->span);
  *out = (Const){.kind = CONST_VALUE, .id = result};
  return good && result != NO_ID;
}

static const char *name_in_scope(Eval *e, const char *name) {
  const char *scope = module_at(e->graph, e->trace->module)->name;
  return *scope ? arena_printf(e->s->arena, "%s.%s", scope, name) : name;
}

/* `name`: the operator's, or the one that torch.fx gives the call of Python's operator. */
static bool add_call(Eval *e, OpId op, const char *name, const OpArgs *args, const ValueList *values, Span place,
                     Const *out) {
  if (!front_charge(e->s, place, 10) || !front_room(e->s, e->graph, place)) return false;
  NodeId node = graph_add_node(e->graph, op, NO_ID, e->trace->module, name_in_scope(e, name), e->trace->origin);
  node_at(e->graph, node)->args = *args;
  node_at(e->graph, node)->place = place;
  for (size_t i = 0; i < values->count; i++) vec_push(e->graph->arena, &node_at(e->graph, node)->inputs, values->at[i]);
  *out = (Const){.kind = CONST_VALUE, .id = node_at(e->graph, node)->output};
  return true;
}

/* cat([a, b], 1): all its values stand in one list. */
static bool push_list(Eval *e, const Expr *call, const Arg *arg, const char *name, ValueList *out) {
  Const list;
  if (!arg || arg->name) {
    front_error(e->s, DIAG_E0110, call->span, "%s is missing its list of values: %s([a, b], 1)", name, name);
    return false;
  }
  if (!eval_expr(e, arg->value, &list)) return false;
  bool good = list.kind == CONST_LIST && list.list.count > 0;
  for (size_t i = 0; good && i < list.list.count; i++) {
    good = list.list.at[i].kind == CONST_VALUE;
    vec_push(e->s->arena, out, list.list.at[i].id);
  }
  if (!good)
    front_error(e->s, DIAG_E0122, arg->value->span, "%s takes a list of values, as in %s([a, b], 1)", name, name);
  return good;
}

/* `self`: the value before the dot in x.flatten(1), or NULL. */
static bool call_function(Eval *e, const Expr *call, OpId op, const Const *self, Const *out) {
  const OpInfo *info = op_info(op);
  const Arg *arg = call->args;
  ValueList values = {0};
  if (self) vec_push(e->s->arena, &values, self->id);
  if (info->inputs == INPUTS_MANY) {
    if (!self && !push_list(e, call, arg, info->name, &values)) return false;
    if (!self) arg = arg->next;
  }
  for (int i = (int)values.count; i < info->inputs; i++, arg = arg->next) {
    if (!arg || arg->name) {
      front_error(e->s, DIAG_E0110, call->span, "%s works on %d value%s, %d %s given", info->name, info->inputs,
                  info->inputs > 1 ? "s" : "", i, i == 1 ? "is" : "are");
      return false;
    }
    if (!push_value(e, arg->value, &values)) return false;
  }
  if (info->most_inputs > info->inputs && arg && !arg->name) { /* the mask, or already an argument */
    Const c;
    if (!eval_expr(e, arg->value, &c)) return false;
    if (c.kind == CONST_VALUE) {
      vec_push(e->s->arena, &values, c.id);
      arg = arg->next;
    }
  }
  OpArgs args;
  return bind_op(e, op, arg, call->span, &args) && add_call(e, op, info->name, &args, &values, call->span, out);
}

bool trace_add(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out) {
  ValueList values = {0};
  OpArgs args = {0};
  vec_push(e->s->arena, &values, a->id);
  vec_push(e->s->arena, &values, b->id);
  return add_call(e, OP_add, op_info(OP_add)->name, &args, &values, expr->span, out);
}

bool trace_mul(Eval *e, const Expr *expr, const char *name, const Const *value, double factor, Const *out) {
  ValueList values = {0};
  OpArgs args = {.mul = {.other = factor}};
  vec_push(e->s->arena, &values, value->id);
  return add_call(e, OP_mul, name, &args, &values, expr->span, out);
}

static bool unknown_callee(Eval *e, const Expr *call, const Expr *callee) {
  if (diag_may_be_unread(&e->s->diags, callee->text) || torch_lacks(e, callee, call)) return false;
  Diag *d = front_error(e->s, DIAG_E0103, callee->span, "there is no layer or function '%s' here", callee->text);
  NameList names = {0};
  scope_names(e->s->arena, e->scope, &names);
  op_names(e->s->arena, false, &names);
  if (help_unknown_call(e, d, callee, call)) return false;
  Span span = callee->span;
  if (callee->kind == EXPR_MEMBER) span.begin = span.end - (uint32_t)strlen(callee->text); /* of x.relu the last word */
  front_suggest(e->s, d, span, callee->text, names.at, names.count);
  return false;
}

static bool not_callable(Eval *e, const Expr *callee, const Const *c) {
  Diag *d;
  if (c->kind == CONST_MODEL) {
    d = front_error(e->s, DIAG_E0122, callee->span, "a forward calls layers; it does not make them");
    diag_help(&e->s->diags, d, "declare it above the forward, `name = %s(…)`, and call name(x)",
              const_text(e->s->arena, c));
  } else if (c->kind == CONST_NONE && c->text) {
    d = front_error(e->s, DIAG_E0122, callee->span, "'%s' was not built here: its `if` did not hold", c->text);
    diag_help(&e->s->diags, d, "`if %s { … }` asks whether it is there", c->text);
  } else {
    d = front_error(e->s, DIAG_E0122, callee->span, "%s cannot be called", const_kind(c));
    if (c->kind == CONST_VALUE) diag_help(&e->s->diags, d, "is a layer of the same name hidden by an assignment?");
  }
  return false;
}

/* "denselayer{i}"(x), "features.block1-0"(x): a layer by its name. */
static bool named_layer(Eval *e, const Expr *callee, Const *out) {
  const char *name;
  if (!expand_text(e, callee->text, callee->span, true, &name)) return false;
  size_t first = strcspn(name, ".");
  const char *local = arena_strndup(e->s->arena, name, first);
  const Const *found = scope_get(e->scope, local);
  if (!found || found->kind != CONST_LAYER) {
    if (found ? found->kind == CONST_UNKNOWN : diag_may_be_unread(&e->s->diags, local)) return false;
    Diag *d = front_error(e->s, DIAG_E0103, callee->span, "there is no layer '%s' here", local);
    NameList names = {0};
    scope_kind_names(e->s->arena, e->scope, CONST_LAYER, &names);
    const char *near = nearest_name(local, names.at, names.count);
    bool filled = strchr(callee->text, '{') != NULL; /* then the name does not stand in the script */
    if (near) diag_help(&e->s->diags, d, filled ? "the nearest is \"%s\"" : "did you mean \"%s\"?", near);
    if (near && !filled) diag_fix(&e->s->diags, d, callee->span, "\"%s%s\"", near, name + first);
    return false;
  }
  *out = *found;
  while (name[first]) {
    Const outer = *out;
    name += first + 1;
    first = strcspn(name, ".");
    if (!child_of(e, callee, &outer, arena_strndup(e->s->arena, name, first), out)) return false;
  }
  return true;
}

bool trace_call(Eval *e, const Expr *call, Const *out) {
  const Expr *callee = call->left, *plain = without_module(e, callee);
  Const c;
  if (callee->kind == EXPR_STRING)
    return named_layer(e, callee, &c) &&
           (c.kind == CONST_LAYER ? call_layer(e, call, c.id, out) : not_callable(e, callee, &c));
  if (plain) callee = plain;
  if (callee->kind == EXPR_NAME && !scope_get(e->scope, callee->text)) {
    bool known, done = const_function(e, call, callee->text, &known, out);
    if (known) return done;
    OpId op = op_find(callee->text, false);
    if (op != OP_NONE) return call_function(e, call, op, NULL, out);
    if (op_find(callee->text, true) == OP_NONE && !streq(callee->text, "Sequential")) {
      Expr name = *callee;
      bool found = name_known(e, &name, &c); /* without a message: the one for a call names functions too */
      return found ? not_callable(e, callee, &c) : unknown_callee(e, call, callee);
    }
  }
  if (callee->kind == EXPR_MEMBER) {
    Const left;
    if (!eval_expr(e, callee->left, &left)) return false;
    OpId op = left.kind == CONST_VALUE ? op_find(callee->text, false) : OP_NONE;
    if (op != OP_NONE) return call_function(e, call, op, &left, out);
    if (left.kind == CONST_VALUE) return unknown_callee(e, call, callee);
    if (left.kind != CONST_LAYER) return not_callable(e, callee, &left);
    if (!child_of(e, callee, &left, callee->text, &c)) return false;
  } else if (!eval_expr(e, callee, &c)) {
    return false;
  }
  return c.kind == CONST_LAYER ? call_layer(e, call, c.id, out) : not_callable(e, callee, &c);
}

/* ---- the statements of a forward ---- */

static bool forward_return(Block *b, const Stmt *stmt) {
  Const c;
  b->eval.trace->returned = b->stopped = true;
  if (!eval_expr(&b->eval, stmt->value, &c)) return false;
  if (c.kind != CONST_VALUE) {
    front_error(b->eval.s, DIAG_E0123, stmt->value->span, "a forward returns one value of the network, not %s",
                const_kind(&c));
    return false;
  }
  b->eval.trace->value = c.id;
  return true;
}

static bool forward_statement(Block *b, const Stmt *stmt) {
  Session *s = b->eval.s;
  Const c;
  switch (stmt->kind) {
  case STMT_RETURN: return forward_return(b, stmt);
  case STMT_ASSIGN:
    if (stmt->name_is_template) {
      front_error(s, DIAG_E0124, stmt->name_span, "a value in a forward has a plain name");
      return false;
    }
    if (!eval_expr(&b->eval, stmt->value, &c)) return false;
    scope_set(b->eval.scope, stmt->name, c);
    return true;
  case STMT_EXPR: {
    if (!eval_expr(&b->eval, stmt->value, &c)) return false;
    Diag *d = front_error(s, DIAG_E0123, stmt->span, "this result is used nowhere");
    diag_help(&s->diags, d, "give it a name, x = …, or return it");
    return false;
  }
  default: {
    Diag *d = front_error(s, DIAG_E0121, stmt->span, "'%s' is not allowed in a forward", stmt_title(stmt));
    diag_help(&s->diags, d, "a forward has assignments, let, if, for and return; layers are declared above it");
    return false;
  }
  }
}

static ValueId run_forward(Session *s, Graph *g, ModuleId module, const ValueId *inputs, size_t count, Span origin,
                           Span place) {
  const ModelBody *body = module_at(g, module)->body;
  size_t wanted = 0;
  for (const Arg *p = body->forward->params; p; p = p->next) wanted++;
  if (count != wanted) {
    front_error(s, DIAG_E0122, place, "the forward of '%s' takes %zu value%s, %zu %s given", body->model->name, wanted,
                wanted == 1 ? "" : "s", count, count == 1 ? "is" : "are");
    return NO_ID;
  }
  Trace trace = {.module = module, .origin = origin, .value = NO_ID};
  Block block = {
      .eval = {.s = s, .scope = scope_create(s->arena, body->scope), .graph = g, .model = body->model, .trace = &trace},
      .other = forward_statement,
      .keep_going = true};
  size_t i = 0;
  for (const Arg *p = body->forward->params; p; p = p->next)
    scope_set(block.eval.scope, p->name, (Const){.kind = CONST_VALUE, .id = inputs[i++]});
  if (!run_block(&block, body->forward->body)) return NO_ID;
  if (!trace.returned && !diag_unread_within(&s->diags, body->forward->span)) {
    Diag *d = front_error(s, DIAG_E0123, body->forward->span, "the forward of '%s' returns nothing", body->model->name);
    diag_help(&s->diags, d, "end it with `return x`");
  }
  return trace.value;
}

void probe_forward(Eval *e, ModuleId module, Span origin) {
  const ModelBody *body = module_at(e->graph, module)->body;
  ValueList values = {0};
  for (const Arg *p = body->forward->params; p; p = p->next)
    vec_push(e->s->arena, &values, graph_add_value(e->graph, NO_ID));
  call_at(e->s, e->graph, module, values.at, values.count, origin, SPAN_NONE);
}

/* ---- calling a module ---- */

static ValueId call_op(Session *s, Graph *g, ModuleId module, const ValueId *inputs, size_t count, Span origin,
                       Span place) {
  if (!front_charge(s, place, 10) || !front_room(s, g, place)) return NO_ID;
  const Module *m = module_at(g, module);
  NodeId node = graph_add_node(g, m->op, module, m->parent, m->name, origin);
  node_at(g, node)->place = place;
  for (size_t i = 0; i < count; i++) vec_push(g->arena, &node_at(g, node)->inputs, inputs[i]);
  return node_at(g, node)->output;
}

/* A statement of the model could not be read: how values flow through it is not known. */
static bool model_unread(const Session *s, const ModelBody *body) {
  for (size_t i = 0; i < s->diags.unread.count; i++) {
    Span unread = s->diags.unread.at[i], model = body->model->span;
    if (unread.source == model.source && unread.begin >= model.begin && unread.end <= model.end) return true;
  }
  return false;
}

static ValueId call_inside(Session *s, Graph *g, ModuleId module, const ValueId *inputs, size_t count, Span origin,
                           Span place) {
  const Module *m = module_at(g, module);
  if (m->body && model_unread(s, m->body)) return NO_ID;
  if (m->body && m->body->forward) return run_forward(s, g, module, inputs, count, origin, place);
  int most = m->op == OP_NONE ? 1 : op_info(m->op)->most_inputs;
  if (count < 1 || count > (size_t)most) {
    front_error(s, DIAG_E0122, place, "'%s' takes %s%d value%s, %zu are given", shown_name(g, module),
                most > 1 ? "up to " : "", most, most > 1 ? "s" : "", count);
    return NO_ID;
  }
  if (m->op != OP_NONE) return call_op(s, g, module, inputs, count, origin, place);
  ValueId value = inputs[0]; /* the layers in order */
  for (size_t i = 0; i < module_at(g, module)->children.count && value != NO_ID; i++) {
    ModuleId child = module_at(g, module)->children.at[i];
    if (module_at(g, child)->alive) value = call_at(s, g, child, &value, 1, origin, place);
  }
  return value;
}

static ValueId call_at(Session *s, Graph *g, ModuleId module, const ValueId *inputs, size_t count, Span origin,
                       Span place) {
  if (!front_enter(s, place)) return NO_ID;
  bool framed = module_at(g, module)->body != NULL;
  CallFrame frame = {s->calls, place, NULL, false, s->calls ? s->calls->models : 0};
  if (framed) {
    frame.what = arena_printf(s->arena, "while calling '%s' here", shown_name(g, module));
    s->calls = &frame;
  }
  ValueId value = call_inside(s, g, module, inputs, count, origin, place);
  if (framed) s->calls = frame.outer;
  front_leave(s);
  return value;
}

ValueId call_module(Session *s, Graph *g, ModuleId module, const ValueId *inputs, size_t count, Span origin) {
  return call_at(s, g, module, inputs, count, origin, origin);
}
