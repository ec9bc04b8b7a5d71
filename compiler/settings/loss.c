/* loss of the train block, with the names, order and defaults of torch.nn's arguments. Called by settings_train.c. */
#include "compiler/settings/binder.h"

/* A list with one number for each class. */
static bool read_class_weights(Block *b, const char *callee, const char *name, const Arg *arg, LossConfig *out) {
  Session *s = b->eval.s;
  Const c;
  if (!arg) return true;
  if (!eval_expr(&b->eval, arg->value, &c)) return false;
  if (c.kind == CONST_NONE) return true;
  if (c.kind != CONST_LIST || c.list.count == 0) {
    front_error(s, DIAG_E0112, arg->value->span, "%s: %s must be a list with one number for each class, not %s", callee,
                name, const_text(s->arena, &c));
    return false;
  }
  double sum = 0;
  for (size_t i = 0; i < c.list.count; i++) {
    double value;
    if (!want_float(s, &c.list.at[i], arg->value->span, callee, name, 0, 1e30, &value)) return false;
    out->weight_span = arg->value->span;
    vec_push(s->arena, &out->weight, value);
    sum += value;
  }
  if (sum > 0 || out->kind == LOSS_BCE_WITH_LOGITS) return true;
  front_error(s, DIAG_E0504, arg->value->span, "%s: at least one class needs a weight above 0", callee);
  return false;
}

bool read_loss(Block *b, const Stmt *stmt) {
  static const char *const known[] = {"CrossEntropy", "MSE", "L1", "BCEWithLogits"};
  static const char *const later[] = {"SmoothL1", "Huber", "KLDiv"};
#define NO_SOFTMAX "CrossEntropy does the same to what goes into a (Log)Softmax: train without that layer"
#define NO_SIGMOID "BCEWithLogits does the same to what goes into a Sigmoid: train without that layer"
  static const TorchName torch[] = {{"CrossEntropyLoss", "CrossEntropy", NULL},
                                    {"MSELoss", "MSE", NULL},
                                    {"L1Loss", "L1", NULL},
                                    {"BCEWithLogitsLoss", "BCEWithLogits", NULL},
                                    {"NLLLoss", "CrossEntropy", NO_SOFTMAX},
                                    {"NLL", "CrossEntropy", NO_SOFTMAX},
                                    {"BCELoss", "BCEWithLogits", NO_SIGMOID},
                                    {"BCE", "BCEWithLogits", NO_SIGMOID},
                                    {"SmoothL1Loss", "SmoothL1", NULL},
                                    {"HuberLoss", "Huber", NULL},
                                    {"KLDivLoss", "KLDiv", NULL},
                                    {"categorical_crossentropy", "CrossEntropy", NULL},
                                    {"sparse_categorical_crossentropy", "CrossEntropy", NULL},
                                    {"binary_crossentropy", "BCEWithLogits", NO_SIGMOID},
                                    {"mean_squared_error", "MSE", NULL},
                                    {"mean_absolute_error", "L1", NULL},
                                    {"mae", "L1", NULL}};
  static const Formal entropy[] = {{"weight", false}, {"label_smoothing", false}, {"ignore_index", false}},
                      binary[] = {{"pos_weight", false}};
  Session *s = b->eval.s;
  LossConfig *out = &((TrainBlock *)b->data)->train->loss;
  const Expr *value = single_value(s, stmt);
  const Arg *args, *bound[3];
  const Expr *callee;
  if (!value || !read_choice(s, value, "a loss", &callee, &args)) return false;
  if (!choice_known(s, "loss", callee, known, LENGTH(known), later, LENGTH(later), torch, LENGTH(torch))) return false;
  const char *name = callee->text;
  *out = (LossConfig){.kind = streq(name, "MSE")             ? LOSS_MSE
                              : streq(name, "L1")            ? LOSS_L1
                              : streq(name, "BCEWithLogits") ? LOSS_BCE_WITH_LOGITS
                                                             : LOSS_CROSS_ENTROPY,
                      .span = value->span,
                      .ignore_index = IGNORE_INDEX};
  if (out->kind == LOSS_MSE || out->kind == LOSS_L1) return bind_arguments(s, name, NULL, 0, args, value->span, bound);
  if (out->kind == LOSS_BCE_WITH_LOGITS)
    return bind_arguments(s, name, binary, 1, args, value->span, bound) &&
           read_class_weights(b, name, "pos_weight", bound[0], out);
  return bind_arguments(s, name, entropy, 3, args, value->span, bound) &&
         read_class_weights(b, name, "weight", bound[0], out) &&
         float_arg(&b->eval, name, "label_smoothing", bound[1], 0, 1, &out->label_smoothing) &&
         int_arg(&b->eval, name, "ignore_index", bound[2], INT32_MIN, INT32_MAX, &out->ignore_index);
}
