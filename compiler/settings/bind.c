/* Values of the script into the structs of grammar/train.def's rows: the one that is chosen, its arguments with their
 * ranges and defaults, and what the rows check besides. Knows no row by name but for the hints to users of other
 * frameworks. Called by the files that read the train block. */
#include "compiler/settings/binder.h"

/* ---- one value ---- */

static bool put_pair(Eval *e, const char *callee, const TrainArg *arg, const Const *c, Span span, double out[2]) {
  if (c->kind != CONST_LIST || c->list.count != 2) {
    front_error(e->s, DIAG_E0112, span, "%s: %s must be a pair of numbers, not %s", callee, arg->name,
                const_text(e->s->arena, c));
    return false;
  }
  return want_float(e->s, &c->list.at[0], span, callee, arg->name, arg->least, arg->most, &out[0]) &&
         want_float(e->s, &c->list.at[1], span, callee, arg->name, arg->least, arg->most, &out[1]);
}

static bool put_range(Eval *e, const char *callee, const TrainArg *arg, const Const *c, Span span, double out[2]) {
  double x;
  if (c->kind == CONST_LIST) return put_pair(e, callee, arg, c, span, out);
  if (!want_float(e->s, c, span, callee, arg->name, 0, arg->most, &x)) return false;
  train_range(arg, x, out);
  return true;
}

static bool put_count(Eval *e, const char *callee, const TrainArg *arg, const Const *c, Span span, int64_t *out) {
  int64_t most = arg->most < 0x1p63 ? (int64_t)arg->most : INT64_MAX;
  return want_int(e->s, c, span, callee, arg->name, (int64_t)arg->least, most, out);
}

static bool put_size(Eval *e, const char *callee, const TrainArg *arg, const Const *c, Span span, int64_t out[2]) {
  bool pair = c->kind == CONST_LIST && c->list.count == 2;
  return put_count(e, callee, arg, pair ? &c->list.at[0] : c, span, &out[0]) &&
         put_count(e, callee, arg, pair ? &c->list.at[1] : c, span, &out[1]);
}

static bool put_switch(Eval *e, const char *callee, const TrainArg *arg, const Const *c, Span span, int64_t *out) {
  bool value;
  if (!want_bool(e->s, c, span, callee, arg->name, &value)) return false;
  *out = value;
  return true;
}

/* A list with one number for each class. */
static bool put_numbers(Eval *e, const char *callee, const TrainArg *arg, const Const *c, Span span, NumberList *out) {
  if (c->kind == CONST_NONE) return true;
  if (c->kind != CONST_LIST || c->list.count == 0) {
    front_error(e->s, DIAG_E0112, span, "%s: %s must be a list with one number for each class, not %s", callee,
                arg->name, const_text(e->s->arena, c));
    return false;
  }
  float *at = arena_array(e->s->arena, float, c->list.count);
  for (size_t i = 0; i < c->list.count; i++) {
    double value;
    if (!want_float(e->s, &c->list.at[i], span, callee, arg->name, arg->least, arg->most, &value)) return false;
    at[i] = (float)value;
  }
  *out = (NumberList){at, (int64_t)c->list.count};
  return true;
}

static bool put_steps(Eval *e, const char *callee, const TrainArg *arg, const Const *c, Span span, StepList *out) {
  Session *s = e->s;
  if (c->kind != CONST_LIST || c->list.count == 0) {
    front_error(s, DIAG_E0112, span, "%s: %s must be a list of epochs, as [10, 20], not %s", callee, arg->name,
                const_text(s->arena, c));
    return false;
  }
  int64_t *at = arena_array(s->arena, int64_t, c->list.count);
  for (size_t i = 0; i < c->list.count; i++) {
    if (!put_count(e, callee, arg, &c->list.at[i], span, &at[i])) return false;
    if (i == 0 || at[i] > at[i - 1]) continue;
    Diag *d = front_error(s, DIAG_E0515, span, "%s: milestone %lld follows %lld", callee, (long long)at[i],
                          (long long)at[i - 1]);
    diag_help(&s->diags, d, "%s must increase: %s([10, 20])", arg->name, callee);
    return false;
  }
  *out = (StepList){at, (int64_t)c->list.count};
  return true;
}

/* A bare word is taken as it is: interval=step */
static bool put_word(Eval *e, const char *callee, const TrainArg *arg, const Expr *value, int64_t *out) {
  Const c = {.kind = CONST_NONE};
  char one[32];
  const char *list = "", *word = value->kind == EXPR_NAME ? value->text : NULL;
  if (!word && !eval_expr(e, value, &c)) return false;
  if (c.kind == CONST_TEXT) word = c.text;
  int64_t count = 1;
  for (const char *bar = arg->fallback; (bar = strchr(bar, '|')) != NULL; bar++) count++;
  for (*out = 0; *out < count; ++*out) {
    train_word(arg, *out, one);
    if (word && streq(one, word)) return true;
    list = arena_printf(e->s->arena, "%s%s\"%s\"", list, *out ? " or " : "", one);
  }
  front_error(e->s, DIAG_E0112, value->span, "%s: %s must be %s, not %s", callee, arg->name, list,
              word ? word : const_text(e->s->arena, &c));
  return false;
}

bool put_value(Eval *e, const char *callee, const TrainArg *arg, const Expr *value, void *to) {
  Const c;
  if (arg->type == TYPE_WORD) return put_word(e, callee, arg, value, to);
  if (!eval_expr(e, value, &c)) return false;
  switch (arg->type) {
  case TYPE_NUMBER:
  case TYPE_POSITIVE: return want_float(e->s, &c, value->span, callee, arg->name, arg->least, arg->most, to);
  case TYPE_COUNT: return put_count(e, callee, arg, &c, value->span, to);
  case TYPE_SWITCH: return put_switch(e, callee, arg, &c, value->span, to);
  case TYPE_PAIR: return put_pair(e, callee, arg, &c, value->span, to);
  case TYPE_RANGE: return put_range(e, callee, arg, &c, value->span, to);
  case TYPE_SIZE: return put_size(e, callee, arg, &c, value->span, to);
  case TYPE_NUMBERS: return put_numbers(e, callee, arg, &c, value->span, to);
  case TYPE_STEPS: return put_steps(e, callee, arg, &c, value->span, to);
  default: BUG("'%s' is not an argument with a value", arg->name);
  }
}

/* ---- the arguments of a row ---- */

bool bind_row(Eval *e, const TrainRow *row, const Arg *args, Span call, Bound *b, void *to) {
  Formal formals[MOST_TRAIN_ARGS];
  size_t count = 0;
  b->row = row, b->call = call, b->given = args != NULL;
  for (const TrainArg *arg = row->args(); arg->name; arg++) {
    ASSERT(count < MOST_TRAIN_ARGS);
    formals[count++] = (Formal){arg->name, arg->fallback == NULL};
  }
  train_defaults(row->args(), to);
  if (!bind_arguments(e->s, row->name, formals, count, args, call, b->at)) return false;
  for (size_t i = 0; i < count; i++) {
    const TrainArg *arg = &row->args()[i];
    if (b->at[i] && !put_value(e, row->name, arg, b->at[i]->value, (char *)to + arg->offset)) return false;
  }
  return true;
}

const Arg *bound_arg(const Bound *b, const char *name) {
  const TrainArg *args = b->row->args();
  for (size_t i = 0; args[i].name; i++)
    if (streq(args[i].name, name)) return b->at[i];
  return NULL;
}

/* ---- what rows check besides ---- */

static bool refused(Session *s, const Bound *b, const char *name, DiagCode code, const char *message,
                    const char *help) {
  const Arg *arg = bound_arg(b, name);
  Diag *d = front_error(s, code, arg ? arg->value->span : b->call, "%s", message);
  if (help) diag_help(&s->diags, d, "%s", help);
  return false;
}

static bool some_positive(const NumberList *list) {
  for (int64_t i = 0; i < list->count; i++)
    if (list->at[i] > 0) return true;
  return list->count == 0;
}

typedef bool RowCheck(Session *s, const Bound *b, const void *args);
#define arguments_given b->given
#define CHECK(name, condition, code, message, help)                                                                    \
  if (!(condition)) return refused(s, b, #name, DIAG_##code, message, help);
#define CHECKS(...) __VA_ARGS__
#define DEFINE_CHECK(name, ...)                                                                                        \
  static bool check_##name(Session *s, const Bound *b, const void *args) {                                             \
    const Args_##name *a = args;                                                                                       \
    (void)a;                                                                                                           \
    __VA_ARGS__ return true;                                                                                           \
  }
#define OPTIMIZER(name, args, checks, ...) DEFINE_CHECK(name, checks)
#define LOSS(name, args, checks, ...) DEFINE_CHECK(name, checks)
#define AUGMENT(name, args, checks, ...) DEFINE_CHECK(name, checks)
#include "grammar/train.def"

static RowCheck *const optimizer_checks[] = {
#define OPTIMIZER(name, ...) check_##name,
#include "grammar/train.def"
};
static RowCheck *const loss_checks[] = {
#define LOSS(name, ...) check_##name,
#include "grammar/train.def"
};
static RowCheck *const augment_checks[] = {
#define AUGMENT(name, ...) check_##name,
#include "grammar/train.def"
};

/* ---- the choice ---- */

static const struct Later { /* a name of PyTorch's that has no row */
  TrainFamily family;
  const char *name, *torch;
} later_names[] = {
#define LATER(family, name, torch) {FAMILY_##family, #name, torch},
#include "grammar/train.def"
};

#define NO_SOFTMAX "CrossEntropy does the same to what goes into a (Log)Softmax: train without that layer"
#define NO_SIGMOID "BCEWithLogits does the same to what goes into a Sigmoid: train without that layer"
static const struct Hint { /* what users of other names type */
  TrainFamily family;
  const char *name, *ours, *help; /* help: what differs; NULL: nothing */
} hints[] = {{FAMILY_LOSS, "NLLLoss", "CrossEntropy", NO_SOFTMAX},
             {FAMILY_LOSS, "NLL", "CrossEntropy", NO_SOFTMAX},
             {FAMILY_LOSS, "BCELoss", "BCEWithLogits", NO_SIGMOID},
             {FAMILY_LOSS, "BCE", "BCEWithLogits", NO_SIGMOID},
             {FAMILY_LOSS, "categorical_crossentropy", "CrossEntropy", NULL},
             {FAMILY_LOSS, "sparse_categorical_crossentropy", "CrossEntropy", NULL},
             {FAMILY_LOSS, "binary_crossentropy", "BCEWithLogits", NO_SIGMOID},
             {FAMILY_LOSS, "mean_squared_error", "MSE", NULL},
             {FAMILY_LOSS, "mean_absolute_error", "L1", NULL},
             {FAMILY_LOSS, "mae", "L1", NULL},
             {FAMILY_SCHEDULE, "warmup", "linear", NULL},
             {FAMILY_SCHEDULE, "linear_warmup", "linear", NULL},
             {FAMILY_AUGMENT, "random_horizontal_flip", "horizontal_flip", NULL},
             {FAMILY_AUGMENT, "random_rotation", "rotation", NULL},
             {FAMILY_AUGMENT, "random_erasing", "erasing", NULL}};

typedef struct Family {
  const char *what, *one;
  const TrainRows *rows;
  int first; /* 1 where row 0 is none */
  RowCheck *const *checks;
} Family;
static const Family families[] = {
    [FAMILY_OPTIMIZER] = {"optimizer", "an optimizer", &optimizer_rows, 0, optimizer_checks},
    [FAMILY_LOSS] = {"loss", "a loss", &loss_rows, 0, loss_checks},
    [FAMILY_SCHEDULE] = {"schedule", "a schedule", &schedule_rows, 1, NULL},
    [FAMILY_AUGMENT] = {"augmentation", "an augmentation", &augment_rows, 0, augment_checks}};

static bool called_here(Session *s, const Family *f, const Expr *name, const char *ours, const char *help) {
  Diag *d = front_error(s, DIAG_E0502, name->span, "there is no %s '%s'", f->what, name->text);
  if (help) diag_help(&s->diags, d, "%s", help);
  else diag_help(&s->diags, d, "it is called %s here", ours);
  diag_fix(&s->diags, d, name->span, "%s", ours);
  return false;
}

/* Reports what is no name of the family: PyTorch's own class, another framework's name, a later one, a misspelt one. */
static void unknown_choice(Session *s, TrainFamily family, const Expr *name) {
  const Family *f = &families[family];
  NameList known = {0}, later = {0};
  const char *text = name->text;
  for (int i = f->first; i < f->rows->count; i++) {
    const TrainRow *row = &f->rows->at[i];
    if (streq(row->torch, text)) {
      called_here(s, f, name, row->name, NULL);
      return;
    }
    vec_push(s->arena, &known, row->name);
  }
  for (size_t i = 0; i < LENGTH(hints); i++)
    if (hints[i].family == family && streq(hints[i].name, text)) {
      called_here(s, f, name, hints[i].ours, hints[i].help);
      return;
    }
  for (size_t i = 0; i < LENGTH(later_names); i++) {
    if (later_names[i].family != family) continue;
    vec_push(s->arena, &later, later_names[i].name);
    if (streq(later_names[i].torch, name->text)) text = later_names[i].name;
  }
  known_name(s, DIAG_E0502, f->what, text, name->span, known.at, known.count, later.at, later.count);
}

bool read_choice(Eval *e, TrainFamily family, const Expr *value, Choice *out) {
  const Family *f = &families[family];
  *out = (Choice){.name = value->kind == EXPR_CALL ? value->left : value,
                  .args = value->kind == EXPR_CALL ? value->args : NULL,
                  .kind = -1};
  if (out->name->kind != EXPR_NAME) {
    front_error(e->s, DIAG_E0504, value->span, "%s is given by its name", f->one);
    return false;
  }
  out->kind = train_find(*f->rows, out->name->text);
  if (out->kind < f->first) out->kind = -1;
  return true;
}

bool bind_choice(Eval *e, TrainFamily family, const Expr *value, const Choice *choice, Bound *b, void *config) {
  const Family *f = &families[family];
  if (choice->kind < 0) {
    unknown_choice(e->s, family, choice->name);
    return false;
  }
  void *args = (char *)config + TRAIN_ARGS;
  *(int64_t *)config = choice->kind;
  return bind_row(e, &f->rows->at[choice->kind], choice->args, value->span, b, args) &&
         (!f->checks || f->checks[choice->kind](e->s, b, args));
}
