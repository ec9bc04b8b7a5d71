/* The settings that choose: optimizer, loss, schedule and augment; and those of several values, group and early_stop.
 * Called by train.c. */
#include "compiler/select/select.h"
#include "compiler/settings/binder.h"
#include <math.h>

/* ---- optimizer and loss ---- */

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
  TrainBlock *to = b->data;
  Choice choice;
  Bound bound;
  const Expr *value = single_value(b->eval.s, stmt);
  if (!value || !read_choice(&b->eval, FAMILY_OPTIMIZER, value, &choice)) return false;
  if (choice.kind >= 0 && refuse_parameters(b->eval.s, choice.args)) return false;
  if (to->stage->recipe.name) to->stage->recipe.own_lr = true;
  to->stage->said[SETTING_optimizer] = value->span;
  return bind_choice(&b->eval, FAMILY_OPTIMIZER, value, &choice, &bound, &to->stage->recipe.optimizer);
}

bool read_loss(Block *b, const Stmt *stmt) {
  TrainConfig *train = ((TrainBlock *)b->data)->train;
  Choice choice;
  Bound bound;
  const Expr *value = single_value(b->eval.s, stmt);
  if (!value || !read_choice(&b->eval, FAMILY_LOSS, value, &choice)) return false;
  train->said[SETTING_loss] = value->span;
  if (!bind_choice(&b->eval, FAMILY_LOSS, value, &choice, &bound, &train->recipe.loss)) return false;
  const Arg *weight = bound_arg(&bound, "weight");
  if (!weight) weight = bound_arg(&bound, "pos_weight");
  if (weight) train->weight_span = weight->value->span;
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
    if (param_at(to->g, param)->is_buffer) continue;
    if (to->owner[param]) {
      Diag *d = front_error(s, DIAG_E0509, stmt->span, "'%s' is in two groups", param_at(to->g, param)->name);
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
  TrainBlock *to = b->data;
  GroupConfig group = {.span = stmt->span};
  Bound bound;
  if (!bind_row(&b->eval, &group_row, stmt->args, stmt->span, &bound, &group.args)) return false;
  if (!stmt->args) {
    Diag *d = front_error(b->eval.s, DIAG_E0509, stmt->span, "this group sets nothing");
    diag_help(&b->eval.s->diags, d, "say what differs: group layer4 lr=1e-5 weight_decay=0");
    return false;
  }
  if (!pick_group(b, stmt, &group)) return false;
  vec_push(to->g->arena, &to->stage->groups, group);
  for (size_t i = 0; i < group.params.count; i++) to->owner[group.params.at[i]] = to->stage->groups.count;
  return true;
}

/* ---- schedule and early_stop ---- */

/* start_factor, of a warm-up or of `linear`. */
static bool check_start(Session *s, const Bound *b, const ScheduleConfig *c) {
  const Arg *given = bound_arg(b, "start_factor");
  const char *name = schedule_name(c);
  double factor = train_number(schedule_rows, c, "start_factor", 1);
  bool warms = train_count(schedule_rows, c, "warmup", 1) > 0;
  if (!given || (factor > 0 && warms)) return true;
  Diag *d = front_error(s, DIAG_E0515, given->value->span,
                        factor > 0 ? "%s: start_factor says where a warm-up begins, but there is none"
                                   : "%s: start_factor must be above 0",
                        name);
  if (factor > 0) diag_help(&s->diags, d, "give its length: %s(warmup=3, start_factor=%g)", name, factor);
  return false;
}

static bool is_plateau(Session *s, const Expr *value, const Expr *name) {
  if (!streq(name->text, "ReduceLROnPlateau") && !streq(name->text, "plateau")) return false;
  Diag *d = front_error(s, DIAG_E0503, name->span, "schedule '%s' is not supported yet by this version", name->text);
  diag_help(
      &s->diags, d,
      "`early_stop patience=3` ends the training at a plateau; a schedule lowers the rate by the calendar: cosine");
  diag_fix(&s->diags, d, value->span, "cosine");
  return true;
}

bool read_schedule(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  ScheduleConfig out = {.kind = SCHEDULE_none};
  Choice choice;
  Bound bound;
  const Expr *value = single_value(b->eval.s, stmt);
  if (!value) return false;
  if (value->kind != EXPR_NONE) { /* else a phase without the block's */
    memset(&out, 0, sizeof out);
    if (!read_choice(&b->eval, FAMILY_SCHEDULE, value, &choice) || is_plateau(b->eval.s, value, choice.name) ||
        !bind_choice(&b->eval, FAMILY_SCHEDULE, value, &choice, &bound, &out) || !check_start(b->eval.s, &bound, &out))
      return false;
  }
  to->stage->recipe.schedule = out;
  return true;
}

/* early_stop patience=5 min_delta=0.001 monitor="accuracy" */
bool read_early_stop(Block *b, const Stmt *stmt) {
  Bound bound;
  return bind_row(&b->eval, &early_stop_row, stmt->args, stmt->span, &bound,
                  &((TrainBlock *)b->data)->train->recipe.early_stop);
}

/* ---- augment ---- */

static bool read_step(Block *b, const Arg *arg, AugmentStep *out) {
  Choice choice;
  Bound bound;
  memset(out, 0, sizeof *out);
  if (!read_choice(&b->eval, FAMILY_AUGMENT, arg->value, &choice)) return false;
  if (streq(choice.name->text, "mixup")) {
    Diag *d = front_error(b->eval.s, DIAG_E0502, arg->value->span, "mixup is a setting of its own");
    diag_help(&b->eval.s->diags, d, "write it next to augment: mixup 0.2");
    return false;
  }
  if (!bind_choice(&b->eval, FAMILY_AUGMENT, arg->value, &choice, &bound, &out->config)) return false;
  const Arg *size = bound_arg(&bound, "size");
  out->span = arg->value->span;
  out->size_span = size ? size->value->span : out->span;
  return true;
}

/* Two steps that make the picture's size contradict each other. */
static bool is_there(Block *b, const PhaseConfig *stage, const AugmentStep *step, const Arg *arg) {
  for (size_t i = 0; i < stage->augment.count; i++) {
    const AugmentConfig *other = &stage->augment.at[i].config;
    bool same = other->kind == step->config.kind;
    if (!same && !(augment_place(other) == PLACE_CROP && augment_place(&step->config) == PLACE_CROP)) continue;
    front_error(b->eval.s, DIAG_E0505, arg->value->span,
                same ? "%s is given twice" : "%s follows another crop: only one of them can make the size",
                augment_name(&step->config));
    return true;
  }
  return false;
}

bool read_augment(Block *b, const Stmt *stmt) {
  TrainBlock *to = b->data;
  PhaseConfig *stage = to->stage;
  if (!stmt->args) {
    front_error(b->eval.s, DIAG_E0504, stmt->span,
                "augment is missing its steps: augment random_resized_crop(224), horizontal_flip");
    return false;
  }
  stage->augment.count = 0; /* a phase's own in place of the block's */
  stage->augment.at = NULL, stage->augment.capacity = 0;
  const Expr *only = stmt->args->value;
  if (stage->recipe.name && !stmt->args->next && only->kind == EXPR_NONE) return true; /* augment none */
  for (const Arg *arg = stmt->args; arg; arg = arg->next) {
    AugmentStep step;
    if (!read_step(b, arg, &step) || is_there(b, stage, &step, arg)) return false;
    vec_push(to->g->arena, &stage->augment, step);
  }
  return true;
}
