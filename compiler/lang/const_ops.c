/* Arithmetic, comparison and the few functions over constants, as Python does them, but with every overflow
 * reported. Knows nothing of layers and graphs. */
#include "compiler/lang/lang.h"
#include <float.h>
#include <inttypes.h>
#include <math.h>

Const const_int(int64_t value) { return (Const){.kind = CONST_INT, .integer = value}; }
Const const_bool(bool value) { return (Const){.kind = CONST_BOOL, .integer = value}; }

const char *const_kind(const Const *c) {
  switch (c->kind) {
  case CONST_NONE: return "none";
  case CONST_INT: return "an integer";
  case CONST_FLOAT: return "a number";
  case CONST_BOOL: return "true or false";
  case CONST_TEXT: return "a text";
  case CONST_LIST: return "a list";
  case CONST_MODEL: return c->expr || !c->model ? "a layer" : "a model";
  case CONST_HOLE: return "_";
  case CONST_VALUE: return "a value of the network";
  case CONST_LAYER: return "a layer";
  case CONST_UNKNOWN: return "not known";
  }
  return "?";
}

/* Lists may be nested to any depth and share parts, so what is written of one is bounded. */
static const char *text_of(Arena *arena, const Const *c, int depth) {
  switch (c->kind) {
  case CONST_INT: return arena_printf(arena, "%" PRId64, c->integer);
  case CONST_FLOAT: return arena_printf(arena, "%g", c->number);
  case CONST_BOOL: return c->integer ? "true" : "false";
  case CONST_TEXT: return arena_printf(arena, "\"%.60s%s\"", c->text, strlen(c->text) > 60 ? "…" : "");
  case CONST_MODEL: return c->model ? c->model->name : c->text ? c->text : "a layer";
  case CONST_LIST: {
    const char *text = "[";
    for (size_t i = 0; i < c->list.count; i++) {
      if (i == 6 || depth == 2) {
        text = arena_printf(arena, "%s, …", text);
        break;
      }
      text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", text_of(arena, &c->list.at[i], depth + 1));
    }
    return arena_printf(arena, "%s]", text);
  }
  default: return const_kind(c);
  }
}

const char *const_text(Arena *arena, const Const *c) { return text_of(arena, c, 0); }

bool const_truth(const Const *c) {
  switch (c->kind) {
  case CONST_NONE: return false;
  case CONST_INT:
  case CONST_BOOL: return c->integer != 0;
  case CONST_FLOAT: return c->number != 0;
  case CONST_TEXT: return *c->text != '\0';
  case CONST_LIST: return c->list.count > 0;
  default: return true;
  }
}

static bool is_number(const Const *c) { return c->kind == CONST_INT || c->kind == CONST_FLOAT; }
static double as_double(const Const *c) { return c->kind == CONST_INT ? (double)c->integer : c->number; }

/* What can be written instead, where a side is a value of the network. */
static const char *value_help(Operator op, const Const *a, const Const *b) {
  if (is_comparison(op))
    return "a value of the network is not known when the script is compiled, and `if` chooses then";
  if (a->kind == CONST_VALUE && b->kind == CONST_VALUE)
    return op == OP_SUBTRACT ? "the difference of two values is written a + -b"
                             : "in a forward two values can only be added; everything else is a layer or a function";
  if ((op == OP_ADD || op == OP_SUBTRACT) && (is_number(a) || is_number(b)))
    return "in a forward only two values can be added; a number can multiply or divide one: x * 0.5, x / 4";
  return "in a forward a value can be multiplied or divided by a number, x * 0.5 or x / 4, or added to another; "
         "everything else is a layer or a function";
}

static bool wrong_operands(Eval *e, const Expr *expr, const Const *a, const Const *b) {
  Diag *d = front_error(e->s, DIAG_E0104, expr->span, "'%s' does not work on %s and %s", operator_name(expr->op),
                        const_kind(a), const_kind(b));
  if (a->kind == CONST_VALUE || b->kind == CONST_VALUE) diag_help(&e->s->diags, d, "%s", value_help(expr->op, a, b));
  return false;
}

static bool overflow(Eval *e, const Expr *expr, const Const *a, const Const *b) {
  front_error(e->s, DIAG_E0105, expr->span, "%s %s %s is too large for a 64-bit integer", const_text(e->s->arena, a),
              operator_name(expr->op), const_text(e->s->arena, b));
  return false;
}

static bool divides_by_zero(Eval *e, const Expr *expr, const Const *a) {
  front_error(e->s, DIAG_E0106, expr->span, "%s %s 0: division by zero", const_text(e->s->arena, a),
              operator_name(expr->op));
  return false;
}

/* value * number, number * value, value / number: the factor must be a number for the kernel, which has 32 bits. */
static bool scale_value(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out) {
  const Const *value = a->kind == CONST_VALUE ? a : b;
  double number = as_double(value == a ? b : a);
  bool divides = expr->op == OP_DIVIDE;
  if (divides && number == 0) return divides_by_zero(e, expr, a);
  double factor = divides ? 1 / number : number;
  if (!(fabs(factor) <= FLT_MAX)) {
    front_error(e->s, DIAG_E0105, expr->span, "%s by %g exceeds the 32-bit floats of a network",
                divides ? "dividing" : "multiplying", number);
    return false;
  }
  return trace_mul(e, expr, divides ? "truediv" : "mul", value, factor, out);
}

bool const_unary(Eval *e, const Expr *expr, const Const *a, Const *out) {
  if (expr->op == OP_NOT) {
    if (a->kind == CONST_VALUE) {
      front_error(e->s, DIAG_E0104, expr->span, "a value of the network is not known when the script is compiled");
      return false;
    }
    *out = const_bool(!const_truth(a));
    return true;
  }
  if (a->kind == CONST_VALUE) return trace_mul(e, expr, "neg", a, -1, out);
  if (a->kind == CONST_FLOAT) {
    *out = (Const){.kind = CONST_FLOAT, .number = -a->number};
    return true;
  }
  if (a->kind != CONST_INT) {
    front_error(e->s, DIAG_E0104, expr->span, "'-' does not work on %s", const_kind(a));
    return false;
  }
  if (a->integer == INT64_MIN) {
    front_error(e->s, DIAG_E0105, expr->span, "the result is too large for a 64-bit integer");
    return false;
  }
  *out = const_int(-a->integer);
  return true;
}

static bool int_arithmetic(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out) {
  int64_t x = a->integer, y = b->integer, result = 0;
  bool too_large = false;
  switch (expr->op) {
  case OP_ADD: too_large = __builtin_add_overflow(x, y, &result); break;
  case OP_SUBTRACT: too_large = __builtin_sub_overflow(x, y, &result); break;
  case OP_MULTIPLY: too_large = __builtin_mul_overflow(x, y, &result); break;
  case OP_FLOOR_DIVIDE:
    too_large = x == INT64_MIN && y == -1;
    if (!too_large) result = x / y - (x % y != 0 && (x < 0) != (y < 0)); /* towards minus infinity */
    break;
  case OP_REMAINDER:
    if (y != -1) result = x % y;
    if (result != 0 && (result < 0) != (y < 0)) result += y; /* the divisor's sign */
    break;
  default: BUG("'%s' is not arithmetic", operator_name(expr->op));
  }
  if (too_large) return overflow(e, expr, a, b);
  *out = const_int(result);
  return true;
}

static bool arithmetic(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out) {
  bool divides = expr->op == OP_DIVIDE || expr->op == OP_FLOOR_DIVIDE || expr->op == OP_REMAINDER;
  double x = as_double(a), y = as_double(b), result = 0;
  if (divides && y == 0) return divides_by_zero(e, expr, a);
  if (a->kind == CONST_INT && b->kind == CONST_INT && expr->op != OP_DIVIDE) return int_arithmetic(e, expr, a, b, out);
  switch (expr->op) {
  case OP_ADD: result = x + y; break;
  case OP_SUBTRACT: result = x - y; break;
  case OP_MULTIPLY: result = x * y; break;
  case OP_DIVIDE: result = x / y; break;
  case OP_FLOOR_DIVIDE: result = floor(x / y); break;
  case OP_REMAINDER: result = x - y * floor(x / y); break;
  default: BUG("'%s' is not arithmetic", operator_name(expr->op));
  }
  if (!isfinite(result)) {
    front_error(e->s, DIAG_E0105, expr->span, "%s %s %s is not a finite number", const_text(e->s->arena, a),
                operator_name(expr->op), const_text(e->s->arena, b));
    return false;
  }
  *out = (Const){.kind = CONST_FLOAT, .number = result};
  return true;
}

/* Each comparison costs a step, so that lists which share their parts cannot run for ever. */
static bool equal(Eval *e, const Expr *expr, const Const *a, const Const *b, int depth, bool *out) {
  *out = false;
  if (!front_charge(e->s, expr->span, 1)) return false;
  if (is_number(a) && is_number(b)) {
    *out = a->kind == CONST_INT && b->kind == CONST_INT ? a->integer == b->integer : as_double(a) == as_double(b);
    return true;
  }
  if (a->kind != b->kind || depth > 50) return true;
  switch (a->kind) {
  case CONST_BOOL: *out = a->integer == b->integer; return true;
  case CONST_TEXT: *out = streq(a->text, b->text); return true;
  case CONST_MODEL: *out = a->model == b->model && a->expr == b->expr && a->id == b->id; return true;
  case CONST_VALUE:
  case CONST_LAYER: *out = a->id == b->id; return true;
  case CONST_LIST:
    if (a->list.count != b->list.count) return true;
    for (size_t i = 0; i < a->list.count; i++) {
      if (!equal(e, expr, &a->list.at[i], &b->list.at[i], depth + 1, out)) return false;
      if (!*out) return true;
    }
    *out = true;
    return true;
  default: *out = true; return true;
  }
}

static bool compare(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out) {
  if (expr->op == OP_EQUAL || expr->op == OP_NOT_EQUAL) {
    bool same;
    if (!equal(e, expr, a, b, 0, &same)) return false;
    *out = const_bool(same == (expr->op == OP_EQUAL));
    return true;
  }
  int order; /* -1, 0, 1 */
  if (a->kind == CONST_INT && b->kind == CONST_INT) order = (a->integer > b->integer) - (a->integer < b->integer);
  else if (is_number(a) && is_number(b)) order = (as_double(a) > as_double(b)) - (as_double(a) < as_double(b));
  else if (a->kind == CONST_TEXT && b->kind == CONST_TEXT) order = strcmp(a->text, b->text);
  else return wrong_operands(e, expr, a, b);
  *out = const_bool(expr->op == OP_LESS         ? order < 0
                    : expr->op == OP_GREATER    ? order > 0
                    : expr->op == OP_LESS_EQUAL ? order <= 0
                                                : order >= 0);
  return true;
}

static bool join(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out) {
  Arena *arena = e->s->arena;
  if (a->kind == CONST_TEXT) {
    size_t length = strlen(a->text) + strlen(b->text);
    if (length > MAX_TEXT) {
      front_error(e->s, DIAG_E0105, expr->span, "a text of %zu bytes: at most %d", length, (int)MAX_TEXT);
      return false;
    }
    if (!front_charge(e->s, expr->span, (int64_t)length / 16)) return false;
    *out = (Const){.kind = CONST_TEXT, .text = arena_printf(arena, "%s%s", a->text, b->text)};
    return true;
  }
  if (!front_charge(e->s, expr->span, (int64_t)(a->list.count + b->list.count))) return false;
  Const list = {.kind = CONST_LIST};
  vec_reserve(arena, &list.list, a->list.count + b->list.count);
  for (size_t i = 0; i < a->list.count; i++) vec_push(arena, &list.list, a->list.at[i]);
  for (size_t i = 0; i < b->list.count; i++) vec_push(arena, &list.list, b->list.at[i]);
  *out = list;
  return true;
}

bool const_binary(Eval *e, const Expr *expr, const Const *a, const Const *b, Const *out) {
  if (is_comparison(expr->op)) return compare(e, expr, a, b, out);
  if (expr->op == OP_ADD && a->kind == CONST_VALUE && b->kind == CONST_VALUE) return trace_add(e, expr, a, b, out);
  if (a->kind == CONST_VALUE && is_number(b) && (expr->op == OP_MULTIPLY || expr->op == OP_DIVIDE))
    return scale_value(e, expr, a, b, out);
  if (expr->op == OP_MULTIPLY && is_number(a) && b->kind == CONST_VALUE) return scale_value(e, expr, a, b, out);
  if (is_number(a) && is_number(b)) return arithmetic(e, expr, a, b, out);
  if (expr->op == OP_ADD && a->kind == b->kind && (a->kind == CONST_TEXT || a->kind == CONST_LIST))
    return join(e, expr, a, b, out);
  return wrong_operands(e, expr, a, b);
}

/* ---- functions ---- */

static bool take_int(Eval *e, const Expr *call, const Const *c, Const *out) {
  if (c->kind == CONST_INT || c->kind == CONST_BOOL) {
    *out = const_int(c->integer);
    return true;
  }
  if (c->kind == CONST_FLOAT && fabs(c->number) < 9e18) {
    *out = const_int((int64_t)c->number); /* towards zero */
    return true;
  }
  front_error(e->s, DIAG_E0104, call->span, "int() does not work on %s", const_kind(c));
  return false;
}

static bool extreme(Eval *e, const Expr *call, const char *name, const Const *args, size_t count, Const *out) {
  if (count == 1 && args[0].kind == CONST_LIST) {
    count = args[0].list.count;
    args = args[0].list.at;
  }
  if (count == 0) {
    front_error(e->s, DIAG_E0104, call->span, "%s() of nothing", name);
    return false;
  }
  *out = args[0];
  for (size_t i = 0; i < count; i++) {
    if (!is_number(&args[i])) {
      front_error(e->s, DIAG_E0104, call->span, "%s() does not work on %s", name, const_kind(&args[i]));
      return false;
    }
    bool less = as_double(&args[i])<as_double(out), more = as_double(&args[i])> as_double(out);
    if (*name == 'm' && name[1] == 'i' ? less : more) *out = args[i];
  }
  return front_charge(e->s, call->span, (int64_t)count);
}

bool const_function(Eval *e, const Expr *call, const char *name, bool *known, Const *out) {
  *known = streq(name, "len") || streq(name, "min") || streq(name, "max") || streq(name, "int");
  if (!*known) return false;
  VEC(Const) args = {0};
  for (const Arg *arg = call->args; arg; arg = arg->next) {
    Const value;
    if (arg->name) {
      front_error(e->s, DIAG_E0108, arg->name_span, "%s() takes no named argument", name);
      return false;
    }
    if (!eval_expr(e, arg->value, &value)) return false;
    vec_push(e->s->arena, &args, value);
  }
  if (*name == 'm') return extreme(e, call, name, args.at, args.count, out);
  if (args.count != 1) {
    front_error(e->s, args.count ? DIAG_E0109 : DIAG_E0110, call->span, "%s() takes one argument, %zu are given", name,
                args.count);
    return false;
  }
  if (*name == 'i') return take_int(e, call, &args.at[0], out);
  if (args.at[0].kind != CONST_LIST && args.at[0].kind != CONST_TEXT) {
    front_error(e->s, DIAG_E0104, call->span, "len() does not work on %s", const_kind(&args.at[0]));
    return false;
  }
  *out = const_int((int64_t)(args.at[0].kind == CONST_LIST ? args.at[0].list.count : strlen(args.at[0].text)));
  return true;
}
