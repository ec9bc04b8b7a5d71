/* expect: what the script states about shapes and parameter counts, checked when the last edit has run and
 * every shape is known; and the other thing that is only known then, whether a train block has anything to
 * train. Called by script.c through edit_check_expects. */
#include "compiler/script/script.h"
#include "compiler/weights/weights.h"
#include "compiler/select/log.h"
#include <inttypes.h>

/* 11689512 → "11,689,512" */
static const char *count_text(Arena *arena, int64_t n) {
  char digits[32];
  snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? -n : n);
  const char *text = n < 0 ? "-" : "";
  for (size_t i = 0, length = strlen(digits); i < length; i++)
    text = arena_printf(arena, "%s%s%c", text, i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
  return text;
}

/* ---- the number of parameters ---- */

static bool compare(Operator op, double got, double wanted) {
  switch (op) {
  case OP_LESS: return got < wanted;
  case OP_GREATER: return got > wanted;
  case OP_LESS_EQUAL: return got <= wanted;
  case OP_GREATER_EQUAL: return got >= wanted;
  case OP_EQUAL: return got == wanted;
  case OP_NOT_EQUAL: return got != wanted;
  default: return false;
  }
}

static bool malformed(EditContext *e, Span span, const char *why) {
  Diag *d = diag_report(&e->s->diags, DIAG_E0225, span, "%s", why);
  diag_help(&e->s->diags, d, "write a shape, expect output (N, 10), or a number, expect parameters <= 12M");
  return false;
}

static bool check_count(EditContext *e, const Stmt *stmt, Arena *scratch) {
  const Graph *g = e->graph;
  Const wanted;
  int64_t got = 0;
  Picked picked;
  if (stmt->selector && !select_units(e->s, g, e->scope, stmt->selector, false, scratch, &picked)) return false;
  ParamList params = graph_state_dict(g, scratch, false);
  for (size_t i = 0; i < params.count; i++) {
    const Param *p = param_at(g, params.at[i]);
    if (stmt->selector && !picked.param[params.at[i]]) continue;
    if (p->shape.rank < 0) return true; /* a layer that is never called: the shape pass has said so */
    got += shape_count(&p->shape);
  }
  if (!eval_const(e->s, e->scope, stmt->value, &wanted)) return false;
  if (wanted.kind != CONST_INT && wanted.kind != CONST_FLOAT)
    return malformed(e, stmt->value->span, "parameters are compared with a number");
  double number = wanted.kind == CONST_INT ? (double)wanted.integer : wanted.number;
  if (compare(stmt->compare, (double)got, number)) return true;
  const char *limit =
      wanted.kind == CONST_INT ? count_text(scratch, wanted.integer) : arena_printf(scratch, "%g", number);
  Diag *d = diag_report(&e->s->diags, DIAG_E0224, stmt->span, "expected parameters %s %s, but there are %s",
                        operator_name(stmt->compare), limit, count_text(scratch, got));
  diag_caret(&e->s->diags, d, "%s", count_text(scratch, got));
  return false;
}

/* ---- shapes ---- */

typedef struct Wanted {
  bool batch;
  int rank;
  int64_t dim[MAX_SHAPE_RANK]; /* HOLE_VALUE: any */
} Wanted;

static bool read_shape(EditContext *e, const Expr *expr, Wanted *out) {
  Arg one = {.value = (Expr *)expr};
  const Arg *arg = expr->kind == EXPR_TUPLE || expr->kind == EXPR_LIST ? expr->args : &one;
  *out = (Wanted){0};
  if (arg && arg->value->kind == EXPR_NAME && streq(arg->value->text, "N")) {
    out->batch = true;
    arg = arg->next;
  }
  for (; arg; arg = arg->next) {
    Const value = {.kind = CONST_INT, .integer = HOLE_VALUE};
    if (arg->value->kind != EXPR_HOLE && !eval_const(e->s, e->scope, arg->value, &value)) return false;
    if (value.kind != CONST_INT) return malformed(e, arg->value->span, "a shape is made of whole numbers, with N or _");
    if (out->rank == MAX_SHAPE_RANK) return malformed(e, expr->span, "no value has that many dimensions");
    out->dim[out->rank++] = value.integer;
  }
  return true;
}

static const char *wanted_text(Arena *arena, const Wanted *w) {
  const char *text = w->batch ? "(N" : "(";
  for (int i = 0; i < w->rank; i++) {
    const char *comma = i > 0 || w->batch ? ", " : "";
    text = w->dim[i] == HOLE_VALUE ? arena_printf(arena, "%s%s_", text, comma)
                                   : arena_printf(arena, "%s%s%" PRId64, text, comma, w->dim[i]);
  }
  return arena_printf(arena, "%s%s", text, w->batch && w->rank == 0 ? ",)" : ")");
}

static bool shape_fits(const Wanted *w, const Shape *shape) {
  if (w->rank != shape->rank) return false;
  for (int i = 0; i < w->rank; i++)
    if (w->dim[i] != HOLE_VALUE && w->dim[i] != shape->dim[i]) return false;
  return true;
}

/* The value that the selector means: the output, the input, or what leaves the one layer it names. */
static bool find_value(EditContext *e, const Stmt *stmt, const Picked *picked, Arena *scratch, ValueId *out) {
  if (picked->units.count != 1) return malformed(e, stmt->selector->span, "expect looks at one layer");
  const Unit *u = &picked->units.at[0];
  CallSites sites = {0};
  if (!edit_call_sites(e, u, stmt->selector->span, scratch, &sites)) return false;
  if (sites.count == 0)
    return malformed(e, stmt->selector->span, "forward never runs through this layer, so it has no output");
  if (sites.at[0].out.count != 1)
    return malformed(e, stmt->selector->span, "several values leave this part of the network");
  *out = sites.at[0].out.at[0];
  return true;
}

static bool report_shape(EditContext *e, const Stmt *stmt, const char *name, const char *wanted, const char *got) {
  Diag *d = diag_report(&e->s->diags, DIAG_E0223, stmt->value->span, "expected %s %s, but it is %s", name, wanted, got);
  diag_caret(&e->s->diags, d, "it is %s", got);
  return false;
}

static bool check_tensor(EditContext *e, const Stmt *stmt, const Picked *picked, const Wanted *w, Arena *scratch) {
  const Graph *g = e->graph;
  for (size_t i = 0; i < g->params.count; i++) {
    const Param *p = param_at(g, i);
    if (!picked->param[i] || p->shape.rank < 0 || (!w->batch && shape_fits(w, &p->shape))) continue;
    return report_shape(e, stmt, p->name, wanted_text(scratch, w), shape_text_plain(scratch, &p->shape));
  }
  return true;
}

static bool check_shape(EditContext *e, const Stmt *stmt, Arena *scratch) {
  const Graph *g = e->graph;
  const Selector *sel = stmt->selector;
  const char *name = sel->text ? sel->text : "it";
  bool plain = sel->kind == SELECT_NAME && !sel->is_glob;
  Wanted w;
  ValueId value;
  if (!read_shape(e, stmt->value, &w)) return false;
  if (edit_output_named(g, sel, &value)) {
  } else if (plain && streq(name, "output") && graph_find_module(g, name) == NO_ID) {
    value = g->outputs.at[0].value;
  } else if (plain && streq(name, "input") && graph_find_module(g, name) == NO_ID) {
    value = g->input_value;
  } else {
    Picked picked;
    if (!select_units(e->s, g, e->scope, sel, false, scratch, &picked)) return false;
    if (picked.tensors && !picked.layers) return check_tensor(e, stmt, &picked, &w, scratch);
    if (!find_value(e, stmt, &picked, scratch, &value)) return false;
  }
  if (!w.batch) {
    Diag *d = diag_report(&e->s->diags, DIAG_E0225, stmt->value->span, "a value's shape begins with the batch, N");
    const char *text = wanted_text(scratch, &w);
    diag_help(&e->s->diags, d, "write (N, %s", text + 1);
    diag_fix(&e->s->diags, d, stmt->value->span, "(N, %s", text + 1);
    return false;
  }
  const Shape *shape = &value_at(g, value)->shape;
  if (shape->rank < 0 || shape_fits(&w, shape)) return true;
  return report_shape(e, stmt, name, wanted_text(scratch, &w), shape_text(scratch, shape));
}

/* ---- after the last edit ---- */

static void check_training(EditContext *e) {
  const Graph *g = e->graph;
  if (!e->train) return;
  for (size_t i = 0; i < g->params.count; i++)
    if (param_at(g, i)->trainable && module_at(g, param_at(g, i)->module)->alive) return;
  Diag *d =
      diag_report(&e->s->diags, DIAG_W0203, e->train->span, "there is nothing to train: every parameter is frozen");
  diag_help(&e->s->diags, d, "replace or unfreeze a layer, or remove the train block");
}

bool edit_check_expects(EditContext *e) {
  if (!e->graph) return false;
  Arena *scratch = arena_create();
  bool ok = true;
  for (size_t i = 0; i < e->expects.count; i++) {
    const Stmt *stmt = e->expects.at[i];
    int step = log_resume(e->s, stmt);
    if (stmt->compare) ok &= check_count(e, stmt, scratch);
    else if (!stmt->selector || !stmt->value) ok = malformed(e, stmt->span, "this expectation states nothing");
    else ok &= check_shape(e, stmt, scratch);
    log_back(e->s, step);
  }
  ok &= weights_check(e->s, e->graph);
  ok &= weights_check_saves(e->s, e->graph);
  edit_outputs_trained(e);
  edit_share_weights(e);
  check_training(e);
  arena_destroy(scratch);
  return ok;
}
