/* A whole donor, the pretrained network that a script takes from: its modules, its data flow, its stages and its
 * default input; and which built-in network a weight file belongs to. It binds no weights and cuts no slice. Called by
 * take and the stitching append, and by whoever meets a weight file that does not fit. */
#include "compiler/model/model.h"
#include "compiler/import/onnx.h"
#include "compiler/settings/settings.h"
#include "compiler/select/select.h"
#include "compiler/ops/shape.h"

/* The last place in the forward order that a selection calls; -1 when it calls nothing. */
static int64_t last_call(const Selection *selection, const size_t *position) {
  int64_t last = -1;
  for (size_t i = 0; i < selection->nodes.count; i++) {
    int64_t at = (int64_t)position[selection->nodes.at[i]];
    if (at > last) last = at;
  }
  return last;
}

static const char *stage_name(Session *s, const Stmt *item, size_t index) {
  if (item->name) return item->name;
  if (select_is_name(item->selector)) return item->selector->text;
  return arena_printf(s->arena, "stage%zu", index);
}

/* Each stage reaches from the end of the one before to its own last call; what follows the last is the head. */
static bool assign_stages(Session *s, Graph *g, Scope *scope, const Stmt *stmt) {
  size_t *position = arena_array(s->arena, size_t, g->nodes.count + 1);
  VEC(int64_t) lasts = {0};
  int64_t done = -1;
  bool good = true;
  for (size_t i = 0; i < g->order.count; i++) position[g->order.at[i]] = i;
  for (const Stmt *item = stmt->body; item; item = item->next) { /* `head` is a layer here: no stages are there yet */
    Selection selection = {0};
    good = select_resolve(s, g, scope, item->selector, false, &selection) && good;
    vec_push(s->arena, &lasts, last_call(&selection, position));
  }
  const int64_t *next = lasts.at;
  for (const Stmt *item = stmt->body; good && item; item = item->next) {
    int64_t last = *next++;
    const char *name = stage_name(s, item, g->stages.count);
    if (last <= done) {
      Diag *d = front_error(
          s, DIAG_E0125, item->span,
          last < 0 ? "the stage '%s' is never called" : "the stage '%s' does not end after the one before it", name);
      diag_help(&s->diags, d, "stages are listed in forward order, and each ends later than the one before");
      return false;
    }
    for (int64_t at = done + 1; at <= last; at++) node_at(g, g->order.at[at])->stage = (int)g->stages.count;
    vec_push(g->arena, &g->stages, (Stage){name});
    done = last;
  }
  return good;
}

static const char *network_name(const Expr *model) {
  const Expr *callee = model->kind == EXPR_CALL ? model->left : model;
  return callee->text ? callee->text : "network";
}

static bool unknown_network(Session *s, Scope *scope, const Expr *callee) {
  if (diag_may_be_unread(&s->diags, callee->text)) return false;
  Diag *d = front_error(s, DIAG_E0102, callee->span, "there is no network '%s'", callee->text);
  NameList names = {0};
  size_t count;
  const char *const *networks = zoo_models(s, &count); /* without the models that these are made of */
  for (size_t i = 0; i < count; i++) vec_push(s->arena, &names, networks[i]);
  scope_names(s->arena, scope, &names);
  for (size_t i = count; i < names.count; i++) /* a network that only holds the word is another one: googlenet, lenet */
    if (scope_own(zoo_scope(s), names.at[i])) names.at[i] = "";
  const char *near = nearest_name(callee->text, names.at, names.count);
  size_t given = strlen(callee->text), length = near ? strlen(near) : 0;
  if ((length > given ? length - given : given - length) * 3 > given) names.count = 0;
  if (help_unknown_network(s, d, callee->span) ||
      front_suggest(s, d, callee->span, callee->text, names.at, names.count))
    return false;
  diag_help(&s->diags, d, "`surgeryc zoo` lists the built-in ones; a script may declare its own with `model`");
  diag_help(&s->diags, d, "any other is taken from an ONNX file: take \"%s.onnx\"", callee->text);
  return false;
}

static bool is_network(Session *s, Scope *scope, const Expr *model) {
  const Expr *callee = model->kind == EXPR_CALL ? model->left : model;
  if (callee->kind != EXPR_NAME) {
    front_error(s, DIAG_E0128, model->span, "a network is named, as in `take resnet18` or `take MyModel(10)`");
    return false;
  }
  const Const *known = scope_get(scope, callee->text);
  bool helper = known && known == scope_own(zoo_scope(s), callee->text) && model->kind != EXPR_CALL && known->model &&
                known->model->params &&
                !known->model->params->value; /* a part that the built-in networks are made of */
  if (helper) return unknown_network(s, scope, callee);
  if (known || op_find(callee->text, true) != OP_NONE || streq(callee->text, "Sequential")) return true;
  return unknown_network(s, scope, callee);
}

/* ---- what flows in ---- */

static bool says_mask(const Stmt *input) {
  for (const Arg *arg = input ? input->args : NULL; arg; arg = arg->next)
    if (arg->name && streq(arg->name, "mask")) return true;
  return false;
}

/* Is the second value of the forward read by anything but attention? */
static bool read_as_value(const Graph *g) {
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    bool attention = n->op == OP_MultiheadAttention || n->op == OP_scaled_dot_product_attention;
    for (size_t k = 0; k < n->inputs.count; k++)
      if (n->inputs.at[k] == g->mask_value && !attention) return true;
  }
  return g->outputs.at[0].value == g->mask_value;
}

/* "4", "3, 32, 32": the sizes that the model's own input has. */
static const char *input_sizes(Session *s, const Stmt *input) {
  const Arg *first = input ? input->args : NULL, *last = first;
  if (!first || first->name) return "…";
  while (last->next && !last->next->name) last = last->next;
  return front_text(s, span_join(first->value->span, last->value->span));
}

/* Networks have one input so far: says so, and how two that are alike go into one. */
static bool several_inputs(Session *s, const ModelBody *body) {
  const Stmt *forward = body->forward;
  const char *names = "", *apart = "";
  size_t count = 0;
  for (const Arg *p = forward->params; p; p = p->next, count++) {
    names = arena_printf(s->arena, "%s%s%s", names, count == 0 ? "" : p->next ? ", " : " and ", p->name);
    apart = arena_printf(s->arena, "%s%s%s = select(all_of_them, 1, %zu)", apart, count ? "; " : "", p->name, count);
  }
  Span span = span_join(forward->params->name_span, forward->params->next->name_span);
  for (const Arg *p = forward->params; p; p = p->next) span = span_join(span, p->name_span);
  Diag *d = front_error(s, DIAG_E0150, span,
                        "the network '%s' has %zu inputs, %s, and this version compiles networks with one",
                        body->model->name, count, names);
  diag_help(&s->diags, d,
            "inputs of the same shape can be fed as one: input tensor(%zu, %s), and forward all_of_them { %s; … }",
            count, input_sizes(s, body->input), apart);
  diag_help(&s->diags, d, "a model with several inputs may also be a part of another model, whose forward calls it");
  if (count == 2)
    diag_note(&s->diags, d, "a second input is only taken as a mask, which attention reads: attn(x, mask)");
  return false;
}

/* One value in, with a mask beside it where the forward names a second; one value out. */
static bool trace_network(Session *s, Graph *g, const Expr *model, Span origin) {
  const ModelBody *body = module_at(g, 0)->body;
  const Arg *formals = body && body->forward ? body->forward->params : NULL, *mask = formals ? formals->next : NULL;
  if (mask && mask->next) return several_inputs(s, body);
  g->input_value = graph_add_value(g, NO_ID);
  if (mask) g->mask_value = graph_add_value(g, NO_ID);
  ValueId result = call_module(s, g, 0, (ValueId[]){g->input_value, g->mask_value}, mask ? 2 : 1, origin);
  if (result == NO_ID) return false;
  if (result == g->input_value) {
    if (body && diag_unread_within(&s->diags, body->model->span)) return false;
    front_error(s, DIAG_E0128, model->span, "the network '%s' has no layers: its output is its input", g->name);
    return false;
  }
  vec_push(g->arena, &g->outputs, (Output){"output", result});
  return !mask || says_mask(body->input) || !read_as_value(g) || several_inputs(s, body);
}

Graph *build_donor(Session *s, Scope *scope, const Expr *model, Span origin) {
  if (!scope) scope = zoo_scope(s);
  if (model->kind == EXPR_STRING) return import_onnx(s, model->text, model->span, weights_guess_model);
  if (!is_network(s, scope, model)) return NULL;
  Graph *g = graph_create(s->arena, network_name(model));
  if (!build_root(s, g, scope, model, origin) || !trace_network(s, g, model, origin)) return NULL;
  const ModelBody *body = module_at(g, 0)->body;
  if (body && body->stages && !assign_stages(s, g, body->scope, body->stages)) return NULL;
  if (body && body->input && !eval_input(s, body->scope, g, body->input)) return NULL;
  g->made_for = g->input.shape;
  g->input.span = SPAN_NONE; /* the model's own, which a script's `input` overrides */
  graph_check(g);
  return g;
}

/* ---- which built-in network a weight file belongs to: for the message where it is not the one that was taken ---- */

bool donor_has_shape(const surgery_tensor *t, const Shape *shape) {
  if (shape->rank == 0) return t->count == 1; /* a counter; old files hold it as [1] */
  if (shape->rank != t->rank) return false;
  for (int i = 0; i < t->rank; i++)
    if (shape->dim[i] != t->shape[i]) return false;
  return true;
}

static bool has_all(Session *s, const char *model, surgery_weights *file, size_t *needed) {
  Expr name = {.kind = EXPR_NAME, .span = SPAN_NONE, .text = model};
  Graph *g = build_donor(s, zoo_scope(s), &name, SPAN_NONE);
  if (!g || !infer_shapes(s, g)) return false;
  Arena *scratch = arena_create();
  ParamList params = graph_state_dict(g, scratch, false);
  *needed = params.count;
  bool all = params.count > 0;
  for (size_t i = 0; i < params.count && all; i++) {
    const Param *p = param_at(g, params.at[i]);
    const surgery_tensor *t = surgery_weights_find(file, p->name);
    all = t && donor_has_shape(t, &p->shape);
  }
  arena_destroy(scratch);
  return all;
}

const char *weights_guess_model(Session *s, surgery_weights *file) {
  size_t count, most = 0;
  const char *const *models = zoo_models(s, &count);
  const char *best = NULL;
  for (size_t i = 0; i < count; i++) {
    size_t needed;
    if (!has_all(s, models[i], file, &needed) || needed <= most) continue;
    most = needed;
    best = models[i];
  }
  return best;
}
