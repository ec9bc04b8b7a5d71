/* optimizer and group of the train block: torch.optim's arguments and their defaults, and the parameters for which some
 * of them differ. Called by settings_train.c. */
#include "compiler/settings/binder.h"
#include "compiler/select/select.h"
#include <math.h>

static bool read_sgd(Eval *e, const Arg *args, Span span, OptimizerConfig *out) {
  static const Formal formals[] = {{"lr", true},         {"momentum", false},
                                   {"dampening", false}, {"weight_decay", false},
                                   {"nesterov", false},  {"maximize", false}};
  const Arg *bound[LENGTH(formals)];
  *out = (OptimizerConfig){.kind = OPTIMIZER_SGD};
  if (!bind_arguments(e->s, "SGD", formals, LENGTH(formals), args, span, bound)) return false;
  if (!float_arg(e, "SGD", "lr", bound[0], 0, LARGE, &out->lr) ||
      !float_arg(e, "SGD", "momentum", bound[1], 0, LARGE, &out->momentum) ||
      !float_arg(e, "SGD", "dampening", bound[2], 0, LARGE, &out->dampening) ||
      !float_arg(e, "SGD", "weight_decay", bound[3], 0, LARGE, &out->weight_decay) ||
      !bool_arg(e, "SGD", "nesterov", bound[4], &out->nesterov) ||
      !bool_arg(e, "SGD", "maximize", bound[5], &out->maximize))
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
  *out = (OptimizerConfig){
      .kind = w ? OPTIMIZER_ADAMW : OPTIMIZER_ADAM, .lr = 1e-3, .eps = 1e-8, .weight_decay = w ? 1e-2 : 0};
  if (!bind_arguments(e->s, name, formals, LENGTH(formals), args, span, bound)) return false;
  if (!float_arg(e, name, "lr", bound[0], 0, LARGE, &out->lr) ||
      !pair_arg(e, name, "betas", bound[1], 0, BELOW_ONE, betas) ||
      !float_arg(e, name, "eps", bound[2], 0, LARGE, &out->eps) ||
      !float_arg(e, name, "weight_decay", bound[3], 0, LARGE, &out->weight_decay) ||
      !bool_arg(e, name, "amsgrad", bound[4], &out->amsgrad) ||
      !bool_arg(e, name, "maximize", bound[5], &out->maximize))
    return false;
  out->beta1 = betas[0];
  out->beta2 = betas[1];
  return true;
}

static bool read_rmsprop(Eval *e, const Arg *args, Span span, OptimizerConfig *out) {
  static const Formal formals[] = {{"lr", false},           {"alpha", false},    {"eps", false},
                                   {"weight_decay", false}, {"momentum", false}, {"centered", false},
                                   {"maximize", false}};
  const Arg *bound[LENGTH(formals)];
  *out = (OptimizerConfig){.kind = OPTIMIZER_RMSPROP, .lr = 1e-2, .alpha = 0.99, .eps = 1e-8};
  if (!bind_arguments(e->s, "RMSprop", formals, LENGTH(formals), args, span, bound)) return false;
  return float_arg(e, "RMSprop", "lr", bound[0], 0, LARGE, &out->lr) &&
         float_arg(e, "RMSprop", "alpha", bound[1], 0, 1, &out->alpha) &&
         float_arg(e, "RMSprop", "eps", bound[2], 0, LARGE, &out->eps) &&
         float_arg(e, "RMSprop", "weight_decay", bound[3], 0, LARGE, &out->weight_decay) &&
         float_arg(e, "RMSprop", "momentum", bound[4], 0, LARGE, &out->momentum) &&
         bool_arg(e, "RMSprop", "centered", bound[5], &out->centered) &&
         bool_arg(e, "RMSprop", "maximize", bound[6], &out->maximize);
}

/* Adam(model.parameters(), lr=1e-3) */
static bool refuse_parameters(Session *s, const Arg *args) {
  const Expr *value = args && !args->name ? args->value : NULL,
             *callee = value && value->kind == EXPR_CALL ? value->left : NULL;
  if (!callee || callee->kind != EXPR_MEMBER || !streq(callee->text, "parameters")) return false;
  Span span = value->span;
  if (args->next) span.end = args->next->name ? args->next->name_span.begin : args->next->value->span.begin;
  Diag *d = front_error(s, DIAG_E0504, value->span,
                        "an optimizer is written without parameters: it gets all that are not frozen");
  diag_help(&s->diags, d, "leave '%s' out; `group SELECTOR lr=…` gives some of them another rate", front_text(s, span));
  diag_fix(&s->diags, d, span, "%s", "");
  return true;
}

bool read_optimizer(Block *b, const Stmt *stmt) {
  static const char *const known[] = {"SGD", "Adam", "AdamW", "RMSprop"};
  static const char *const later[] = {"Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "LBFGS", "Rprop"};
  TrainBlock *to = b->data;
  OptimizerConfig *out = &to->stage->optimizer;
  const Expr *value = single_value(b->eval.s, stmt);
  const Expr *callee;
  const Arg *args;
  if (!value || !read_choice(b->eval.s, value, "an optimizer", &callee, &args)) return false;
  if (!choice_known(b->eval.s, "optimizer", callee, known, LENGTH(known), later, LENGTH(later), NULL, 0)) return false;
  const char *name = callee->text;
  if (refuse_parameters(b->eval.s, args)) return false;
  if (to->stage->name) to->stage->own_lr = true;
  bool good = streq(name, "SGD")       ? read_sgd(&b->eval, args, value->span, out)
              : streq(name, "RMSprop") ? read_rmsprop(&b->eval, args, value->span, out)
                                       : read_adam(&b->eval, name, args, value->span, out);
  out->span = value->span;
  return good;
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
      diag_label(&s->diags, d, to->stage->groups.at[to->owner[param] - 1].span, "the other group");
      diag_help(&s->diags, d, "`except` takes it out of one: group backbone except layer4 lr=1e-5");
      return false;
    }
    vec_push(to->g->arena, &group->params, param);
  }
  if (group->params.count > 0) return true;
  front_error(s, DIAG_E0509, stmt->span, "this group has no parameters to train");
  return false;
}

bool read_group(Block *b, const Stmt *stmt) {
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
  vec_push(to->g->arena, &to->stage->groups, group);
  for (size_t i = 0; i < group.params.count; i++) to->owner[group.params.at[i]] = to->stage->groups.count;
  return true;
}
