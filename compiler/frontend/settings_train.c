/* The train block → TrainConfig: optimizer, loss, groups, augmentation, counts. Names, order and defaults of the
 * arguments are torch.optim's, torch.nn's and torchvision's. Called by compiler/edit where the block stands. */
#include "compiler/frontend/internal.h"
#include "compiler/frontend/settings_names.h"
#include <math.h>

bool known_name(Session *s, DiagCode code, const char *what, const char *name, Span span, const char *const *known,
                size_t known_count, const char *const *later, size_t later_count) {
  const char *list = "";
  for (size_t i = 0; i < known_count; i++) {
    if (streq(known[i], name)) return true;
    list = arena_printf(s->arena, "%s%s%s", list, i ? ", " : "", known[i]);
  }
  for (size_t i = 0; i < later_count; i++)
    if (streq(later[i], name)) {
      Diag *d = front_error(s, DIAG_E0503, span, "%s '%s' is not supported yet by this version", what, name);
      diag_note(&s->diags, d, "supported: %s", list);
      return false;
    }
  Diag *d = front_error(s, code, span, "there is no %s '%s'", what, name ? name : "");
  front_suggest(s, d, name ? name : "", known, known_count);
  diag_note(&s->diags, d, "known: %s", list);
  return false;
}

typedef struct TrainBlock {
  Graph *g;
  TrainConfig *train;
  NameList seen; /* settings given, and where */
  VEC(Span) seen_at;
  size_t *owner; /* by ParamId: the number of its group + 1, or 0 */
} TrainBlock;

/* The one argument of a setting: a call `Adam(lr=1e-3)` or a bare name. */
static bool read_choice(Session *s, const Expr *value, const char *what, const char **name, const Arg **args) {
  const Expr *callee = value->kind == EXPR_CALL ? value->left : value;
  if (callee->kind != EXPR_NAME) {
    front_error(s, DIAG_E0504, value->span, "%s is given by its name", what);
    return false;
  }
  *name = callee->text;
  *args = value->kind == EXPR_CALL ? value->args : NULL;
  return true;
}

static const Expr *single(Session *s, const Stmt *stmt) {
  static const Formal formals[] = {{"value", true}};
  const Arg *bound[1];
  return bind_arguments(s, stmt->name, formals, 1, stmt->args, stmt->span, bound) ? bound[0]->value : NULL;
}

static bool float_arg(Eval *e, const char *callee, const char *name, const Arg *arg, double min, double max, double *out) {
  Const c;
  if (!arg) return true; /* the default stands */
  return eval_expr(e, arg->value, &c) && want_float(e->s, &c, arg->value->span, callee, name, min, max, out);
}

static bool bool_arg(Eval *e, const char *callee, const char *name, const Arg *arg, bool *out) {
  Const c;
  if (!arg) return true;
  return eval_expr(e, arg->value, &c) && want_bool(e->s, &c, arg->value->span, callee, name, out);
}

static bool pair_arg(Eval *e, const char *callee, const char *name, const Arg *arg, double min, double max, double out[2]) {
  Const c;
  if (!arg) return true;
  if (!eval_expr(e, arg->value, &c)) return false;
  if (c.kind != CONST_LIST || c.list.count != 2) {
    front_error(e->s, DIAG_E0112, arg->value->span, "%s: %s must be a pair of numbers, not %s", callee, name,
                const_text(e->s->arena, &c));
    return false;
  }
  return want_float(e->s, &c.list.at[0], arg->value->span, callee, name, min, max, &out[0]) &&
         want_float(e->s, &c.list.at[1], arg->value->span, callee, name, min, max, &out[1]);
}

/* ---- optimizer ---- */

#define LARGE 1e30
#define BELOW_ONE (1 - 1e-16)

static bool read_sgd(Eval *e, const Arg *args, Span span, OptimizerConfig *out) {
  static const Formal formals[] = {{"lr", true},           {"momentum", false}, {"dampening", false},
                                   {"weight_decay", false}, {"nesterov", false}, {"maximize", false}};
  const Arg *bound[LENGTH(formals)];
  *out = (OptimizerConfig){.kind = OPTIMIZER_SGD};
  if (!bind_arguments(e->s, "SGD", formals, LENGTH(formals), args, span, bound)) return false;
  if (!float_arg(e, "SGD", "lr", bound[0], 0, LARGE, &out->lr) ||
      !float_arg(e, "SGD", "momentum", bound[1], 0, LARGE, &out->momentum) ||
      !float_arg(e, "SGD", "dampening", bound[2], 0, LARGE, &out->dampening) ||
      !float_arg(e, "SGD", "weight_decay", bound[3], 0, LARGE, &out->weight_decay) ||
      !bool_arg(e, "SGD", "nesterov", bound[4], &out->nesterov) || !bool_arg(e, "SGD", "maximize", bound[5], &out->maximize))
    return false;
  if (!out->nesterov || (out->momentum > 0 && out->dampening == 0)) return true;
  front_error(e->s, DIAG_E0504, span, "SGD: nesterov needs a momentum and no dampening");
  return false;
}

static bool read_adam(Eval *e, const char *name, const Arg *args, Span span, OptimizerConfig *out) {
  static const Formal formals[] = {{"lr", false},           {"betas", false},   {"eps", false},
                                   {"weight_decay", false}, {"amsgrad", false}, {"maximize", false}};
  const Arg *bound[LENGTH(formals)];
  double betas[2] = {0.9, 0.999};
  bool w = streq(name, "AdamW");
  *out = (OptimizerConfig){.kind = w ? OPTIMIZER_ADAMW : OPTIMIZER_ADAM, .lr = 1e-3, .eps = 1e-8, .weight_decay = w ? 1e-2 : 0};
  if (!bind_arguments(e->s, name, formals, LENGTH(formals), args, span, bound)) return false;
  if (!float_arg(e, name, "lr", bound[0], 0, LARGE, &out->lr) || !pair_arg(e, name, "betas", bound[1], 0, BELOW_ONE, betas) ||
      !float_arg(e, name, "eps", bound[2], 0, LARGE, &out->eps) ||
      !float_arg(e, name, "weight_decay", bound[3], 0, LARGE, &out->weight_decay) ||
      !bool_arg(e, name, "amsgrad", bound[4], &out->amsgrad) || !bool_arg(e, name, "maximize", bound[5], &out->maximize))
    return false;
  out->beta1 = betas[0];
  out->beta2 = betas[1];
  return true;
}

static bool read_optimizer(Block *b, const Stmt *stmt) {
  static const char *const known[] = {"SGD", "Adam", "AdamW"};
  static const char *const later[] = {"RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "LBFGS", "Rprop"};
  TrainBlock *to = b->data;
  const Expr *value = single(b->eval.s, stmt);
  const char *name;
  const Arg *args;
  if (!value || !read_choice(b->eval.s, value, "an optimizer", &name, &args)) return false;
  if (!known_name(b->eval.s, DIAG_E0502, "optimizer", name, value->span, known, LENGTH(known), later, LENGTH(later))) return false;
  if (streq(name, "SGD")) return read_sgd(&b->eval, args, value->span, &to->train->optimizer);
  return read_adam(&b->eval, name, args, value->span, &to->train->optimizer);
}

/* ---- loss ---- */

static bool read_class_weights(Block *b, const Arg *arg, LossConfig *out) {
  Session *s = b->eval.s;
  Const c;
  if (!arg) return true;
  if (!eval_expr(&b->eval, arg->value, &c)) return false;
  if (c.kind == CONST_NONE) return true;
  if (c.kind != CONST_LIST || c.list.count == 0) {
    front_error(s, DIAG_E0112, arg->value->span, "CrossEntropy: weight must be a list with one number for each class, not %s",
                const_text(s->arena, &c));
    return false;
  }
  double sum = 0;
  for (size_t i = 0; i < c.list.count; i++) {
    double value;
    if (!want_float(s, &c.list.at[i], arg->value->span, "CrossEntropy", "weight", 0, 1e30, &value)) return false;
    vec_push(s->arena, &out->weight, value);
    sum += value;
  }
  if (sum > 0) return true;
  front_error(s, DIAG_E0504, arg->value->span, "CrossEntropy: at least one class needs a weight above 0");
  return false;
}

static bool read_loss(Block *b, const Stmt *stmt) {
  static const char *const known[] = {"CrossEntropy", "MSE"};
  static const char *const later[] = {"BCEWithLogits", "L1", "SmoothL1", "Huber", "NLL", "KLDiv"};
  static const Formal formals[] = {{"weight", false}, {"label_smoothing", false}};
  Session *s = b->eval.s;
  LossConfig *out = &((TrainBlock *)b->data)->train->loss;
  const Expr *value = single(s, stmt);
  const Arg *args, *bound[2];
  const char *name;
  if (!value || !read_choice(s, value, "a loss", &name, &args)) return false;
  if (!known_name(s, DIAG_E0502, "loss", name, value->span, known, LENGTH(known), later, LENGTH(later))) return false;
  *out = (LossConfig){.kind = streq(name, "MSE") ? LOSS_MSE : LOSS_CROSS_ENTROPY};
  if (out->kind == LOSS_MSE) return bind_arguments(s, "MSE", NULL, 0, args, value->span, bound);
  return bind_arguments(s, "CrossEntropy", formals, 2, args, value->span, bound) && read_class_weights(b, bound[0], out) &&
         float_arg(&b->eval, "CrossEntropy", "label_smoothing", bound[1], 0, 1, &out->label_smoothing);
}

/* ---- augmentation ---- */

static bool read_crop(Eval *e, const Arg *args, Span span, AugmentConfig *out) {
  static const Formal formals[] = {{"size", true}, {"scale", false}, {"ratio", false}};
  const char *name = "random_resized_crop";
  const Arg *bound[3];
  Const c;
  *out = (AugmentConfig){.kind = AUGMENT_RANDOM_RESIZED_CROP, .scale = {0.08, 1}, .ratio = {3.0 / 4, 4.0 / 3}};
  if (!bind_arguments(e->s, name, formals, 3, args, span, bound) || !eval_expr(e, bound[0]->value, &c)) return false;
  bool pair = c.kind == CONST_LIST && c.list.count == 2;
  if (!want_int(e->s, pair ? &c.list.at[0] : &c, bound[0]->value->span, name, "size", 1, 65535, &out->size[0]) ||
      !want_int(e->s, pair ? &c.list.at[1] : &c, bound[0]->value->span, name, "size", 1, 65535, &out->size[1]) ||
      !pair_arg(e, name, "scale", bound[1], 1e-4, 1, out->scale) || !pair_arg(e, name, "ratio", bound[2], 1e-3, 1e3, out->ratio))
    return false;
  if (out->scale[0] <= out->scale[1] && out->ratio[0] <= out->ratio[1]) return true;
  front_error(e->s, DIAG_E0504, span, "%s: scale and ratio go from the smaller to the larger number", name);
  return false;
}

static bool read_flip(Eval *e, const Arg *args, Span span, AugmentConfig *out) {
  static const Formal formals[] = {{"p", false}};
  const Arg *bound[1];
  *out = (AugmentConfig){.kind = AUGMENT_HORIZONTAL_FLIP, .p = 0.5};
  return bind_arguments(e->s, "horizontal_flip", formals, 1, args, span, bound) &&
         float_arg(e, "horizontal_flip", "p", bound[0], 0, 1, &out->p);
}

static bool read_augment(Block *b, const Stmt *stmt) {
  static const char *const known[] = {"random_resized_crop", "horizontal_flip"};
  static const char *const later[] = {"vertical_flip", "random_crop", "color_jitter", "rotation", "erasing", "mixup", "cutmix"};
  TrainBlock *to = b->data;
  if (!stmt->args) {
    front_error(b->eval.s, DIAG_E0504, stmt->span, "augment lacks its steps: augment random_resized_crop(224), horizontal_flip");
    return false;
  }
  for (const Arg *arg = stmt->args; arg; arg = arg->next) {
    const char *name;
    const Arg *args;
    AugmentConfig step;
    if (!read_choice(b->eval.s, arg->value, "an augmentation", &name, &args)) return false;
    if (!known_name(b->eval.s, DIAG_E0502, "augmentation", name, arg->value->span, known, LENGTH(known), later, LENGTH(later)))
      return false;
    bool crop = streq(name, "random_resized_crop");
    if (!(crop ? read_crop : read_flip)(&b->eval, args, arg->value->span, &step)) return false;
    for (size_t i = 0; i < to->train->augment.count; i++)
      if (to->train->augment.at[i].kind == step.kind) {
        front_error(b->eval.s, DIAG_E0505, arg->value->span, "%s is given twice", name);
        return false;
      }
    vec_push(to->g->arena, &to->train->augment, step);
  }
  return true;
}

/* ---- groups ---- */

static bool pick_group(Block *b, const Stmt *stmt, GroupConfig *group) {
  TrainBlock *to = b->data;
  Session *s = b->eval.s;
  Selection selection = {0};
  if (!select_resolve(s, to->g, b->eval.scope, stmt->selector, false, &selection)) return false;
  for (size_t i = 0; i < selection.params.count; i++) {
    ParamId param = selection.params.at[i];
    if (to->g->params.at[param].is_buffer) continue;
    if (to->owner[param]) {
      Diag *d = front_error(s, DIAG_E0509, stmt->span, "'%s' is in two groups", to->g->params.at[param].name);
      diag_label(&s->diags, d, to->train->groups.at[to->owner[param] - 1].span, "the other group");
      diag_help(&s->diags, d, "`except` takes it out of one: group backbone except layer4 lr=1e-5");
      return false;
    }
    vec_push(to->g->arena, &group->params, param);
  }
  if (group->params.count > 0) return true;
  front_error(s, DIAG_E0509, stmt->span, "this group has no parameters to train");
  return false;
}

static bool read_group(Block *b, const Stmt *stmt) {
  static const Formal formals[] = {{"lr", false}, {"weight_decay", false}, {"momentum", false}};
  TrainBlock *to = b->data;
  const Arg *bound[3];
  GroupConfig group = {.lr = NAN, .weight_decay = NAN, .momentum = NAN, .span = stmt->span};
  if (!bind_arguments(b->eval.s, "group", formals, 3, stmt->args, stmt->span, bound)) return false;
  if (!bound[0] && !bound[1] && !bound[2]) {
    Diag *d = front_error(b->eval.s, DIAG_E0509, stmt->span, "this group sets nothing");
    diag_help(&b->eval.s->diags, d, "say what differs: group layer4 lr=1e-5 weight_decay=0");
    return false;
  }
  if (!float_arg(&b->eval, "group", "lr", bound[0], 0, LARGE, &group.lr) ||
      !float_arg(&b->eval, "group", "weight_decay", bound[1], 0, LARGE, &group.weight_decay) ||
      !float_arg(&b->eval, "group", "momentum", bound[2], 0, LARGE, &group.momentum) || !pick_group(b, stmt, &group))
    return false;
  vec_push(to->g->arena, &to->train->groups, group);
  for (size_t i = 0; i < group.params.count; i++) to->owner[group.params.at[i]] = to->train->groups.count;
  return true;
}

/* ---- the block ---- */

static bool read_count(Block *b, const Stmt *stmt, int64_t min, int64_t max, int64_t *out) {
  const Expr *value = single(b->eval.s, stmt);
  Const c;
  return value && eval_expr(&b->eval, value, &c) && want_int(b->eval.s, &c, value->span, "train", stmt->name, min, max, out);
}

static bool given_twice(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  for (size_t i = 0; i < to->seen.count; i++)
    if (streq(to->seen.at[i], stmt->name)) {
      Diag *d = front_error(b->eval.s, DIAG_E0505, stmt->name_span, "'%s' is given twice", stmt->name);
      diag_label(&b->eval.s->diags, d, to->seen_at.at[i], "first here");
      return true;
    }
  vec_push(b->eval.s->arena, &to->seen, stmt->name);
  vec_push(b->eval.s->arena, &to->seen_at, stmt->name_span);
  return false;
}

static bool train_setting(Block *b, const Stmt *stmt) {
  static const char *const known[] = {"optimizer", "loss", "batch", "epochs", "seed", "augment", "group"};
  static const char *const later[] = {"schedule", "clip_norm", "accumulate", "mixup", "early_stop", "ema", "phase", "save"};
  TrainConfig *train = ((TrainBlock *)b->data)->train;
  if (!known_name(b->eval.s, DIAG_E0501, "train setting", stmt->name, stmt->name_span, known, LENGTH(known), later, LENGTH(later)))
    return false;
  if (given_twice(b, stmt)) return false;
  switch (*stmt->name) {
  case 'o': return read_optimizer(b, stmt);
  case 'l': return read_loss(b, stmt);
  case 'a': return read_augment(b, stmt);
  case 'b': return read_count(b, stmt, 1, 1 << 20, &train->batch);
  case 'e': return read_count(b, stmt, 1, 1000000, &train->epochs);
  case 's': return read_count(b, stmt, 0, INT64_MAX, &train->seed);
  default: return false; /* `group` is a statement of its own */
  }
}

static bool train_statement(Block *b, const Stmt *stmt) {
  if (stmt->kind == STMT_GROUP) return read_group(b, stmt);
  if (stmt->kind == STMT_SETTING) return train_setting(b, stmt);
  bool later = stmt->kind == STMT_PHASE || stmt->kind == STMT_SAVE || stmt->kind == STMT_FREEZE || stmt->kind == STMT_UNFREEZE;
  if (later)
    front_error(b->eval.s, DIAG_E0503, stmt->span, "'%s' in a train block is not supported yet by this version", stmt_title(stmt));
  else
    front_error(b->eval.s, DIAG_E0121, stmt->span, "'%s' does not stand in a train block", stmt_title(stmt));
  return false;
}

bool eval_train(Session *s, Scope *scope, Graph *g, const Stmt *stmt, TrainConfig *train) {
  *train = (TrainConfig){.optimizer = {.kind = OPTIMIZER_ADAM, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
                         .loss = {.kind = LOSS_CROSS_ENTROPY},
                         .batch = 32,
                         .epochs = 10,
                         .span = stmt->span};
  TrainBlock to = {.g = g, .train = train, .owner = arena_array(s->arena, size_t, g->params.count + 1)};
  Block block = {.eval = {.s = s, .scope = scope}, .other = train_statement, .data = &to, .keep_going = true};
  return run_block(&block, stmt->body);
}
