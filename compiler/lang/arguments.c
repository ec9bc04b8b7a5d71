/* Arguments: which value belongs to which name, and what an operator's row makes of them. The ranges here keep
 * every later product of sizes within 64 bits; what depends on the input's shape is checked by the shape pass. */
#include "compiler/lang/lang.h"
#include "compiler/ops/shape.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* ---- positions and names ---- */

static const char *formal_list(Arena *arena, const Formal *formals, size_t count) {
  const char *text = "";
  for (size_t i = 0; i < count; i++) text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", formals[i].name);
  return text;
}

/* What Keras and others call it. */
static bool other_name(Session *s, Diag *d, const Arg *arg, const char *const *names, size_t count) {
  static const struct {
    const char *wrong, *right;
  } table[] = {{"filters", "out_channels"},
               {"units", "out_features"},
               {"use_bias", "bias"},
               {"rate", "p"},
               {"learning_rate", "lr"},
               {"lr_rate", "lr"},
               {"epsilon", "eps"},
               {"alpha", "negative_slope"},
               {"pool_size", "kernel_size"},
               {"dilation_rate", "dilation"},
               {"axis", "dim"},
               {"decay", "weight_decay"},
               {"kernel", "kernel_size"},
               {"num_outputs", "classes"},
               {"keepdims", "keepdim"}};
  for (size_t i = 0; i < LENGTH(table); i++)
    for (size_t k = 0; streq(table[i].wrong, arg->name) && k < count; k++)
      if (streq(names[k], table[i].right)) {
        diag_suggest(&s->diags, d, arg->name_span, names[k]);
        return true;
      }
  if (!streq(arg->name, "pretrained") && !streq(arg->name, "weights")) return false;
  diag_help(&s->diags, d,
            "weights are named after the network: from \"FILE\", or from random for initial ones; without either, "
            "torchvision's own file is looked for");
  return true;
}

/* Arguments of torch's that this version lacks: with `value` they change nothing, as with any where it is NULL. */
static bool torch_argument(Session *s, Diag *d, const Arg *arg) {
  static const struct {
    const char *name, *value, *help;
  } table[] = {{"padding_mode", "\"zeros\"", "padding is with zeros in this version"},
               {"track_running_stats", "true", "running statistics are always there"},
               {"return_indices", "false", "a pooling returns its maxima only"},
               {"count_include_pad", "true", "padding is counted in the mean"},
               {"divisor_override", "none", "a mean is divided by the size of its window"},
               {"sparse", "false", "gradients are dense"},
               {"device", NULL, "everything is computed on the CPU"},
               {"dtype", NULL, "everything is computed in f32"},
               {"training", NULL, "the program knows whether it trains"},
               {"foreach", NULL, "how the step is computed is the compiler's business"},
               {"fused", NULL, "how the step is computed is the compiler's business"},
               {"capturable", NULL, "how the step is computed is the compiler's business"}};
  for (size_t i = 0; i < LENGTH(table); i++) {
    if (!streq(table[i].name, arg->name)) continue;
    const char *given = front_text(s, arg->value->span);
    bool same = !table[i].value || strcasecmp(given, table[i].value) == 0;
    diag_help(&s->diags, d, same ? "%s: leave it out" : "%s", table[i].help);
    const Source *source =
        arg->name_span.source < s->sources.files.count ? &s->sources.files.at[arg->name_span.source] : NULL;
    uint32_t begin = arg->name_span.begin;
    while (source && begin > 0 && source->text[begin - 1] == ' ') begin--;
    bool behind = source && begin > 0 && source->text[begin - 1] == ',';
    if (same && behind)
      diag_fix(&s->diags, d, (Span){arg->name_span.source, begin - 1, arg->value->span.end}, "%s", "");
    return true;
  }
  return false;
}

static bool unknown_argument(Session *s, const char *callee, const Formal *formals, size_t count, const Arg *arg) {
  Diag *d = front_error(s, DIAG_E0108, arg->name_span, "%s has no argument '%s'", callee, arg->name);
  if (torch_argument(s, d, arg)) return false;
  const char **names = arena_array(s->arena, const char *, count + 1);
  for (size_t i = 0; i < count; i++) names[i] = formals[i].name;
  if (front_suggest(s, d, arg->name_span, arg->name, names, count) || other_name(s, d, arg, names, count)) return false;
  if (count) diag_note(&s->diags, d, "%s takes %s", callee, formal_list(s->arena, formals, count));
  else diag_note(&s->diags, d, "%s takes no arguments", callee);
  return false;
}

static bool missing_arguments(Session *s, const char *callee, const Formal *formals, size_t count, const Arg **bound,
                              Span call) {
  const char *text = "";
  size_t missing = 0;
  for (size_t i = 0; i < count; i++)
    if (formals[i].required && !bound[i])
      text = arena_printf(s->arena, "%s%s'%s'", text, missing++ ? ", " : "", formals[i].name);
  if (!missing) return true;
  Diag *d = front_error(s, DIAG_E0110, call, "%s is missing the argument%s %s", callee, missing > 1 ? "s" : "", text);
  diag_note(&s->diags, d, "%s takes %s", callee, formal_list(s->arena, formals, count));
  if (streq(callee, "Linear") && bound[0] && !bound[0]->name && !bound[0]->next) { /* as LazyLinear(10) */
    Span at = bound[0]->value->span;
    const char *out = front_text(s, at);
    diag_help(&s->diags, d, "Linear(%s, N) makes N features; Linear(_, %s) makes %s, of what flows in", out, out, out);
    diag_fix(&s->diags, d, (Span){at.source, at.begin, at.begin}, "_, ");
  }
  return false;
}

bool bind_arguments(Session *s, const char *callee, const Formal *formals, size_t count, const Arg *args, Span call,
                    const Arg **bound) {
  bool good = true, named = false;
  size_t position = 0;
  for (size_t i = 0; i < count; i++) bound[i] = NULL;
  for (const Arg *arg = args; arg; arg = arg->next) {
    size_t at = position;
    if (arg->name) {
      named = true;
      for (at = 0; at < count && !streq(formals[at].name, arg->name); at++) {}
      if (at == count) {
        good = unknown_argument(s, callee, formals, count, arg);
        continue;
      }
    } else if (named) {
      front_error(s, DIAG_E0109, arg->value->span, "%s: a positional argument follows a named one", callee);
      return false;
    } else if (position++ >= count) {
      size_t given = 0;
      for (const Arg *a = args; a; a = a->next) given++;
      Diag *d = front_error(s, DIAG_E0109, arg->value->span, "%s takes at most %zu argument%s, %zu are given", callee,
                            count, count == 1 ? "" : "s", given);
      if (count) diag_note(&s->diags, d, "%s takes %s", callee, formal_list(s->arena, formals, count));
      return false;
    }
    if (bound[at]) {
      Diag *d = front_error(s, DIAG_E0111, arg->name ? arg->name_span : arg->value->span,
                            "%s is given its argument '%s' twice", callee, formals[at].name);
      diag_label(&s->diags, d, bound[at]->value->span, "first here");
      good = false;
      continue;
    }
    bound[at] = arg;
  }
  return good && missing_arguments(s, callee, formals, count, bound, call);
}

/* ---- kinds and ranges ---- */

/* "3" where a number is wanted, 0 where a switch is, width / 4 where an integer is: what is meant is plain. */
static void help_kind(Session *s, Diag *d, const Const *c, Span span, const char *wanted) {
  const char *text = front_text(s, span);
  const char *slash = strchr(text, '/');
  if (c->kind == CONST_TEXT && *text == '"' && strlen(text) < 32 && *c->text &&
      c->text[strspn(c->text, "0123456789.e-+")] == 0) {
    diag_help(&s->diags, d, "write it without quotes: %s", c->text);
    diag_fix(&s->diags, d, span, "%s", c->text);
  } else if (c->kind == CONST_TEXT && *text == '"' && strstr(wanted, "same")) {
    const char *near = nearest_name(c->text, (const char *const[]){"same", "valid"}, 2);
    if (!near) return;
    diag_help(&s->diags, d, "did you mean \"%s\"?", near);
    diag_fix(&s->diags, d, span, "\"%s\"", near);
  } else if (c->kind == CONST_INT && (c->integer == 0 || c->integer == 1) && strncmp(wanted, "true", 4) == 0) {
    diag_suggest(&s->diags, d, span, c->integer ? "true" : "false");
  } else if (c->kind == CONST_FLOAT && strstr(wanted, "an integer") && c->number > 0 && c->number < 1e9 && !slash &&
             c->number != floor(c->number)) {
    double near = c->number < 1 ? 1 : floor(c->number + 0.5);
    diag_help(&s->diags, d, "the nearest is %.0f", near);
    diag_fix(&s->diags, d, span, "%.0f", near);
  } else if (c->kind == CONST_FLOAT && c->number == floor(c->number)) {
    diag_help(&s->diags, d, "'/' gives a number with a fraction; '//' divides integers");
    if (slash && slash[1] != '/' && !strchr(slash + 1, '/'))
      diag_fix(&s->diags, d, span, "%.*s/%s", (int)(slash - text), text, slash);
    else if (!slash) diag_fix(&s->diags, d, span, "%.0f", c->number);
  }
}

static bool wrong_kind(Session *s, const Const *c, Span span, const char *callee, const char *name,
                       const char *wanted) {
  Diag *d = front_error(s, DIAG_E0112, span, "%s: %s must be %s, not %s", callee, name, wanted,
                        c->kind == CONST_INT || c->kind == CONST_FLOAT || c->kind == CONST_TEXT || c->kind == CONST_BOOL
                            ? const_text(s->arena, c)
                            : const_kind(c));
  help_kind(s, d, c, span, wanted);
  return false;
}

bool want_int(Session *s, const Const *c, Span span, const char *callee, const char *name, int64_t min, int64_t max,
              int64_t *out) {
  if (c->kind != CONST_INT) return wrong_kind(s, c, span, callee, name, "an integer");
  if (c->integer < min || c->integer > max) {
    if (min < 0)
      front_error(s, DIAG_E0113, span, "%s: %s must lie between %" PRId64 " and %" PRId64 ", not %" PRId64, callee,
                  name, min, max, c->integer);
    else if (c->integer < min)
      front_error(s, DIAG_E0113, span, "%s: %s must be at least %" PRId64 ", not %" PRId64, callee, name, min,
                  c->integer);
    else
      front_error(s, DIAG_E0113, span, "%s: %s must be at most %" PRId64 ", not %" PRId64, callee, name, max,
                  c->integer);
    return false;
  }
  *out = c->integer;
  return true;
}

bool want_float(Session *s, const Const *c, Span span, const char *callee, const char *name, double min, double max,
                double *out) {
  if (c->kind != CONST_INT && c->kind != CONST_FLOAT) return wrong_kind(s, c, span, callee, name, "a number");
  double value = c->kind == CONST_INT ? (double)c->integer : c->number;
  if (!(value >= min && value <= max)) {
    if (max < 1e30) {
      Diag *d =
          front_error(s, DIAG_E0113, span, "%s: %s must lie between %g and %g, not %g", callee, name, min, max, value);
      if (max == 1 && min == 0 && value > 1 && value < 2)
        diag_help(&s->diags, d, "it is a share of all, not a factor: 0.5 is half of them");
      if (max == 1 && value >= 2 && value <= 100) /* percent */
        diag_suggest(&s->diags, d, span, arena_printf(s->arena, "%g", value / 100));
    } else
      front_error(s, DIAG_E0113, span, "%s: %s must be at %s %g, not %g", callee, name, value > max ? "most" : "least",
                  value > max ? max : min, value);
    return false;
  }
  *out = value;
  return true;
}

bool want_bool(Session *s, const Const *c, Span span, const char *callee, const char *name, bool *out) {
  if (c->kind != CONST_BOOL) return wrong_kind(s, c, span, callee, name, "true or false");
  *out = c->integer != 0;
  return true;
}

/* ---- an operator's row ---- */

typedef struct OpArg { /* one argument on its way into OpArgs */
  Session *s;
  const char *callee;
  const ArgInfo *info;
  Span span;
  void *at;
} OpArg;

static bool put_int(const OpArg *a, const Const *c, int64_t *out) {
  return want_int(a->s, c, a->span, a->callee, a->info->name, (int64_t)a->info->min, (int64_t)a->info->max, out);
}

static bool put_pair(const OpArg *a, const Const *c, int64_t *out) {
  if (c->kind == CONST_INT) {
    if (!put_int(a, c, &out[0])) return false;
    out[1] = out[0];
    return true;
  }
  if (c->kind != CONST_LIST || c->list.count != 2)
    return wrong_kind(a->s, c, a->span, a->callee, a->info->name, "an integer or two, (height, width)");
  return put_int(a, &c->list.at[0], &out[0]) && put_int(a, &c->list.at[1], &out[1]);
}

static bool put_ints(const OpArg *a, const Const *c, IntList *out) {
  size_t count = c->kind == CONST_LIST ? c->list.count : 1;
  if (count == 0 || count > sizeof out->at / sizeof *out->at)
    return wrong_kind(a->s, c, a->span, a->callee, a->info->name, "an integer or a list of one to eight");
  out->count = (int)count;
  for (size_t i = 0; i < count; i++)
    if (!put_int(a, c->kind == CONST_LIST ? &c->list.at[i] : c, &out->at[i])) return false;
  return true;
}

static bool put_text(const OpArg *a, const Const *c, const char **out) {
  if (c->kind != CONST_TEXT) return wrong_kind(a->s, c, a->span, a->callee, a->info->name, "a text");
  const char *const *word = a->info->words;
  if (*word && !streq(c->text, word[0]) && !streq(c->text, word[1]))
    return wrong_kind(a->s, c, a->span, a->callee, a->info->name,
                      arena_printf(a->s->arena, "\"%s\" or \"%s\"", word[0], word[1]));
  *out = c->text;
  return true;
}

static bool put_hole(const OpArg *a) {
  if (a->info->hole) {
    *(int64_t *)a->at = HOLE_VALUE; /* of a list: its first */
    if (a->info->type == ARG_INTS) ((IntList *)a->at)->count = 1;
    return true;
  }
  Diag *d =
      front_error(a->s, DIAG_E0112, a->span, "%s: %s cannot be inferred from what flows in", a->callee, a->info->name);
  diag_help(&a->s->diags, d, "write its value in the place of _");
  return false;
}

static bool put_arg(const OpArg *a, const Const *c) {
  if (c->kind == CONST_HOLE) return put_hole(a);
  switch (a->info->type) {
  case ARG_INT:
    if (c->kind != CONST_NONE || !a->info->fallback || !streq(a->info->fallback, "none")) return put_int(a, c, a->at);
    *(int64_t *)a->at = NONE_VALUE;
    return true;
  case ARG_PAIR:
    if (c->kind == CONST_NONE && a->info->fallback && streq(a->info->fallback, "none")) {
      ((int64_t *)a->at)[0] = ((int64_t *)a->at)[1] = NONE_VALUE;
      return true;
    }
    return put_pair(a, c, a->at);
  case ARG_FLOAT: return want_float(a->s, c, a->span, a->callee, a->info->name, a->info->min, a->info->max, a->at);
  case ARG_BOOL: return want_bool(a->s, c, a->span, a->callee, a->info->name, a->at);
  case ARG_TEXT: return put_text(a, c, a->at);
  case ARG_INTS: return put_ints(a, c, a->at);
  }
  return false;
}

/* A default, as ops.def writes it: a number, true, false, none or a quoted text. */
void put_fallback(Arena *arena, const ArgInfo *info, void *at) {
  const char *text = info->fallback;
  int64_t whole = streq(text, "none") ? NONE_VALUE : strtoll(text, NULL, 10);
  switch (info->type) {
  case ARG_INT: *(int64_t *)at = whole; break;
  case ARG_PAIR: ((int64_t *)at)[0] = ((int64_t *)at)[1] = whole; break;
  case ARG_FLOAT: *(double *)at = strtod(text, NULL); break;
  case ARG_BOOL: *(bool *)at = streq(text, "true"); break;
  case ARG_TEXT: *(const char **)at = arena_strndup(arena, text + 1, strlen(text) - 2); break;
  case ARG_INTS: *(IntList *)at = (IntList){{whole}, 1}; break;
  }
}

/* padding="same" keeps the size where the stride is 1; "valid" is none at all. */
static bool named_padding(const OpArg *a, const Const *c, Conv2dArgs *out) {
  if (streq(c->text, "valid")) {
    out->padding[0] = out->padding[1] = 0;
    return true;
  }
  if (!streq(c->text, "same"))
    return wrong_kind(a->s, c, a->span, a->callee, "padding", "a size, \"same\" or \"valid\"");
  for (int i = 0; i < 2; i++) {
    int64_t total = out->dilation[i] * (out->kernel_size[i] - 1);
    if (out->stride[i] != 1 || total % 2 != 0) {
      Diag *d = front_error(a->s, DIAG_E0113, a->span, "%s: padding=\"same\" needs a stride of 1 and an odd kernel",
                            a->callee);
      diag_help(&a->s->diags, d, "give the padding as a number");
      return false;
    }
    out->padding[i] = total / 2;
  }
  return true;
}

enum { MAX_OP_ARGS = 16 };

static size_t op_formals(const OpInfo *op, Formal *formals) {
  size_t count = 0;
  for (; op->args[count].name; count++) {
    ASSERT(count < MAX_OP_ARGS);
    formals[count] = (Formal){op->args[count].name, op->args[count].fallback == NULL};
  }
  return count;
}

bool bind_op(Eval *e, OpId op, const Arg *args, Span call, OpArgs *out) {
  const OpInfo *info = op_info(op);
  Formal formals[MAX_OP_ARGS] = {0};
  const Arg *bound[MAX_OP_ARGS];
  size_t count = op_formals(info, formals);
  *out = (OpArgs){0};
  if (!bind_arguments(e->s, info->name, formals, count, args, call, bound)) return false;
  bool good = true;
  OpArg padding = {0};
  Const padding_text = {0};
  for (size_t i = 0; i < count; i++) {
    OpArg a = {e->s, info->name, &info->args[i], bound[i] ? bound[i]->value->span : call,
               (char *)out + info->args[i].offset};
    Const value;
    if (!bound[i]) {
      put_fallback(e->s->arena, a.info, a.at);
      continue;
    }
    if (i < sizeof out->arg_span / sizeof *out->arg_span) out->arg_span[i] = a.span;
    if (!eval_expr(e, bound[i]->value, &value)) {
      good = false;
    } else if (op == OP_Conv2d && value.kind == CONST_TEXT && streq(a.info->name, "padding")) {
      padding = a; /* needs the dilation, which comes behind it */
      padding_text = value;
    } else if (!put_arg(&a, &value)) {
      good = false;
    }
  }
  if (good && padding.s) good = named_padding(&padding, &padding_text, &out->Conv2d);
  return good && op_check(e->s, op, out, call);
}
