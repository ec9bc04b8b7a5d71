/* init (fresh values other than PyTorch's defaults) and adapt (another number of input channels). Neither
 * touches a value: both leave word at the parameter, for weights/fill.c. Called by compiler/script. */
#include "compiler/edit/edit.h"
#include "compiler/ops/shape.h"
#include "compiler/weights/weights.h"
#include <inttypes.h>
#include <math.h>

/* ---- init: the rows are torch.nn.init's functions with their arguments ---- */

typedef struct InitRow {
  const char *name;
  const char *args[3]; /* in torch's order */
  bool matrices;       /* of weights with two dimensions or more only: it needs their fans */
} InitRow;

static const InitRow rows[] = {
    {"zeros", {0}, false},
    {"ones", {0}, false},
    {"constant", {"val"}, false},
    {"uniform", {"a", "b"}, false},
    {"normal", {"mean", "std"}, false},
    {"kaiming_uniform", {"a", "mode", "nonlinearity"}, true},
    {"kaiming_normal", {"a", "mode", "nonlinearity"}, true},
    {"xavier_uniform", {"gain"}, true},
    {"xavier_normal", {"gain"}, true},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

const char *init_name(size_t i) { return i < ROW_COUNT ? rows[i].name : NULL; }

static bool wrong_init(EditContext *e, Span span, const char *why) {
  Diag *d = diag_report(&e->s->diags, DIAG_E0226, span, "%s", why);
  diag_help(&e->s->diags, d,
            "init knows zeros, ones, constant, uniform, normal, kaiming_uniform, kaiming_normal, "
            "xavier_uniform and xavier_normal, with the arguments of torch.nn.init");
  return false;
}

static const InitRow *find_row(EditContext *e, const Expr *value) {
  const Expr *name = value->kind == EXPR_CALL ? value->left : value;
  const char *names[ROW_COUNT];
  for (int i = 0; i < ROW_COUNT; i++) {
    names[i] = rows[i].name;
    if (name->kind == EXPR_NAME && streq(name->text, rows[i].name)) return &rows[i];
  }
  const char *text = name->text ? name->text : "this", *near = nearest_name(text, names, ROW_COUNT);
  if (!near) {
    wrong_init(e, name->span, arena_printf(e->s->arena, "'%s' is not an initialisation", text));
    return NULL;
  }
  Diag *d = diag_report(&e->s->diags, DIAG_E0226, name->span, "'%s' is not an initialisation", text);
  diag_suggest(&e->s->diags, d, name->span, near);
  return NULL;
}

typedef struct InitArgs {
  bool given[3];
  double number[3];
  const char *text[3];
} InitArgs;

static bool read_args(EditContext *e, const InitRow *row, const Expr *value, InitArgs *out) {
  size_t position = 0;
  for (const Arg *arg = value->kind == EXPR_CALL ? value->args : NULL; arg; arg = arg->next, position++) {
    size_t k = arg->name ? 0 : position;
    while (arg->name && k < 3 && row->args[k] && !streq(row->args[k], arg->name)) k++;
    if (k >= 3 || !row->args[k] || out->given[k])
      return wrong_init(e, arg->value->span, arena_printf(e->s->arena, "%s takes no such argument here", row->name));
    Const c;
    if (!eval_const(e->s, e->scope, arg->value, &c)) return false;
    bool text = streq(row->args[k], "mode") || streq(row->args[k], "nonlinearity");
    bool number = c.kind == CONST_INT || c.kind == CONST_FLOAT;
    if (text ? c.kind != CONST_TEXT : !number)
      return wrong_init(e, arg->value->span,
                        arena_printf(e->s->arena, "%s must be %s", row->args[k], text ? "a text" : "a number"));
    out->given[k] = true;
    out->text[k] = c.text;
    out->number[k] = c.kind == CONST_INT ? (double)c.integer : c.number;
  }
  return true;
}

/* torch.nn.init.calculate_gain; negative when there is no such function. */
static double gain_of(const char *function, double slope) {
  static const struct {
    const char *name;
    double gain;
  } gains[] = {{"linear", 1}, {"conv2d", 1}, {"sigmoid", 1}, {"tanh", 5.0 / 3}, {"relu", M_SQRT2}, {"selu", 0.75}};
  if (streq(function, "leaky_relu")) return sqrt(2 / (1 + slope * slope));
  for (size_t i = 0; i < sizeof gains / sizeof *gains; i++)
    if (streq(gains[i].name, function)) return gains[i].gain;
  return -1;
}

static bool make_kaiming(EditContext *e, const Expr *value, const InitArgs *a, Initializer *out) {
  const char *mode = a->given[1] ? a->text[1] : "fan_in";
  double gain = gain_of(a->given[2] ? a->text[2] : "leaky_relu", a->given[0] ? a->number[0] : 0);
  if (!streq(mode, "fan_in") && !streq(mode, "fan_out"))
    return wrong_init(e, value->span, "mode is \"fan_in\" or \"fan_out\"");
  if (gain < 0)
    return wrong_init(e, value->span, "nonlinearity is linear, conv2d, sigmoid, tanh, relu, leaky_relu or selu");
  out->fan = streq(mode, "fan_in") ? FAN_IN : FAN_OUT;
  out->value = gain;
  return true;
}

static bool make_init(EditContext *e, const InitRow *row, const Expr *value, const InitArgs *a, Initializer *out) {
  *out = (Initializer){.kind = INIT_CONSTANT};
  if (streq(row->name, "zeros")) return true;
  if (streq(row->name, "ones") || streq(row->name, "constant")) {
    if (*row->name == 'c' && !a->given[0]) return wrong_init(e, value->span, "constant needs its value: constant(0.5)");
    out->value = *row->name == 'c' ? a->number[0] : 1;
    return true;
  }
  bool normal = strstr(row->name, "normal") != NULL;
  out->kind = normal ? INIT_NORMAL : INIT_UNIFORM;
  if (streq(row->name, "uniform")) {
    double low = a->given[0] ? a->number[0] : 0, high = a->given[1] ? a->number[1] : 1;
    if (high < low) return wrong_init(e, value->span, "uniform(a, b) needs a <= b");
    out->value = (high - low) / 2;
    out->shift = (high + low) / 2;
    return true;
  }
  if (streq(row->name, "normal")) {
    out->shift = a->given[0] ? a->number[0] : 0;
    out->value = a->given[1] ? a->number[1] : 1;
    return out->value >= 0 || wrong_init(e, value->span, "std must not be negative");
  }
  if (*row->name == 'k') {
    if (!make_kaiming(e, value, a, out)) return false;
  } else {
    out->fan = FAN_MEAN;
    out->value = a->given[0] ? a->number[0] : 1;
  }
  if (!normal) out->value *= sqrt(3);
  return true;
}

/* A weight that begins with random values: those of normalisations are factors, which begin at 1. */
static bool is_matrix(const Graph *g, const Param *p) {
  const Module *m = module_at(g, p->module);
  return streq(op_info(m->op)->params[p->role].name, "weight") &&
         op_param_value(m->op, &m->args, p->role).initial.kind != INIT_CONSTANT;
}

bool edit_init(EditContext *e, const Stmt *stmt) {
  Graph *g = e->graph;
  const InitRow *row = find_row(e, stmt->value);
  InitArgs args = {0};
  Initializer init;
  if (!row || !read_args(e, row, stmt->value, &args) || !make_init(e, row, stmt->value, &args, &init)) return false;
  Arena *scratch = arena_create();
  Picked picked;
  bool ok = select_units(e->s, g, e->scope, stmt->selector, false, scratch, &picked);
  size_t changed = 0;
  for (size_t i = 0; ok && i < g->params.count; i++) {
    Param *p = param_at(g, i);
    if (!picked.param[i] || p->is_buffer || !module_at(g, p->module)->alive || (row->matrices && !is_matrix(g, p)))
      continue;
    weights_forget(p);
    p->has_init = true;
    p->init = init;
    changed++;
  }
  if (ok && changed == 0)
    ok = wrong_init(e, stmt->selector->span,
                    arena_printf(e->s->arena, "there is nothing in it that %s could give values to", row->name));
  arena_destroy(scratch);
  return ok;
}

/* ---- adapt ---- */

/* The donor's own default input follows the first convolution; what the script says about it stands. */
static void adapt_input(Graph *g, ModuleId conv, int64_t channels, Span span) {
  if (g->input.span.source != SPAN_NO_SOURCE || g->input.shape.rank != 3) return;
  for (size_t i = 0; i < g->nodes.count; i++) {
    const Node *n = node_at(g, i);
    if (!n->alive || n->module != conv || n->inputs.at[0] != g->input_value) continue;
    g->input.shape.dim[0] = channels;
    g->input.adapted = span; /* its steps are settled after all statements: an input statement may come */
    if (channels > 4) {      /* no image file has so many */
      g->input.kind = INPUT_TENSOR;
      g->input.preprocess.count = 0;
    }
  }
}

static bool wrong_adapt(EditContext *e, Span span, const char *why, const char *help) {
  Diag *d = diag_report(&e->s->diags, DIAG_E0226, span, "%s", why);
  diag_help(&e->s->diags, d, "%s", help);
  return false;
}

static bool adapt_module(EditContext *e, const Stmt *stmt, ModuleId id, int64_t channels) {
  Graph *g = e->graph;
  Module *m = module_at(g, id);
  if (m->op != OP_Conv2d)
    return wrong_adapt(e, stmt->selector->span,
                       arena_printf(e->s->arena, "adapt works on a Conv2d, and '%s' is a %s", m->name, m->type),
                       "name the first convolution, as in: adapt conv1 to channels 1");
  if (m->args.Conv2d.groups != 1)
    return wrong_adapt(e, stmt->selector->span,
                       arena_printf(e->s->arena, "'%s' has %" PRId64 " groups, whose channels are not alike", m->name,
                                    m->args.Conv2d.groups),
                       "replace it instead");
  int64_t old = m->args.Conv2d.in_channels;
  for (size_t i = 0; i < m->params.count; i++) {
    Param *p = param_at(g, m->params.at[i]);
    if (!is_matrix(g, p) || old == channels) continue;
    bool whole = p->patches.count == 0 && !p->donor_region;
    if (whole && (p->donor == NO_ID || p->adapt_from)) continue; /* fresh; or from the file's own channels again */
    if (!whole && !save_snapshot(e, m->params.at[i], stmt->span)) return false;
    p->adapt_from = old;
  }
  m->args.Conv2d.in_channels = channels;
  for (size_t i = 0; i < g->nodes.count; i++) /* when it no longer fits, this statement is to blame */
    if (node_at(g, i)->module == id) node_at(g, i)->origin = stmt->span;
  adapt_input(g, id, channels, stmt->span);
  return true;
}

bool edit_adapt(EditContext *e, const Stmt *stmt) {
  Const channels;
  if (!eval_const(e->s, e->scope, stmt->value, &channels)) return false;
  if (channels.kind != CONST_INT || channels.integer < 1 || channels.integer > 65536)
    return wrong_adapt(e, stmt->value->span, "channels is a whole number from 1 to 65536",
                       "as in: adapt conv1 to channels 1");
  Arena *scratch = arena_create();
  Picked picked;
  bool ok = select_units(e->s, e->graph, e->scope, stmt->selector, false, scratch, &picked) &&
            !edit_reject_tensors(e, stmt, &picked, "adapt");
  if (ok && (picked.units.count != 1 || picked.units.at[0].module == NO_ID))
    ok = wrong_adapt(e, stmt->selector->span, "adapt takes one convolution", "name it: adapt conv1 to channels 1");
  ok = ok && adapt_module(e, stmt, picked.units.at[0].module, channels.integer);
  arena_destroy(scratch);
  return ok;
}
